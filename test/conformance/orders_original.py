"""Random numbers, samplers and collates of the Python originals for test/conformance/orders.ts.

One request on stdin, {"seed": N, "folder": DIR}: random cases chosen by the seed, run here; answers
{"kind": [[arguments, results], ...]}. Integers beyond 2^53 are text.
"""

import contextlib
import gc
import hashlib
import io
import json
import os
import pickle
import random
import sys
import tempfile
import types
import warnings
from pathlib import Path

request = json.load(sys.stdin)
meta = random.Random(request["seed"])
os.environ["BIONEMO_CACHE_DIR"] = request["folder"]

import numpy as np  # noqa: E402
import torch  # noqa: E402
import webdataset as wds  # noqa: E402
from torch.utils.data import BatchSampler  # noqa: E402

from bionemo.core.data.multi_epoch_dataset import (  # noqa: E402
    IdentityMultiEpochDatasetWrapper,
    MultiEpochDatasetResampler,
)
from bionemo.core.data.permute import permute  # noqa: E402
from bionemo.core.data.resamplers import PRNGResampleDataset  # noqa: E402
from bionemo.core.utils.batching_utils import pad_token_ids  # noqa: E402
from bionemo.core.utils.dtypes import get_autocast_dtype, precision_to_dtype  # noqa: E402
from bionemo.scdl.util.torch_dataloader_utils import (  # noqa: E402
    collate_neighbor_sparse_matrix_batch,
    collate_sparse_matrix_batch,
)
from bionemo.size_aware_batching.sampler import BucketBatchSampler, SizeAwareBatchSampler  # noqa: E402
from bionemo.size_aware_batching.utils import create_buckets  # noqa: E402
from bionemo.webdatamodule.utils import pickles_to_tars  # noqa: E402

# All that data modules take of lightning is the base class; lightning itself needs much more.
sys.modules["lightning"] = types.ModuleType("lightning")
sys.modules["lightning"].LightningDataModule = object
sys.path.insert(0, str(Path(__file__).parents[2] / "fixtures/generate"))
import web_data_module  # noqa: E402

warnings.simplefilter("ignore")
torch.set_num_threads(1)
gc.disable()  # a worker process would collect, and complain about, loaders of this one


def near_power(most):
    """Integers crowd around powers of two, where the algorithms change."""
    return max(1, min(2**most, 2 ** meta.randint(0, most) + meta.randint(-2, 2)))


BITS = {"bool": (0, 1), "int8": (-(2**7), 2**7 - 1), "uint8": (0, 2**8 - 1), "int16": (-(2**15), 2**15 - 1),
        "uint16": (0, 2**16 - 1), "int32": (-(2**31), 2**31 - 1), "uint32": (0, 2**32 - 1), "float64": (1 - 2**53, 2**53 - 1),
        "int64": (-(2**63), 2**63 - 1), "uint64": (0, 2**64 - 1)}  # fmt: skip


def numpy_step(rng):
    op = meta.choice(["random", "float32", "integers", "permutation", "shuffle", "choice", "distinct", "weighted", "spawn", "advance"])
    if op == "random":
        n = meta.randint(0, 40)
        return [op, n], rng.random(n).tolist()
    if op == "float32":
        n = meta.randint(0, 40)
        return [op, n], rng.random(n, dtype="f4").astype("f8").tolist()
    if op == "integers":
        dtype, (lowest, highest) = meta.choice(list(BITS.items()))
        width = min(near_power(64) - 1, highest - lowest)
        low = meta.randint(lowest, highest - width)
        n = meta.randint(0, 30)
        drawn = rng.integers(low, low + width, size=n, dtype="int64" if dtype == "float64" else np.dtype(dtype), endpoint=True)
        return [op, dtype, str(low), str(low + width), n], [str(int(v)) for v in drawn]
    if op in ("permutation", "shuffle"):
        n = meta.choice([0, 1, 2, meta.randint(3, 300)])
        if op == "permutation":
            return [op, n], rng.permutation(n).tolist()
        values = list(range(n))
        rng.shuffle(values)
        return [op, n], values
    if op == "choice":
        n, size = near_power(45), meta.randint(0, 30)
        return [op, n, size], rng.choice(n, size).tolist()
    if op == "distinct":
        n, shuffle = meta.choice([near_power(7), meta.randint(9_000, 30_000), near_power(45)]), meta.random() < 0.5
        size = meta.randint(0, min(n, meta.choice([20, 2000])))
        return [op, n, size, shuffle], rng.choice(n, size, replace=False, shuffle=shuffle).tolist()
    if op == "weighted":
        replace = meta.random() < 0.5
        weights = np.array([meta.randint(0 if replace else 1, 9) for _ in range(meta.randint(1, 200))] + [3], "f8")
        p = weights / weights.sum()
        size = meta.randint(0, len(p))
        return [op, p.tolist(), size, replace], rng.choice(len(p), size, p=p, replace=replace).tolist()
    if op == "spawn":
        n = meta.randint(1, 3)
        return [op, n], [str(child.bit_generator.random_raw()) for child in rng.spawn(n)]
    draws = meta.randint(-(2**40), 2**100)
    rng.bit_generator.advance(draws)
    return [op, str(draws)], str(rng.bit_generator.random_raw())


