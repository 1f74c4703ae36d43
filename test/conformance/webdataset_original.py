"""Python's webdataset for test/conformance/webdataset.ts: one request as JSON on stdin, one answer.

read: samples of shards with their values; write: shards of samples made here; rewrite: a shard's
fields written again; orders: keys for options as WebDataset's.
"""

import itertools
import json
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import webdataset as wds

sys.path.insert(0, str(Path(__file__).parents[2] / "fixtures/generate"))
from webdataset_values import describe  # noqa: E402

warnings.simplefilter("ignore")
HIDDEN = ("__url__", "__local_path__")


def read(urls):
    return [
        {name: describe(value) for name, value in sample.items() if name not in HIDDEN}
        for sample in wds.WebDataset(urls, shardshuffle=False).decode()
    ]


def write(pattern, count):
    rng = np.random.default_rng(count)
    with wds.ShardWriter(pattern, maxcount=count // 3, verbose=0) as writer:
        for i in range(count):
            dtype = ("f2", "f4", ">f8", "i1", "u2", ">i4", "i8", "?", "u8")[i % 9]
            values = (rng.random(rng.integers(0, 4, size=i % 4)) * 100).astype(dtype)
            writer.write(
                {
                    "__key__": f"dir {i % 2}/" + ("lang" * 30 if i % 7 == 0 else "ü") + str(i),
                    "npy": np.asarray(values),
                    "f.npy": np.asfortranarray(rng.integers(0, 9, (2, 3))),
                    "json": {"i": i, "x": [None, 1e-9, float("nan"), 2**70 + i, "ü\n"]},
                    "mp": {"a": [i, -i, 0.5, b"\0" * i], "b": None},
                    "txt": "äöü" * i,
                    "cls": i - 5,
                    "pyd": {"t": (i, values), "s": {i}, "n": np.float32(i), "d": {1: "x"}},
                    "json.gz": {"z": i},
                    "bin": rng.bytes(i),
                }
            )


def rewrite(shard, output):
    with wds.TarWriter(output, mtime=0, encoder=False) as writer:
        for sample in wds.WebDataset([shard], shardshuffle=False):
            writer.write({k: v for k, v in sample.items() if k not in HIDDEN})


def orders(urls, cases):
    return [order(urls, **case) for case in cases]


def order(urls, options, stages, environment, count):
    os.environ.update(environment)
    try:
        if options.get("resampled"):
            source = wds.ResampledShards(urls, deterministic=True, seed=options["seed"])
            dataset = wds.DataPipeline(source, wds.tarfile_to_samples())
        else:
            dataset = wds.WebDataset(
                urls,
                shardshuffle=options["shardShuffle"],
                seed=options["seed"],
                detshuffle=options["detShuffle"],
                nodesplitter=wds.split_by_node,
            )
        for name, *args in stages:
            if name == "shuffle":
                size, parts = args
                dataset = dataset.compose(
                    wds.filters.shuffle(size, initial=parts["initial"], seed=parts["seed"])
                )
            if name == "withEpoch":
                dataset = dataset.with_epoch(*args)
        return [
            [sample["__key__"] for sample in itertools.islice(iter(dataset), count)] for _ in range(2)
        ]
    finally:
        for name in environment:
            del os.environ[name]


request = json.load(sys.stdin)
operation = {"read": read, "write": write, "rewrite": rewrite, "orders": orders}[request.pop("op")]
json.dump(operation(**request), sys.stdout, ensure_ascii=True)
