"""Losses and gradients of transformers from what correct.ts wrote: gpu_correct.py MODEL FOLDER DEVICE.

Float32 without TF32, and bfloat16 autocast; AdamW, clipping. Prints {"losses": [...], "bfloat16": [...],
"gradients": {...}}: of each parameter the norm of the difference over the norm of its gradient, the
worst of them, and the worst between PyTorch and its own float64. A gradient that is zero but for rounding, as that of
a key's bias, has no relative error: where that in float64 is below 1e-9 of all together, it counts as vanishing and
the difference is divided by the norm of all together.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

name, folder, device = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
torch.backends.cuda.matmul.allow_tf32 = False
torch.backends.cudnn.allow_tf32 = False
torch.set_float32_matmul_precision("highest")
kind = transformers.EsmForMaskedLM if name.startswith("esm2") else transformers.BertForMaskedLM
batches = {key: values.long().to(device) for key, values in load_file(folder / "batches.safetensors").items()}
rates = json.loads((folder / "rates.json").read_text())
theirs = {}


def start(dtype):
    model = kind.from_pretrained(folder / "start", attn_implementation="sdpa", dtype=dtype).to(device).train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def train(low):
    model = start(torch.float32)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(
        [{"params": [p for p in parameters if p.ndim > 1], "weight_decay": 0.01},
         {"params": [p for p in parameters if p.ndim == 1], "weight_decay": 0.0}], lr=0.0, betas=(0.9, 0.98), eps=1e-8)
    losses = []
    for step, rate in enumerate(rates):
        for group in optimizer.param_groups:
            group["lr"] = rate
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=low):
            loss = model(**{key: values[step] for key, values in batches.items()}).loss
        loss.backward()
        if step == 0 and not low:
            theirs.update({key: p.grad.float().cpu().clone() for key, p in model.named_parameters() if p.grad is not None})
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        losses.append(loss.detach())
    return [loss.item() for loss in losses]


def exact():
    model = start(torch.float64)
    model(**{key: values[0] for key, values in batches.items()}).loss.backward()
    return {key: p.grad.cpu() for key, p in model.named_parameters() if p.grad is not None}


def gradients():
    ours, wanted = load_file(folder / "gradients.safetensors"), exact()
    missing = sorted(set(theirs) - set(ours))
    if missing:
        raise RuntimeError(f"no gradients of {missing[:3]}")
    whole = float(torch.stack([g.norm() for g in wanted.values()]).norm())
    vanishing = {key for key, g in wanted.items() if g.norm() < 1e-9 * whole}

    def worst(some, others):
        apart = {key: float((some[key].double() - others[key].double()).norm()
                            / (whole if key in vanishing else others[key].double().norm())) for key in theirs}
        return max(apart.items(), key=lambda found: (found[1] != found[1], found[1]))

    (largest, of), (own, _) = worst(ours, theirs)[::-1], worst(theirs, wanted)[::-1]
    return {"worst": largest, "of": of, "parameters": len(theirs), "vanishing": len(vanishing), "ofPyTorchAgainstFloat64": own}


losses = train(False)
compared = gradients()
print(json.dumps({"losses": losses, "bfloat16": train(True), "gradients": compared}))