def numpy_case():
    seed = [meta.getrandbits(meta.choice([1, 31, 32, 33, 64, 128, 200])) for _ in range(meta.randint(1, 5))]
    rng = np.random.default_rng(seed)
    steps = [numpy_step(rng) for _ in range(12)]
    state = rng.bit_generator.state
    last = [str(state["state"]["state"]), state["uinteger"] if state["has_uint32"] else None]
    return [[str(s) for s in seed], [step for step, _ in steps]], [[drawn for _, drawn in steps], last]


def torch_step(g):
    op = meta.choice(["rand", "double", "randint", "randperm", "multinomial"])
    if op in ("rand", "double"):
        n = meta.randint(0, 60)
        return [op, n], torch.rand(n, generator=g, dtype=torch.float64 if op == "double" else torch.float32).double().tolist()
    if op == "randint":
        width = min(near_power(53), 2**53 - 1)
        low, n = meta.randint(-(2**20), 0) if width < 2**52 else 0, meta.randint(0, 30)
        return [op, low, low + width, n], torch.randint(low, low + width, (n,), generator=g).tolist()
    if op == "randperm":
        n = meta.choice([0, 1, meta.randint(2, 3000)])
        return [op, n], torch.randperm(n, generator=g).tolist()
    single, replace = meta.random() < 0.7, meta.random() < 0.5
    weights = torch.tensor([meta.choice([0, 1, 2, 0.1, 1e-3, 12]) for _ in range(meta.randint(1, 200))] + [1], dtype=torch.float32 if single else torch.float64)
    size = meta.randint(1, 40 if replace else int((weights > 0).sum()))
    before = g.clone_state()
    drawn = torch.multinomial(weights, size, replacement=replace, generator=g).tolist()
    if not replace and size > 1:
        drawn = ties_by_index(drawn, weights / torch.empty_like(weights).exponential_(1, generator=before))
    return [op, weights.tolist(), single, size, replace], drawn


def ties_by_index(drawn, scores):
    """Float32 scores are equal now and then; which is the first of two is up to topk's partial sort."""
    order = sorted(range(len(scores)), key=lambda i: (-scores[i].item(), i))[: len(drawn)]
    return order if scores[order].tolist() == scores[drawn].tolist() else drawn


def torch_case():
    seed = meta.choice([meta.getrandbits(64), -meta.getrandbits(63), meta.getrandbits(31)])
    g = torch.Generator().manual_seed(seed)
    steps = [torch_step(g) for _ in range(10)]
    state = hashlib.sha256(g.get_state().numpy().tobytes()).hexdigest()
    return [str(seed), [step for step, _ in steps]], [[drawn for _, drawn in steps], state]


def python_step(rng):
    op = meta.choice(["random", "getrandbits", "randint", "randrange", "shuffle", "sample", "choices", "weighted"])
    if op == "random":
        return [op], rng.random()
    if op == "getrandbits":
        k = meta.randint(0, 53)
        return [op, k], rng.getrandbits(k)
    if op == "randint":
        a = meta.randint(-(2**40), 2**40)
        b = a + near_power(52) - 1
        return [op, a, b], rng.randint(a, b)
    if op == "randrange":
        a, step = meta.randint(-1000, 1000), meta.choice([-7, -1, 1, 3, 1000])
        stop = a + step * meta.randint(1, 10**6) - meta.randint(0, abs(step) - 1) * (1 if step > 0 else -1)
        return [op, a, stop, step], rng.randrange(a, stop, step)
    n = meta.randint(1, 200)
    if op == "shuffle":
        values = list(range(n))
        rng.shuffle(values)
        return [op, n], values
    if op == "sample":
        n = meta.choice([n, near_power(40)])
        k = meta.randint(0, min(n, 60))
        return [op, n, k], rng.sample(range(n), k)
    if op == "choices":
        return [op, n, 5], rng.choices(range(n), k=5)
    weights = [meta.choice([0, 0.25, 1, 3.5]) for _ in range(n)] + [1]
    return [op, weights, 5], rng.choices(range(n + 1), weights, k=5)


def python_case():
    seed = meta.choice([meta.getrandbits(meta.randint(1, 300)), -meta.getrandbits(70), "".join(meta.choices("abcäö🧬 ", k=meta.randint(0, 40)))])
    rng = random.Random(seed)
    steps = [python_step(rng) for _ in range(20)]
    kind = "text" if isinstance(seed, str) else "integer"
    return [[kind, str(seed)], [step for step, _ in steps]], [drawn for _, drawn in steps]


