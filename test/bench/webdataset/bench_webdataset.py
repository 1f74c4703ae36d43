"""Python's webdataset: read shards with .npy decoding, or write them. Prints seconds and a sum."""

import json
import math
import sys
import time
import warnings
from pathlib import Path

import numpy as np
import webdataset as wds

warnings.simplefilter("ignore")
what, samples, per_shard, length, folder = sys.argv[1:]
samples, per_shard, length = int(samples), int(per_shard), int(length)
check = 0
begin = time.perf_counter()
if what == "read":
    urls = str(Path(folder) / ("a-{000000..%06d}.tar" % (math.ceil(samples / per_shard) - 1)))
    for sample in wds.WebDataset(urls, shardshuffle=False).decode():
        check += float(sample["npy"][-1])
else:
    values = np.arange(length, dtype=np.float32)
    with wds.ShardWriter(str(Path(folder) / "a-%06d.tar"), maxcount=per_shard, verbose=0) as writer:
        for i in range(samples):
            writer.write({"__key__": f"{i:09d}", "npy": values})
            check += 128 + 4 * length
seconds = time.perf_counter() - begin
print(json.dumps({"seconds": [seconds], "check": check}))
