"""Losses of a model of transformers trained with torch's AdamW: a request on stdin, losses on stdout."""

import json
import sys

import torch
import transformers
from safetensors.torch import load_file

request = json.load(sys.stdin)
torch.set_num_threads(request["threads"])
model, report = getattr(transformers, request["model"]).from_pretrained(request["checkpoint"], output_loading_info=True)
for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
    found = [name for name in report[kind] if not name.startswith(("esm.contact_head", "esm.rotary_embeddings", "lm_head.decoder", "cls.predictions.decoder"))]
    assert not found, f"{kind}: {found}"
model.train()
named = list(model.named_parameters())
matrices = [p for _, p in named if p.ndim > 1]
others = [p for _, p in named if p.ndim == 1]
optimizer = torch.optim.AdamW(
    [{"params": matrices, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}],
    lr=0.0, betas=tuple(request["betas"]), eps=1e-8)
batches = load_file(request["batches"])
losses = []
for step, rate in enumerate(request["rates"]):
    for group in optimizer.param_groups:
        group["lr"] = rate
    batch = {name: values[step].long() for name, values in batches.items()}
    optimizer.zero_grad(set_to_none=True)
    loss = model(**batch).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    losses.append(loss.item())
json.dump(losses, sys.stdout)
