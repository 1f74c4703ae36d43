"""Full training steps of transformers: gpu_steps.py MODEL BATCH LENGTH STEPS PRECISION DEVICE eager|compile.

Prints {"seconds": [...], "losses": [...], "tflops": model arithmetic of a step}; random weights, fused AdamW,
clipping, all logits, fused attention. MODEL "matmul" measures products of bfloat16 matrices instead. With a
MODEL that ends with "-lengths" a step is BATCH proteins drawn at random from lengths.json, padded to the longest;
with "-padded" they are padded to LENGTH; with "-sorted" they are neighbours in the order of lengths.
"""

import json
import sys
import time

import torch

given, batch, length, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
precision, device, mode = sys.argv[5], sys.argv[6], sys.argv[7]
name = given.removesuffix("-lengths").removesuffix("-padded").removesuffix("-sorted")
cuda = device.startswith("cuda")
wait = torch.cuda.synchronize if cuda else (lambda: None)
torch.manual_seed(0)


def timed(work, count):
    for _ in range(3):
        work()
    wait()
    seconds = []
    for _ in range(count):
        begin = time.perf_counter()
        work()
        wait()
        seconds.append(time.perf_counter() - begin)
    return seconds


if name == "matmul":
    a, b = (torch.randn(length, length, device=device, dtype=torch.bfloat16) for _ in range(2))
    seconds = timed(lambda: a @ b, steps)
    print(json.dumps({"seconds": seconds, "tflops": 2 * length**3 / 1e12}))
    sys.exit()

from transformers import BertConfig, BertForMaskedLM, EsmConfig, EsmForMaskedLM

if name.startswith("esm2-"):
    layers, hidden = {"8M": (6, 320), "35M": (12, 480), "150M": (30, 640), "650M": (33, 1280)}[name[5:]]
    vocabulary, inner = 24, 4 * hidden
    model = EsmForMaskedLM(EsmConfig(
        vocab_size=33, mask_token_id=32, pad_token_id=1, num_hidden_layers=layers, hidden_size=hidden,
        num_attention_heads=20, intermediate_size=inner, max_position_embeddings=1026, token_dropout=True,
        position_embedding_type="rotary", emb_layer_norm_before=False, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, attn_implementation="sdpa"))
else:
    layers, hidden, inner, heads = (6, 256, 512, 4) if name == "geneformer-10M" else (12, 768, 3072, 12)
    vocabulary = 25_426
    model = BertForMaskedLM(BertConfig(
        vocab_size=vocabulary, num_hidden_layers=layers, hidden_size=hidden, num_attention_heads=heads,
        intermediate_size=inner, hidden_act="relu", max_position_embeddings=2048, pad_token_id=0,
        hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0, attn_implementation="sdpa"))
model = model.to(device).train()
parameters = list(model.parameters())
optimizer = torch.optim.AdamW(parameters, lr=4e-4, betas=(0.9, 0.98), weight_decay=0.01, fused=True)
forward = torch.compile(model) if mode == "compile" else model
ids = torch.randint(4, vocabulary, (batch, length), device=device)
mask = torch.ones_like(ids)
labels = torch.where(torch.rand(batch, length, device=device) < 0.15, ids, torch.full_like(ids, -100))
low = precision == "bf16-mixed"
losses = []
tokens = batch * length
if given != name:
    lengths = torch.tensor(json.load(open("lengths.json")))
    lengths = lengths if given.endswith("-lengths") else lengths.clamp(max=length)
    if given.endswith("-sorted"):
        groups = lengths.sort().values[: len(lengths) // batch * batch].reshape(-1, batch)
        drawn = [groups[int(torch.randint(len(groups), ()))] for _ in range(steps + 3)]
    else:
        drawn = [lengths[torch.randperm(len(lengths))[:batch]] for _ in range(steps + 3)]
    widths = [length if given.endswith("-padded") else int(some.max()) for some in drawn]
    tokens = float(sum(some.sum() for some in drawn[3:])) / steps
    batches = iter([(torch.arange(width)[None] < some[:, None]).long().to(device) for width, some in zip(widths, drawn)])


def step():
    global ids, mask, labels
    optimizer.zero_grad(set_to_none=True)
    if given != name:
        mask = next(batches)
        ids = torch.where(mask == 1, torch.randint_like(mask, 4, vocabulary), 1)
        labels = torch.where((torch.rand(mask.shape, device=device) < 0.15) & (mask == 1), ids, -100)
    with torch.autocast(device.split(":")[0], torch.bfloat16, enabled=low):
        loss = forward(input_ids=ids, attention_mask=mask, labels=labels).loss
    loss.backward()
    torch.nn.utils.clip_grad_norm_(parameters, 1.0)
    optimizer.step()
    losses.append(loss.detach())


seconds = timed(step, steps)
matrices = sum(p.numel() for n, p in model.named_parameters() if p.ndim > 1 and "embeddings" not in n)
arithmetic = 6 * (matrices + hidden * model.config.vocab_size) * batch * length + 12 * layers * length * hidden * batch * length
peak = torch.cuda.max_memory_allocated() / 2**20 if cuda else None
print(json.dumps({"seconds": seconds, "losses": [loss.item() for loss in losses], "tflops": arithmetic / 1e12, "peakMiB": peak, "tokens": tokens}))
