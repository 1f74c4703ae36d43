"""One request as JSON on stdin: files of Python's safetensors and huggingface_hub for safetensors.ts."""

import json
import sys

import torch
from huggingface_hub import save_torch_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file

request = json.load(sys.stdin)
TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
         torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool]  # fmt: skip


def random_tensor(generator):
    dtype = TYPES[torch.randint(len(TYPES), (1,), generator=generator)]
    shape = torch.randint(0, 9, (int(torch.randint(4, (1,), generator=generator)),), generator=generator).tolist()
    values = torch.randn(shape, generator=generator) * 10.0 ** torch.randint(-8, 9, (1,), generator=generator)
    return values.to(dtype) if dtype.is_floating_point else values.clamp(0, 100).to(dtype)


if request["op"] == "write":
    generator = torch.Generator().manual_seed(request["seed"])
    for path in request["paths"]:
        tensors = {f"layer.{i}.wéight": random_tensor(generator) for i in range(40)}
        save_file(tensors, path, {"format": "pt"})
elif request["op"] == "rewrite":
    for path, output in request["paths"]:
        with safe_open(path, "pt") as file:
            metadata = file.metadata()
        save_file(load_file(path), output, metadata)
elif request["op"] == "shards":
    with safe_open(request["path"], "pt") as file:
        tensors = {name: file.get_tensor(name) for name in request["names"]}
    save_torch_state_dict(tensors, request["folder"], max_shard_size=request["bytes"])
elif request["op"] == "narrow":
    values = torch.frombuffer(bytearray.fromhex(request["hex"]), dtype=torch.float32)
    print(json.dumps([values.to(t).view(torch.uint16).numpy().tobytes().hex() for t in (torch.float16, torch.bfloat16)]))
    sys.exit()
print("null")
