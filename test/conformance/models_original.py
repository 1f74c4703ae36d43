"""Masked language models of transformers: made, run and loaded. A list of each, as JSON."""

import json
import random
import sys
from pathlib import Path

import numpy
import onnxruntime
import torch
from safetensors.torch import load_file, save_file
from transformers import logging as transformers_logging
from transformers import AutoConfig, AutoModelForMaskedLM, BertConfig, BertForMaskedLM, BertModel, EsmConfig, EsmForMaskedLM, EsmModel


def make(kind, seed, folder):
    """A model of random size and weights, its values for a random batch beside it."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    heads = draw.choice([1, 2, 4])
    sizes = dict(hidden_size=heads * draw.choice([4, 8, 16]), num_attention_heads=heads, num_hidden_layers=draw.randint(1, 4),
                 intermediate_size=draw.randint(8, 96), initializer_range=draw.choice([0.02, 0.1, 0.2]),
                 hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    if kind == "esm":
        config = EsmConfig(vocab_size=33, mask_token_id=32, pad_token_id=1, layer_norm_eps=1e-5, position_embedding_type="rotary",
                           token_dropout=draw.random() < 0.8, emb_layer_norm_before=False, **sizes)
        model, mask_id, pad_id = EsmForMaskedLM(config), 32, 1
    else:
        config = BertConfig(vocab_size=draw.randint(20, 90), pad_token_id=0, hidden_act=draw.choice(["gelu", "relu", "gelu_pytorch_tanh"]),
                            max_position_embeddings=draw.randint(40, 64), **sizes)
        model, mask_id, pad_id = BertForMaskedLM(config), 1, 0
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder, max_shard_size=draw.choice(["5GB", "20KB"]))
    lengths = [draw.randint(3, 40) for _ in range(draw.randint(1, 6))]
    ids = torch.full((len(lengths), max(lengths)), pad_id)
    labels = torch.full_like(ids, -100)
    for row, length in enumerate(lengths):
        ids[row, :length] = torch.randint(4, config.vocab_size, (length,))
        for at in range(length):
            if draw.random() < 0.3:
                labels[row, at] = ids[row, at]
                ids[row, at] = mask_id if draw.random() < 0.8 else draw.randrange(4, config.vocab_size)
        ids[row, 0] = 2
    labels[0, 1] = 5
    batch = {"input_ids": ids, "attention_mask": (torch.arange(max(lengths))[None] < torch.tensor(lengths)[:, None]).long(), "labels": labels}
    values(model, batch, Path(folder, "expected.safetensors"))
    return list(ids.shape)


def values(model, batch, path):
    model.eval()
    output = model(**batch)
    output.loss.backward()
    saved = {k: v.to(torch.uint8 if k == "attention_mask" else torch.int32) for k, v in batch.items()}
    saved |= {"logits": output.logits, "loss": output.loss.reshape(1)}
    saved |= {f"gradient.{name}": p.grad for name, p in model.named_parameters() if p.grad is not None}
    save_file({k: v.detach().contiguous() for k, v in saved.items()}, path)


def load(kind, folder, ids, exported):
    """What from_pretrained says of a folder of ours, its logits, and those of its export in onnxruntime."""
    kind = {"esm": EsmForMaskedLM, "bert": BertForMaskedLM}[kind]
    model, info = kind.from_pretrained(folder, output_loading_info=True)
    with torch.no_grad():
        logits = model.eval()(input_ids=torch.tensor(ids)).logits
    found = run_export(exported, ids)
    return {"info": {k: sorted(map(str, v)) for k, v in info.items()}, "logits": logits.flatten().tolist(), "exported": found.flatten().tolist()}


def load_checkpoint(folder, base, weights):
    """What from_pretrained says of a checkpoint of ours; the network below the head of a fine-tuned one."""
    if base:
        said = json.loads(Path(folder, "config.json").read_text())["backbone"]
        config = AutoConfig.for_model(said.pop("model_type"), **said)
        kind = EsmModel if config.model_type == "esm" else BertModel
        model, info = kind.from_pretrained(folder, config=config, add_pooling_layer=False, output_loading_info=True)
    else:
        model, info = AutoModelForMaskedLM.from_pretrained(folder, output_loading_info=True)
    contact = None
    if weights is not None:
        wanted = load_file(Path(weights, "model.safetensors"))["esm.contact_head.regression.weight"]
        found = (model if base else model.esm).contact_head.regression.weight
        contact = (found - wanted).abs().max().item()
    return {"info": {k: sorted(map(str, v)) for k, v in info.items()}, "contact": contact}


def run_export(path, ids):
    """Logits of the rows, each padded to the length that the file has."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    batch, length = session.get_inputs()[0].shape
    text, mask = numpy.ones((batch, length), numpy.int32), numpy.zeros((batch, length), bool)
    for row, tokens in enumerate(ids):
        text[row, : len(tokens)], mask[row, : len(tokens)] = tokens, True
    (logits,) = session.run(["token_logits"], {"input_ids": text, "attention_mask": mask})
    return logits[: len(ids), : len(ids[0])]


# What is reported is compared instead.
transformers_logging.set_verbosity_error()
request = json.load(sys.stdin)
answer = {"shapes": [make(**model) for model in request["make"]], "loaded": [load(**model) for model in request["load"]]}
answer["checkpoints"] = [load_checkpoint(**checkpoint) for checkpoint in request["checkpoints"]]
json.dump(answer, sys.stdout)
