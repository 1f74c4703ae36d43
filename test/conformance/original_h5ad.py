"""What anndata reads from an h5ad file, and whether the original finds the same in an archive of ours."""

import shutil
import tempfile
from pathlib import Path

import anndata
import anndata_dump
import h5py
import hdf5plugin  # noqa: F401  registers the filters that HDF5 itself lacks
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse
from original_data_sets import open_archive

_read = {}


def read(path):
    """The last file asked for stays in memory: several questions about one file follow each other."""
    if path not in _read:
        _read.clear()
        try:
            _read[path] = anndata.read_h5ad(path)
        except ValueError as error:
            if "scipy.sparse does not support dtype" not in str(error):
                raise
            with tempfile.TemporaryDirectory() as temporary:
                copy = Path(temporary, "native.h5ad")
                native_copy(path, copy)
                _read[path] = anndata.read_h5ad(copy)
    return _read[path]


def native_copy(path, copy):
    """A copy that scipy can hold: numbers in this machine's byte order, float16 widened to float32.

    Returns the element types that changed by name: {"X/data": "float16"}.
    """
    shutil.copyfile(path, copy)
    changed = {}
    with h5py.File(copy, "r+") as file:
        names = []
        file.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
        for name in names:
            dtype = file[name].dtype
            if dtype.kind not in "iuf" or (dtype.isnative and dtype != np.float16):
                continue
            values, attributes = file[name][()], dict(file[name].attrs)
            native = np.float32 if dtype.itemsize == 2 and dtype.kind == "f" else dtype.newbyteorder("=")
            del file[name]
            file.create_dataset(name, data=values.astype(native)).attrs.update(attributes)
            changed[name] = dtype.newbyteorder("=").name
    return changed


def read_everything(file):
    """All values of a file; of one that scipy cannot hold, the values of its native copy."""
    try:
        return anndata_dump.dump(file)
    except ValueError as error:
        if "scipy.sparse does not support dtype" not in str(error):
            raise
    with tempfile.TemporaryDirectory() as temporary:
        copy = Path(temporary, "native.h5ad")
        changed = native_copy(file, copy)
        dumped = anndata_dump.dump(copy)
        if "X/data" in changed:
            dumped["X"]["dtype"] = changed["X/data"]
        return dumped


def kind_of(matrix):
    return matrix.format if scipy.sparse.issparse(matrix) else "dense"


def describe(h5ad):
    adata = read(h5ad)
    matrices = {} if adata.raw is None else {"raw": adata.raw.X}
    if adata.X is not None:
        matrices["X"] = adata.X
    matrices |= {f"layers/{name}": value for name, value in adata.layers.items()}
    return {
        "matrices": [
            {
                "name": name,
                "kind": kind_of(value),
                "shape": list(value.shape),
                "nnz": int(value.nnz) if scipy.sparse.issparse(value) else None,
                "isNative": is_native(h5ad, name),
            }
            for name, value in matrices.items()
        ],
        "obsp": [key for key, value in adata.obsp.items() if scipy.sparse.issparse(value)],
        "sameVar": adata.raw is None or adata.raw.var.equals(adata.var),
    }


def is_native(h5ad, name):
    """Whether scipy can hold the stored numbers as they are."""
    with h5py.File(h5ad) as file:
        item = file.get("raw/X" if name == "raw" else name)
        if not isinstance(item, h5py.Group) or "data" not in item:
            return True
        dtype = item["data"].dtype
        return dtype.isnative and dtype != np.float16


def matrix_of(adata, name):
    if name == "raw":
        return adata.raw.X
    return adata.X if name == "X" else adata.layers[name.removeprefix("layers/")]


def as_csr(matrix):
    """What scipy makes of it: csr verbatim, everything else as scipy converts it."""
    if scipy.sparse.issparse(matrix):
        return matrix if matrix.format == "csr" else matrix.tocsr()
    dense = np.asarray(matrix)
    native = np.float32 if dense.dtype == np.float16 else dense.dtype.newbyteorder("=")
    return scipy.sparse.csr_matrix(dense.astype(native))


def as_arrow(values):
    try:
        return pa.array(values, from_pandas=True)
    except pa.ArrowInvalid:
        return pa.array(values, type=pa.string(), from_pandas=True)


def same_list(a, b):
    return len(a) == len(b) and all(
        x == y or (isinstance(x, float) and isinstance(y, float) and x != x and y != y)
        for x, y in zip(a, b)
    )


