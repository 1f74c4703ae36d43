"""Steps of a small network with torch.amp.GradScaler and AdamW on the CPU: a request on stdin, what it came to on
stdout."""

import json
import sys

import torch

request = json.load(sys.stdin)
torch.set_num_threads(1)
names = list(request["weights"])
weights = {name: torch.nn.Parameter(torch.tensor(values).reshape(request["shapes"][name])) for name, values in request["weights"].items()}
scaler = torch.amp.GradScaler("cpu", init_scale=request["scale"])
optimizer = torch.optim.AdamW(weights.values(), lr=request["rate"], weight_decay=0.01)
x, labels = torch.tensor(request["x"]).reshape(request["rows"], -1), torch.tensor(request["labels"])
scales, skipped, losses = [], [], []
for step in range(request["steps"]):
    if step == request["grownBefore"]:
        scaler.load_state_dict({**scaler.state_dict(), "_growth_tracker": request["goodUpdates"]})
    optimizer.zero_grad()
    with torch.autocast("cpu", dtype=torch.float16):
        hidden = torch.relu(torch.nn.functional.linear(x, weights["a"], weights["b"]))
        logits = torch.nn.functional.linear(hidden, weights["c"])
    loss = torch.nn.functional.cross_entropy(logits.float(), labels)
    scales.append(scaler.get_scale())
    scaler.scale(loss).backward()
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(weights.values(), request["clip"])
    before = weights["a"].detach().clone()
    scaler.step(optimizer)
    skipped.append(torch.equal(before, weights["a"]))
    scaler.update()
    losses.append(loss.item())
state = scaler.state_dict()
json.dump(
    {
        "scales": scales,
        "skipped": skipped,
        "losses": losses,
        "factor": state["scale"],
        "goodUpdates": state["_growth_tracker"],
        "weights": {name: weights[name].flatten().tolist() for name in names},
    },
    sys.stdout,
)
