"""Python's webdataset: read shards with .npy decoding, or write them. Prints samples per second."""

import sys
import time
import warnings

import numpy as np
import webdataset as wds

warnings.simplefilter("ignore")
what, pattern, samples, length = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
begin = time.perf_counter()
if what == "read":
    count = 0
    for sample in wds.WebDataset(pattern, shardshuffle=False).decode():
        count += sample["npy"].shape[0] == length
    assert count == samples, count
else:
    values = np.arange(length, dtype=np.float32)
    with wds.ShardWriter(pattern, maxcount=10_000, verbose=0) as writer:
        for i in range(samples):
            writer.write({"__key__": f"{i:09d}", "npy": values})
print(samples / (time.perf_counter() - begin))
