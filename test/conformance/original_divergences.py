"""Files on which the original and this package differ on purpose, and what the original does with them."""

import os
import shutil
import warnings
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse
from bionemo.scdl.index.row_feature_index import VariableFeatureIndex
from bionemo.scdl.io.single_cell_memmap_dataset import SingleCellMemMapDataset
from bionemo.scdl.schema.header import SCDLHeader
from original_data_sets import convert


def counts(n_obs, n_vars):
    """Every row has values, and no row of it is a row of its transpose."""
    dense = np.arange(1, n_obs * n_vars + 1, dtype=np.float32).reshape(n_obs, n_vars)
    dense[dense % 3 == 0] = 0
    return dense


def annotated(matrix, dtype=np.float32):
    n_obs, n_vars = matrix.shape
    obs = pd.DataFrame(index=[f"cell{i}" for i in range(n_obs)])
    var = pd.DataFrame({"symbol": [f"G{i}" for i in range(n_vars)]}, index=[f"gene{i}" for i in range(n_vars)])
    return anndata.AnnData(X=matrix.astype(dtype), obs=obs, var=var)


def raw_wider():
    whole = annotated(scipy.sparse.csr_matrix(counts(4, 12)))
    kept = whole[:, :5].copy()
    kept.raw = whole
    return kept


CASES = {
    "square csc": lambda: annotated(scipy.sparse.csc_matrix(counts(6, 6))),
    "csc": lambda: annotated(scipy.sparse.csc_matrix(counts(5, 8))),
    "dense": lambda: annotated(counts(4, 5)),
    "raw wider than X": raw_wider,
    "too large": lambda: annotated(scipy.sparse.csr_matrix(np.array([[0, 7], [300, 2]]))),
    "float64": lambda: annotated(scipy.sparse.csr_matrix(counts(4, 5) / np.float64(3)), np.float64),
    "unsorted": lambda: annotated(scipy.sparse.csr_matrix(np.array([[0, 1, 0, 3, 0, 0, 6, 0]]))),
    "no values": lambda: annotated(scipy.sparse.csr_matrix((3, 4))),
}


def make(case, path):
    CASES[case]().write_h5ad(path)
    if case == "unsorted":
        with h5py.File(path, "r+") as file:
            for name in ("data", "indices"):
                file[f"X/{name}"][:] = file[f"X/{name}"][()][::-1]


def convert_warnings(h5ad, matrix, output, dtype=None):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        convert(h5ad, matrix, output, dtype)
    return [str(warning.message).split("\n")[0] for warning in caught if warning.category is UserWarning]


def convert_twice(h5ad, matrix, output):
    """The errors of two tries at one place."""
    errors = []
    for _ in range(2):
        try:
            convert(h5ad, matrix, output)
        except Exception as error:
            errors.append(f"{type(error).__name__}: {error}")
    return errors


def rows(archive, numbers):
    """get_row of each number, as they are: negative ones too."""
    dataset = SingleCellMemMapDataset(archive)
    return [[part.tolist() for part in dataset.get_row(number)[0]] for number in numbers]


def value(archive, row, column):
    return float(SingleCellMemMapDataset(archive).get_row_column(row, column))


def padded_error(archive, row):
    try:
        SingleCellMemMapDataset(archive).get_row_padded(row)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def header(archive):
    """Element type and length of the arrays, as the header says."""
    arrays = SCDLHeader.load(str(Path(archive, "header.sch"))).arrays
    return {array.name: [array.dtype.numpy_dtype_string, int(array.length)] for array in arrays}


def draws(archive, row, count):
    """Two runs of neighbours drawn, each from a process with another state of numpy's generator."""
    dataset = SingleCellMemMapDataset(archive, load_neighbors=True)
    runs = []
    for seed in (1, 2):
        np.random.seed(seed)
        runs.append([int(dataset.sample_neighbor_index(row)) for _ in range(count)])
    return runs


def var_blocks(archive):
    """The number of var blocks that opening finds, and of those the row counts name."""
    index = VariableFeatureIndex.load(Path(archive, "var_features"))
    return [len(index._feature_arr), len(index._cumulative_sum_index) - 1]


def opened(archive, copy):
    """How the original maps a data set, and what its data.npy holds afterwards, in bytes."""
    shutil.copytree(archive, copy)
    dataset = SingleCellMemMapDataset(copy)
    return {"mode": dataset.data.mode, "bytes": os.path.getsize(Path(copy, "data.npy"))}


OPERATIONS = {
    function.__name__: function
    for function in (
        make, convert_warnings, convert_twice, rows, value, padded_error, header, draws, var_blocks, opened
    )
}
