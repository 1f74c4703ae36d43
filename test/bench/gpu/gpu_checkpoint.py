"""A checkpoint as transformers reads it: gpu_checkpoint.py FOLDER DEVICE.

FOLDER has moved.json and batch.safetensors of checkpoints.ts. Prints the loss there and here, weights that are
missing or not used, and writes the model again to FOLDER/python.
"""

import json
import sys
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file

folder, device = Path(sys.argv[1]), sys.argv[2]
torch.backends.cuda.matmul.allow_tf32 = False
torch.set_float32_matmul_precision("highest")
moved = json.loads((folder / "moved.json").read_text())
model, info = transformers.EsmForMaskedLM.from_pretrained(
    moved["checkpoint"], output_loading_info=True, attn_implementation="sdpa")
batch = {key: values.long().to(device) for key, values in load_file(folder / "batch.safetensors").items()}
with torch.no_grad():
    loss = model.to(device).eval()(**batch, attention_mask=torch.ones_like(batch["input_ids"])).loss.item()
model.cpu().save_pretrained(folder / "python")
print(json.dumps({
    "loss": loss, "ours": moved["loss"], "apart": abs(loss / moved["loss"] - 1),
    "missing": sorted(info["missing_keys"]), "unexpected": sorted(info["unexpected_keys"])}))
