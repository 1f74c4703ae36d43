"""Reads all rows of raw/X in blocks, once per pass: python read_anndata.py FILE PASSES ROWS."""

import json
import resource
import sys
import time
import warnings

import h5py

warnings.filterwarnings("ignore")
from anndata.io import sparse_dataset  # noqa: E402

path = sys.argv[1]
passes, block_rows = map(int, sys.argv[2:4])
seconds = []
check = 0
for _ in range(passes):
    start = time.perf_counter()
    check = 0
    with h5py.File(path) as file:
        matrix = sparse_dataset(file["raw/X"])
        for begin in range(0, matrix.shape[0], block_rows):
            block = matrix[begin : begin + block_rows]
            check += len(block.data)
    seconds.append(time.perf_counter() - start)
rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": seconds, "check": check, "rssMiB": rss}))
