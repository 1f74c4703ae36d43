"""Full training steps of transformers' ESM-2: train_step.py SIZE BATCH LENGTH STEPS train|infer.

Prints {"seconds": [...], "rssMiB": ...}; random weights, AdamW, all logits, attention as by default.
"""

import json
import os
import resource
import sys
import time

import torch
from transformers import EsmConfig, EsmForMaskedLM

size, batch, length, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
infer = sys.argv[5] == "infer"
layers, hidden = {"8M": (6, 320), "35M": (12, 480), "150M": (30, 640)}[size]
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
torch.set_flush_denormal(True)
torch.manual_seed(0)
config = EsmConfig(vocab_size=33, mask_token_id=32, pad_token_id=1, num_hidden_layers=layers, hidden_size=hidden,
                   num_attention_heads=20, intermediate_size=4 * hidden, max_position_embeddings=1026,
                   position_embedding_type="rotary", token_dropout=True, emb_layer_norm_before=False,
                   hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
model = EsmForMaskedLM(config).train(not infer)
optimizer = torch.optim.AdamW(model.parameters(), lr=4e-4, betas=(0.9, 0.98), weight_decay=0.01)
ids = torch.randint(4, 24, (batch, length))
mask = torch.ones_like(ids)
labels = torch.where(torch.rand(batch, length) < 0.15, ids, torch.full_like(ids, -100))


def step():
    if infer:
        with torch.no_grad():
            return model(input_ids=ids, attention_mask=mask).logits.sum().item()
    optimizer.zero_grad(set_to_none=True)
    loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


seconds = []
for at in range(steps + 2):
    begin = time.perf_counter()
    step()
    if at >= 2:
        seconds.append(time.perf_counter() - begin)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "rssMiB": peak}))