class Numbers:
    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        return i


class Pairs(Numbers):
    def __getitem__(self, index):
        return [int(index.epoch), int(index.idx)]


def permute_case():
    length, seed = max(2, near_power(32)), meta.getrandbits(meta.randint(1, 53))
    at = [meta.randrange(length) for _ in range(20)]
    return [length, seed, at], [permute(i, length, seed) for i in at]


def resampler_case():
    n = max(2, near_power(12))
    options = meta.choice([{}, {"num_epochs": meta.randint(1, 9)}, {"num_samples": meta.randint(1, 5 * n)}])
    options = {**options, "seed": meta.getrandbits(meta.randint(1, 53)), "shuffle": meta.random() < 0.8}
    dataset = MultiEpochDatasetResampler(Pairs(n), **options)
    wrapped = MultiEpochDatasetResampler(IdentityMultiEpochDatasetWrapper(Numbers(n)), **options)
    at = [meta.randrange(len(dataset)) for _ in range(30)]
    return [n, options, at], [len(dataset), dataset.num_epochs, [dataset[i] for i in at], [int(wrapped[i]) for i in at]]


def prng_case():
    n, seed = near_power(40), meta.choice([meta.getrandbits(50), "some text"])
    dataset = PRNGResampleDataset(Numbers(n), seed=seed)
    at = [meta.randrange(500) for _ in range(12)]
    return [n, seed, at], [dataset[i] for i in at]


def size_aware_case():
    sizes = [meta.choice([meta.randint(0, 12), meta.random() * 8]) for _ in range(meta.randint(0, 80))]
    limit, warned = meta.choice([meta.randint(1, 30), meta.random() * 20]), []
    batches = list(SizeAwareBatchSampler(range(len(sizes)), lambda i: sizes[i], limit, warn_logger=warned.append))
    return [sizes, limit], [batches, len(warned)]


def bucket_case():
    top = meta.choice([3, 10, 50, 1000])
    boundaries = meta.sample(range(-1, top + 5), meta.randint(2, min(8, top)))
    inside = meta.randrange(min(boundaries), max(boundaries))
    sizes = [inside, *(meta.randrange(-2, top) for _ in range(meta.randint(0, 200)))]
    kind, shuffle, seed = meta.choice(["cost", "drop", "keep"]), meta.random() < 0.8, meta.getrandbits(40)
    limit, individual = top // 2 + 3, [meta.randint(1, 9) for _ in boundaries[1:]]
    base = (
        [SizeAwareBatchSampler, {"sizeof": lambda i: abs(sizes[i]) + 1, "max_total_size": limit}]
        if kind == "cost"
        else [BatchSampler, {"drop_last": kind == "drop"}, {"batch_size": individual}]
    )
    sampler = BucketBatchSampler(torch.tensor(sizes), torch.tensor(boundaries), *base, shuffle=shuffle, generator=torch.Generator().manual_seed(seed))
    return [sizes, boundaries, kind, individual, limit, shuffle, seed], [list(sampler) for _ in range(3)]


def create_buckets_case():
    top = meta.choice([1, 3, 10, 40, 500])
    sizes = [meta.randint(-top, top) for _ in range(meta.randint(1, 100))]
    width, count = meta.randint(1, 60), meta.choice([1, 2, 5, meta.randint(1, 100)])
    found = create_buckets(torch.tensor(sizes), width, count)
    return [sizes, width, count], [found.bucket_boundaries.tolist(), found.bucket_sizes.tolist()]


def csr(t):
    return [t.values().tolist(), t.col_indices().tolist(), t.crow_indices().tolist(), list(t.shape)]


def cell():
    n = meta.choice([0, 1, meta.randint(2, 60)])
    return [[float(meta.randint(1, 99)) for _ in range(n)], meta.sample(range(meta.choice([60, 60_000])), n)]


def some_cells():
    cells = [cell() for _ in range(meta.randint(1, 20))]
    # A batch without a value has no largest column.
    return cells if any(values for values, _ in cells) else [*cells, [[1.0], [3]]]


def tensor_of(cells):
    return [torch.tensor(c, dtype=torch.float32) for c in cells]


def sparse_case():
    cells = some_cells()
    return [cells], csr(collate_sparse_matrix_batch(tensor_of(cells)))