def frame_differences(frame, table, index_name, what):
    """The columns of one block as the original stores them, and the index, which ours keeps too."""
    found = []
    expected = {str(name): frame[name].to_numpy() for name in frame.columns}
    index_column = index_name if index_name not in expected else None
    for name, values in expected.items():
        if name not in table.column_names:
            found.append(f"{what}: column {name!r} is missing")
            continue
        try:
            values = as_arrow(values).to_pylist()
        except pa.ArrowTypeError:
            values = [None if pd.isna(value) else str(value) for value in values]
        if not same_list(table[name].to_pylist(), values):
            found.append(f"{what}: column {name!r} differs")
    if index_column is not None and len(frame.index) > 0:
        ids = [str(value) for value in frame.index]
        if index_column not in table.column_names:
            found.append(f"{what}: no column {index_column!r} with the ids")
        elif [str(value) for value in table[index_column].to_pylist()] != ids:
            found.append(f"{what}: the ids differ")
    return found


def check(h5ad, matrix, archive, neighbors=None):
    """Opens an archive of ours with the original and compares it with the h5ad as anndata reads it."""
    adata = read(h5ad)
    expected = as_csr(matrix_of(adata, matrix))
    var = adata.raw.var if matrix == "raw" else adata.var
    with open_archive(archive, neighbors) as dataset:
        found = matrix_differences(dataset, expected)
        if expected.shape[0]:
            for index, frame, name in (("var", var, "var_feature_id"), ("obs", adata.obs, "obs_feature_id")):
                files = sorted(Path(archive, f"{index}_features").glob("*.parquet"))
                if len(files) != 1:
                    found.append(f"{index}_features: expected one block, found {len(files)}")
                else:
                    found += frame_differences(frame, pq.read_table(files[0]), name, f"{index}_features")
        if neighbors is not None:
            found += neighbor_differences(dataset, adata.obsp[neighbors].tocsr())
    return found


def matrix_differences(dataset, expected):
    n_obs, n_vars = expected.shape
    found = []

    def equal(what, ours, theirs):
        if ours != theirs:
            found.append(f"{what}: expected {theirs}, found {ours}")

    equal("number_of_rows", dataset.number_of_rows(), n_obs)
    equal("len", len(dataset), n_obs)
    equal("number_nonzero_values", dataset.number_nonzero_values(), expected.nnz)
    if n_obs:
        equal("number_of_variables", list(dataset.number_of_variables()), [n_vars])
    equal("number_of_values", int(dataset.number_of_values()), n_obs * n_vars)
    if n_obs * n_vars:
        equal("sparsity", dataset.sparsity(), (n_obs * n_vars - expected.nnz) / (n_obs * n_vars))
    if not np.array_equal(np.asarray(dataset.row_index, dtype=np.int64), expected.indptr.astype(np.int64)):
        found.append("row_ptr differs")
    if not np.array_equal(np.asarray(dataset.col_index, dtype=np.int64), expected.indices.astype(np.int64)):
        found.append("col_ptr differs")
    data = expected.data.astype(dataset.data.dtype)
    if not np.array_equal(np.asarray(dataset.data), data, equal_nan=True):
        found.append("data differs")
    for row in range(0, n_obs, max(1, n_obs // 50)):
        (values, columns), _, _ = dataset.get_row(row, return_var_features=True, return_obs_features=True)
        begin, end = expected.indptr[row], expected.indptr[row + 1]
        if not np.array_equal(values, data[begin:end], equal_nan=True):
            found.append(f"get_row({row}): values differ")
        if not np.array_equal(columns, expected.indices[begin:end]):
            found.append(f"get_row({row}): columns differ")
        if end > begin and list(dataset[row].shape) != [2, int(end - begin)]:
            found.append(f"dataset[{row}] has shape {list(dataset[row].shape)}")
    return found


def neighbor_differences(dataset, graph):
    found = []
    for row in range(0, graph.shape[0], max(1, graph.shape[0] // 50)):
        begin, end = graph.indptr[row], graph.indptr[row + 1]
        if not np.array_equal(dataset.get_neighbor_indices_for_cell(row), graph.indices[begin:end]):
            found.append(f"neighbours of row {row} differ")
        weights = graph.data[begin:end].astype(np.float32)
        if not np.array_equal(dataset.get_neighbor_weights_for_cell(row), weights):
            found.append(f"neighbour weights of row {row} differ")
    return found


OPERATIONS = {function.__name__: function for function in (describe, read_everything, check)}
