"""ESM-2's tokens by transformers, masks and items by numpy and torch as BioNeMo makes them, or by BioNeMo.

One request as JSON on stdin, one answer on stdout.
"""

import json
import logging
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from transformers import EsmTokenizer

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "helpers"))
import bionemo_source

logging.disable(logging.WARNING)


def tokenizer_of(tokens):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "vocab.txt")
        path.write_text("\n".join(tokens) + "\n", encoding="utf-8")
        return EsmTokenizer(str(path))


def masked(tokens, seed, case):
    """One uniform a token, thresholds in float32, then one integer for each random token."""
    tokens = torch.as_tensor(tokens, dtype=torch.int64)
    generator = torch.Generator().manual_seed(seed)
    p, m, q = case["maskProb"], case["maskTokenProb"], case["randomTokenProb"]
    draws = torch.rand(len(tokens), generator=generator)
    counted = (draws < p) & ~torch.isin(tokens, torch.tensor(case["specialIds"]))
    text = torch.where(counted & (draws < p * m), case["maskId"], tokens)
    at_random = counted & (draws >= p * m) & (draws < p * (m + q))
    low, high = case["randomTokens"]
    text[at_random] = torch.randint(low, high, (int(at_random.sum()),), generator=generator)
    labels = torch.where(counted, tokens, -100)
    return [text.tolist(), labels.tolist(), counted.int().tolist()]


def item_by_numpy(tokenizer, proteins, clusters, case):
    rng = np.random.default_rng([int(case["seed"]), case["epoch"], case["idx"]])
    tokens = tokenizer.encode(proteins[rng.choice(clusters[case["idx"]])])
    longest = case["maxSeqLength"]
    if len(tokens) > longest:
        begin = int(rng.integers(0, len(tokens) - longest))
        tokens = tokens[begin : begin + longest]
    seed = int(rng.integers(np.iinfo(np.int64).max))
    return masked(tokens, seed, {**case, "maskId": 32, "specialIds": [0, 1, 2, 3, 32]})


def item_by_bionemo(proteins, clusters, case):
    from bionemo.core.data.multi_epoch_dataset import EpochIndex
    from bionemo.esm2.data.dataset import ESMMaskedResidueDataset, RandomMaskStrategy

    dataset = ESMMaskedResidueDataset(
        proteins, clusters, seed=int(case["seed"]), max_seq_length=case["maxSeqLength"], mask_prob=case["maskProb"],
        mask_token_prob=case["maskTokenProb"], mask_random_prob=case["randomTokenProb"],
        random_mask_strategy=RandomMaskStrategy(case["randomMaskStrategy"]),
    )
    item = dataset[EpochIndex(case["epoch"], case["idx"])]
    return [item[name].int().tolist() for name in ["text", "labels", "loss_mask"]]


request = json.load(sys.stdin)
tokenizer = tokenizer_of(request["tokens"])
if request["checkout"] is not None:
    bionemo_source.use(request["checkout"], "core", "llm", "esm2")
make = item_by_numpy if request["checkout"] is None else item_by_bionemo
first = [tokenizer] if request["checkout"] is None else []
proteins, clusters = request["proteins"], request["clusters"]
answer = {
    "texts": [[tokenizer.encode(text, add_special_tokens=False), tokenizer.encode(text)] for text in request["texts"]],
    "decoded": [[tokenizer.decode(ids), tokenizer.decode(ids, skip_special_tokens=True)] for ids in request["ids"]],
    "masks": [masked(case["ids"], int(case["seed"]), case) for case in request["masks"]],
    "items": [make(*first, proteins, clusters, case) for case in request["items"]],
}
print(json.dumps(answer))