def neighbors_case():
    current = some_cells()
    following = [*some_cells(), *[cell() for _ in current]][: len(current)]
    following[0] = [[1.0], [3]]
    at = [[meta.randrange(10**6), meta.randrange(10**6)] for _ in current]
    pairs = zip(current, following, at)
    batch = [{"current_cell": [np.array(a[0], "f4"), np.array(a[1], "i8")], "next_cell": [np.array(b[0], "f4"), np.array(b[1], "i8")],
              "current_cell_index": i, "next_cell_index": j} for a, b, (i, j) in pairs]  # fmt: skip
    out = collate_neighbor_sparse_matrix_batch(batch)
    found = [csr(out["current_cells"]), csr(out["next_cells"]), out["current_cell_indices"], out["next_cell_indices"], out["batch_size"]]
    return [current, following, at], found


def padding_case():
    sequences = [[meta.randint(-9, 2**31 - 1) for _ in range(meta.randint(1, 30))] for _ in range(meta.randint(1, 8))]
    longest = max(map(len, sequences))
    options = {"padding_value": meta.randint(-3, 9), "padding_len": meta.choice([None, longest + meta.randint(0, 9)]), "pad_size_divisible_by": meta.randint(1, 16)}
    ids, mask = pad_token_ids(sequences, **options)
    return [sequences, options], [ids.tolist(), mask.int().tolist(), list(ids.shape)]


def precision_case():
    name = meta.choice([*precision_to_dtype, "32", 64, "fp8"])
    try:
        return [name], str(get_autocast_dtype(name)).removeprefix("torch.")
    except ValueError:
        return [name], None


def pickles_case():
    """Files for both sides; keys, fields and bytes of every shard that is not empty."""
    folder = tempfile.mkdtemp(dir=request["folder"])
    names = [f"s{i}.v{meta.randint(0, 9)}" for i in range(meta.randint(1, 30))]
    suffixes = meta.choice(["pt", ["a.pt", "meta"]])
    for name in names:
        for suffix in [suffixes] if isinstance(suffixes, str) else suffixes:
            content = {"x": np.arange(meta.randint(0, 9)), "name": name}
            with open(f"{folder}/{name}.{suffix}", "wb") as file:
                pickle.dump(content, file)
    shards = meta.choice([None, meta.randint(1, len(names))])
    with contextlib.redirect_stdout(io.StringIO()):  # it prints the names of shards
        pickles_to_tars(folder, names, suffixes, f"{folder}/theirs", "shard", min_num_shards=shards)
    return [folder, names, suffixes, shards], contents(f"{folder}/theirs")


def data_module_case():
    """Batches of PickledDataWDS for all three splits; true where there are too few shards."""
    folder = Path(tempfile.mkdtemp(dir=request["folder"]))
    (folder / "pickles").mkdir()
    names = {split: [f"{split}{i}" for i in range(meta.randint(4, 40))] for split in ("train", "val", "test")}
    for i, name in enumerate(sum(names.values(), [])):
        (folder / "pickles" / f"{name}.tensor.pyd").write_bytes(pickle.dumps(i))
    endless = meta.random() < 0.3
    options = {
        "seed": meta.getrandbits(31),
        "numWorkers": meta.randint(0, 2),
        "batchSize": meta.choice([None, meta.randint(1, 5)]),
        "nTarsWds": meta.randint(1, 4),
        "nBatches": meta.randint(1, 12) if endless else 0,
        "shuffleWds": 0 if endless else meta.choice([0, meta.randint(1, 50)]),
        "shuffleWld": 0 if endless else meta.choice([0, meta.randint(1, 50)]),
        "batched": meta.choice([0, meta.randint(1, 5)]),
        "shardShuffle": meta.choice([False, True, meta.randint(1, 5)]),
    }
    with contextlib.redirect_stdout(io.StringIO()):
        found = web_data_module.case(folder, names, options)
    return [str(folder), names, options], found["batches"]


def contents(folder):
    """The shards of a folder, in order: key, and field and sha256 of each part, of every sample."""
    found = []
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".tar") or os.path.getsize(f"{folder}/{name}") <= 10240 and not any(open(f"{folder}/{name}", "rb").read()):
            continue
        samples = wds.WebDataset([f"{folder}/{name}"], shardshuffle=False)
        found.append([[s["__key__"], [[k, hashlib.sha256(v).hexdigest()] for k, v in s.items() if not k.startswith("__")]] for s in samples])
    return found


COUNTS = {"numpy": (numpy_case, 150), "torch": (torch_case, 120), "python": (python_case, 200), "permute": (permute_case, 300),
          "resampler": (resampler_case, 100), "prng": (prng_case, 60), "sizeAware": (size_aware_case, 150), "buckets": (bucket_case, 100),
          "createBuckets": (create_buckets_case, 200), "sparse": (sparse_case, 60), "neighbors": (neighbors_case, 40),
          "padding": (padding_case, 80), "precision": (precision_case, 40), "pickles": (pickles_case, 12), "dataModule": (data_module_case, 6)}  # fmt: skip
json.dump({kind: [make() for _ in range(count)] for kind, (make, count) in COUNTS.items()}, sys.stdout)
