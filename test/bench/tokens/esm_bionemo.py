"""BioNeMo's ESMMaskedResidueDataset and bert_padding_collate_fn through a DataLoader.

python esm_bionemo.py CHECKOUT PROTEINS.txt BATCH WORKERS
"""

import functools
import json
import logging
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers"))
import bionemo_source

checkout, file, batch_size, workers = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
bionemo_source.use(checkout, "core", "llm", "esm2")
logging.disable(logging.WARNING)

import torch
from bionemo.core.data.multi_epoch_dataset import EpochIndex
from bionemo.esm2.data.dataset import ESMMaskedResidueDataset
from bionemo.llm.data.collate import bert_padding_collate_fn

torch.set_num_threads(1)
sequences = Path(file).read_text().split()
proteins = {f"P{i}": sequence for i, sequence in enumerate(sequences)}
clusters = [[f"P{i}"] for i in range(len(sequences))]


class Epoch(torch.utils.data.Dataset):
    def __init__(self):
        self.items = ESMMaskedResidueDataset(proteins, clusters, seed=42, max_seq_length=1024)

    def __len__(self):
        return len(self.items)

    def __getitem__(self, i):
        return self.items[EpochIndex(1, i)]


loader = torch.utils.data.DataLoader(
    Epoch(),
    batch_size=batch_size,
    num_workers=workers,
    persistent_workers=workers > 0,
    collate_fn=functools.partial(bert_padding_collate_fn, padding_value=1, min_length=1024, max_length=1024),
)
seconds = []
for epoch in range(3):
    begin = time.perf_counter()
    check = 0
    for batch in loader:
        check += int(batch["text"].sum()) + int(batch["labels"].sum())
    seconds.append(time.perf_counter() - begin)
# The first pass starts the workers and warms everything up.
print(json.dumps({"seconds": seconds[1:], "check": check}))
