"""Heads on networks of transformers, fine-tuned with torch's AdamW: losses on stdout, the heads as files.

The heads are written here as BioNeMo describes them: an MLP on the mean of the residues or of the genes,
two convolutions of 7 positions on the tokens.
"""

import json
import sys

import torch
from safetensors.torch import load_file, save_file
from torch.nn import functional
from transformers import BertModel, EsmModel
from transformers import logging as transformers_logging

KINDS = {"esm": EsmModel, "bert": BertModel}


class Sequences(torch.nn.Module):
    """A value, or a score of each class, of each row."""

    def __init__(self, start, has_ends):
        super().__init__()
        wide, narrow = start["linear_layers.0.weight"], start["linear_layers.1.weight"]
        self.linear_layers = torch.nn.ModuleList([torch.nn.Linear(*reversed(wide.shape)), torch.nn.Linear(*reversed(narrow.shape))])
        self.has_ends = has_ends

    def forward(self, hidden, mask):
        ends = int(self.has_ends)
        means = [row[ends : int(count) - ends].mean(dim=0) for row, count in zip(hidden, mask.sum(dim=1))]
        first, second = self.linear_layers
        return second(functional.relu(first(torch.stack(means))))


class Tokens(torch.nn.Module):
    """Scores of the classes of each token."""

    def __init__(self, start, has_ends):
        super().__init__()
        wide, narrow = start["finetune_model.0.weight"], start["class_heads.weight"]
        convolution = lambda like: torch.nn.Conv2d(like.shape[1], like.shape[0], kernel_size=(7, 1), padding=(3, 0))
        self.finetune_model = torch.nn.Sequential(convolution(wide), torch.nn.ReLU())
        self.class_heads = convolution(narrow)

    def forward(self, hidden, mask):
        image = hidden.permute(0, 2, 1).unsqueeze(-1)
        return self.class_heads(self.finetune_model(image)).squeeze(-1).permute(0, 2, 1)


def loss_of(output, labels, counted):
    if labels.is_floating_point():
        return functional.mse_loss(output.squeeze(-1), labels)
    if output.ndim == 2:
        return functional.cross_entropy(output, labels.long())
    wanted = torch.where(counted.bool(), labels.long(), -100)
    return functional.cross_entropy(output.flatten(0, 1), wanted.flatten(), ignore_index=-100)


def tune(kind, folder, has_ends, task, head, batches, rates, head_factor, weight_decay, betas, frozen, output):
    network, report = KINDS[kind].from_pretrained(folder, add_pooling_layer=False, output_loading_info=True)
    missing = [name for name in report["missing_keys"] if not name.startswith("contact_head")]
    assert not missing, f"missing: {missing}"
    assert network.config.hidden_dropout_prob == 0 and network.config.attention_probs_dropout_prob == 0
    start = load_file(head)
    model = (Tokens if task == "token-classification" else Sequences)(start, has_ends)
    model.load_state_dict(start)
    network.train(), model.train(), network.requires_grad_(not frozen)
    # transformers' head of contacts is trained by no loss.
    tuned = [p for name, p in network.named_parameters() if p.requires_grad and not name.startswith("contact_head")]
    groups = [
        {"params": [p for p in parameters if (p.ndim > 1) == decays], "factor": factor, "weight_decay": weight_decay if decays else 0.0}
        for parameters, factor in ((tuned, 1.0), (list(model.parameters()), head_factor))
        for decays in (True, False)
    ]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=0.0, betas=tuple(betas), eps=1e-8)
    trained = [p for group in groups for p in group["params"]]
    values, losses = load_file(batches), []
    for step, rate in enumerate(rates):
        for group in optimizer.param_groups:
            group["lr"] = rate * group["factor"]
        ids, mask, labels, counted = (values[f"{step}.{name}"] for name in ("ids", "mask", "labels", "counted"))
        optimizer.zero_grad(set_to_none=True)
        hidden = network(input_ids=ids.long(), attention_mask=mask.long()).last_hidden_state
        loss = loss_of(model(hidden, mask), labels, counted)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        losses.append(loss.item())
    save_file({name: value.contiguous() for name, value in model.state_dict().items()}, output)
    return losses


transformers_logging.set_verbosity_error()
torch.set_num_threads(1)
json.dump([tune(**run) for run in json.load(sys.stdin)], sys.stdout)
