"""Random cells ranked with numpy and scipy, by the expressions of Geneformer's two tokenizers.

Their packages are not on PyPI; fixtures/gene-tokens has what their own code makes.
"""

import json
import sys

import numpy as np
import scipy.sparse as sp

request = json.load(sys.stdin)


def stable(values):
    return np.argsort(-values, kind="stable")


def bionemo(data, columns, n_counts, medians):
    shares = data / data.sum() * 10000
    return columns[stable(shares / medians[columns].astype(float))]


def sparse(matrix, n_counts, medians):
    ranked = sp.csr_matrix(sp.csr_matrix(matrix / n_counts[:, None] * 10_000) / medians)
    return [row.indices[stable(row.data)] for row in ranked]


def dense(matrix, n_counts, medians):
    ranked = matrix.toarray() / n_counts[:, None] * 10_000 / medians
    found = [np.flatnonzero(row) for row in ranked]
    return [columns[stable(row[columns])] for row, columns in zip(ranked, found)]


def case(seed):
    rng = np.random.default_rng([request["seed"], seed])
    kind = ["bionemo", "sparse", "dense"][seed % 3]
    dtypes = ["float32", "float64", "uint8", "uint16", "uint32"] + (["float16"] if kind == "bionemo" else [])
    dtype = dtypes[rng.integers(len(dtypes))]
    genes, cells = int(rng.integers(2, 400)), int(rng.integers(2, 8))
    # Few medians that are multiples of each other: many ranks differ only in the last bits, or not.
    medians = np.where(rng.random(genes) < 0.6, rng.lognormal() * rng.integers(1, 12, genes), rng.lognormal(size=genes))
    filled = rng.random((cells, genes)) < rng.random()
    filled[:, 0] = True
    values = rng.geometric(0.3, filled.shape) if rng.random() < 0.5 or dtype[0] == "u" else rng.integers(1, 40, filled.shape) / 3
    matrix = sp.csr_matrix(np.where(filled, np.minimum(values, 250), 0).astype("float64"))
    matrix = sp.csr_matrix((matrix.data.astype(dtype), matrix.indices, matrix.indptr), shape=matrix.shape) if dtype != "float16" else matrix
    counts_dtype = ["float32", "float64", "int64"][rng.integers(3)]
    n_counts = (matrix.sum(1).A1 if hasattr(matrix.sum(1), "A1") else np.asarray(matrix.sum(1)).ravel()).astype("f8")
    n_counts = (np.floor(n_counts) + rng.integers(1, 50, cells)).astype(counts_dtype)
    data = matrix.data.astype(dtype)
    if kind == "bionemo":
        rows = [slice(a, b) for a, b in zip(matrix.indptr[:-1], matrix.indptr[1:])]
        ids = [bionemo(data[row], matrix.indices[row], None, medians) for row in rows]
    else:
        ids = {"sparse": sparse, "dense": dense}[kind](matrix, n_counts, medians)
    return {
        "kind": kind, "dtype": dtype, "countsDtype": counts_dtype, "medians": medians.tolist(), "indptr": matrix.indptr.tolist(),
        "indices": matrix.indices.tolist(), "data": data.astype("f8").tolist(), "nCounts": n_counts.tolist(), "ids": [i.tolist() for i in ids],
    }


print(json.dumps([case(seed) for seed in range(request["cases"])]))
