"""Steps of transformers' ESM-2 and BERT: train_step.py MODEL BATCH LENGTH STEPS train|infer.

Prints {"seconds": [...], "rssMiB": ...}; random weights, AdamW, all logits, attention as by default.
MODEL is esm2-8M, esm2-35M, esm2-150M or geneformer-10M (the authors' first, dropout of 0.02 included).
With "infer", a step is 64 proteins sorted by length in batches of BATCH, forward only; LENGTH is the longest.
"""

import json
import os
import resource
import sys
import time

import torch
from transformers import BertConfig, BertForMaskedLM, EsmConfig, EsmForMaskedLM

name, batch, length, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
infer = sys.argv[5] == "infer"
torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "2")))
torch.set_flush_denormal(True)
torch.manual_seed(0)
if name == "geneformer-10M":
    vocabulary = 25_426
    config = BertConfig(vocab_size=vocabulary, num_hidden_layers=6, hidden_size=256, num_attention_heads=4,
                        intermediate_size=512, hidden_act="relu", max_position_embeddings=2048, pad_token_id=0,
                        hidden_dropout_prob=0.02, attention_probs_dropout_prob=0.02)
    model = BertForMaskedLM(config)
else:
    vocabulary = 24
    layers, hidden = {"esm2-8M": (6, 320), "esm2-35M": (12, 480), "esm2-150M": (30, 640)}[name]
    config = EsmConfig(vocab_size=33, mask_token_id=32, pad_token_id=1, num_hidden_layers=layers, hidden_size=hidden,
                       num_attention_heads=20, intermediate_size=4 * hidden, max_position_embeddings=1026,
                       position_embedding_type="rotary", token_dropout=True, emb_layer_norm_before=False,
                       hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    model = EsmForMaskedLM(config)
model.train(not infer)
optimizer = torch.optim.AdamW(model.parameters(), lr=4e-4, betas=(0.9, 0.98), weight_decay=0.01)
ids = torch.randint(4, vocabulary, (batch, length))
mask = torch.ones_like(ids)
labels = torch.where(torch.rand(batch, length) < 0.15, ids, torch.full_like(ids, -100))


def proteins():
    for first in range(0, 64, batch):
        lengths = torch.tensor([(at + 1) * length // 64 for at in range(first, first + batch)])
        longest = int(lengths.max())
        kept = (torch.arange(longest) < lengths[:, None]).long()
        yield torch.where(kept == 1, torch.randint(4, vocabulary, kept.shape), 1), kept


batches = list(proteins()) if infer else []


def step():
    if infer:
        with torch.no_grad():
            return sum(model(input_ids=some, attention_mask=kept).logits.sum().item() for some, kept in batches)
    optimizer.zero_grad(set_to_none=True)
    loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return loss.item()


seconds = []
warm = 2
for at in range(steps + warm):
    begin = time.perf_counter()
    step()
    if at >= warm:
        seconds.append(time.perf_counter() - begin)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "rssMiB": peak}))
