"""Answers questions about the original packages, one JSON object per line in and out.

Started once by run.ts with the conformance environment's Python: importing torch takes seconds.
A request is {"op": name, ...}; the answer is {"ok": value} or {"error": "Type: message"}.
"""

import contextlib
import io
import json
import os
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import anndata
import anndata_dump
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import scipy.sparse
from bionemo.scdl.io.single_cell_collection import SingleCellCollection
from bionemo.scdl.io.single_cell_memmap_dataset import SingleCellMemMapDataset

warnings.simplefilter("ignore")

_read = {}


def read(path):
    """The last file asked for stays in memory: several questions about one file follow each other."""
    if path not in _read:
        _read.clear()
        _read[path] = anndata.read_h5ad(path)
    return _read[path]


def kind_of(matrix):
    if matrix is None:
        return None
    if scipy.sparse.issparse(matrix):
        return matrix.format
    return "dense"


def describe(h5ad):
    adata = read(h5ad)
    raw = adata.raw
    return {
        "raw": None if raw is None else kind_of(raw.X),
        "X": kind_of(adata.X),
        "layers": list(adata.layers.keys()),
        "obsp": [key for key, value in adata.obsp.items() if scipy.sparse.issparse(value)],
        "sameVar": raw is None or raw.var.equals(adata.var),
    }


def read_everything(file):
    return anndata_dump.dump(file)


def matrix_of(adata, name):
    if name == "raw":
        return adata.raw.X
    return adata.X if name == "X" else adata.layers[name.removeprefix("layers/")]


def as_csr(matrix):
    """What scipy makes of it: csr verbatim, everything else as scipy converts it."""
    if scipy.sparse.issparse(matrix):
        return matrix if matrix.format == "csr" else matrix.tocsr()
    return scipy.sparse.csr_matrix(np.asarray(matrix))


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
    options = {} if neighbors is None else {"load_neighbors": True, "neighbor_key": neighbors}
    dataset = SingleCellMemMapDataset(archive, **options)
    n_obs, n_vars = expected.shape
    found = []

    def equal(what, ours, theirs):
        if ours != theirs:
            found.append(f"{what}: expected {theirs}, found {ours}")

    equal("number_of_rows", dataset.number_of_rows(), n_obs)
    equal("len", len(dataset), n_obs)
    equal("number_nonzero_values", dataset.number_nonzero_values(), expected.nnz)
    equal("number_of_variables", list(dataset.number_of_variables()), [n_vars] if n_obs else dataset.number_of_variables())
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
    step = max(1, n_obs // 50)
    for row in range(0, n_obs, step):
        (values, columns), var_features, obs_features = dataset.get_row(
            row, return_var_features=True, return_obs_features=True
        )
        begin, end = expected.indptr[row], expected.indptr[row + 1]
        if not np.array_equal(values, data[begin:end], equal_nan=True):
            found.append(f"get_row({row}): values differ")
        if not np.array_equal(columns, expected.indices[begin:end]):
            found.append(f"get_row({row}): columns differ")
        if end > begin and list(dataset[row].shape) != [2, int(end - begin)]:
            found.append(f"dataset[{row}] has shape {list(dataset[row].shape)}")
    if n_obs:
        for index, frame, name in (("var", var, "var_feature_id"), ("obs", adata.obs, "obs_feature_id")):
            files = sorted(Path(archive, f"{index}_features").glob("*.parquet"))
            if len(files) != 1:
                found.append(f"{index}_features: expected one block, found {len(files)}")
            else:
                found += frame_differences(frame, pq.read_table(files[0]), name, f"{index}_features")
    if neighbors is not None:
        graph = adata.obsp[neighbors].tocsr()
        for row in range(0, n_obs, step):
            begin, end = graph.indptr[row], graph.indptr[row + 1]
            if not np.array_equal(dataset.get_neighbor_indices_for_cell(row), graph.indices[begin:end]):
                found.append(f"neighbours of row {row} differ")
            weights = graph.data[begin:end].astype(np.float32)
            if not np.array_equal(dataset.get_neighbor_weights_for_cell(row), weights):
                found.append(f"neighbour weights of row {row} differ")
    return found


def convert(h5ad, matrix, output, dtype=None, neighbors=None):
    """The original's own conversion of one file."""
    options = {} if neighbors is None else {"load_neighbors": True, "neighbor_key": neighbors}
    dataset = SingleCellMemMapDataset(
        output, h5ad_path=h5ad, data_dtype=dtype, use_X_not_raw=matrix == "X", **options
    )
    dataset.save()


def convert_folder(folder, matrix, output, dtype=None):
    """The original's command `convert_h5ad_to_scdl` on a folder."""
    with tempfile.TemporaryDirectory() as temporary:
        collection = SingleCellCollection(temporary)
        collection.load_h5ad_multi(folder, max_workers=1, data_dtype=dtype, use_X_not_raw=matrix == "X")
        collection.flatten(output, destroy_on_copy=True)


def cast(archive, dtype):
    SingleCellMemMapDataset(archive).cast_data_to_dtype(dtype)


def feature_differences(ours, theirs):
    """Parquet of two archives, block by block: names, order, types, values and nulls."""
    found = []
    for index in ("var_features", "obs_features"):
        a, b = (sorted(Path(root, index).glob("*.parquet")) for root in (ours, theirs))
        if [path.name for path in a] != [path.name for path in b]:
            found.append(f"{index}: files {[p.name for p in a]} and {[p.name for p in b]}")
            continue
        for file_a, file_b in zip(a, b):
            table_a, table_b = pq.read_table(file_a), pq.read_table(file_b)
            where = f"{index}/{file_a.name}"
            if table_a.column_names != table_b.column_names:
                found.append(f"{where}: columns {table_a.column_names} and {table_b.column_names}")
                continue
            if table_a.num_rows != table_b.num_rows:
                found.append(f"{where}: {table_a.num_rows} and {table_b.num_rows} rows")
            for name in table_a.column_names:
                if table_a[name].type != table_b[name].type:
                    found.append(f"{where}: {name!r} is {table_a[name].type} and {table_b[name].type}")
                elif not same_list(table_a[name].to_pylist(), table_b[name].to_pylist()):
                    found.append(f"{where}: values of {name!r} differ")
    return found


def dump(archive, output):
    """Every row and feature as the original reads them, in files that need no library to read."""
    dataset = SingleCellMemMapDataset(archive)
    os.makedirs(output, exist_ok=True)
    np.asarray(dataset.data).astype("<f8").tofile(Path(output, "data.f64"))
    np.asarray(dataset.col_index).astype("<f8").tofile(Path(output, "indices.f64"))
    np.asarray(dataset.row_index).astype("<f8").tofile(Path(output, "indptr.f64"))
    features = {}
    for name, index in (("var", dataset.var_features()), ("obs", dataset.obs_features())):
        features[name] = {
            "cumulative": [int(value) for value in index._cumulative_sum_index],
            "labels": [None if label is None else str(label) for label in index._labels],
            "blocks": [
                {column: plain(values) for column, values in block.items()} for block in index._feature_arr
            ],
        }
    Path(output, "features.json").write_text(json.dumps(features, allow_nan=True))
    return {
        "nObs": len(dataset.row_index) - 1,
        "nnz": int(dataset.number_nonzero_values()),
        "dtype": str(dataset.data.dtype),
    }


def plain(values):
    return [
        None if value is None or (isinstance(value, float) and value != value) else
        value.item() if isinstance(value, np.generic) else value
        for value in np.asarray(values).tolist()
    ]


OPERATIONS = {
    function.__name__: function
    for function in (describe, read_everything, check, convert, convert_folder, cast, feature_differences, dump)
}


def main():
    answers = sys.stdout
    for line in sys.stdin:
        request = json.loads(line)
        operation = OPERATIONS[request.pop("op")]
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                answer = {"ok": operation(**request)}
        except Exception as error:
            if os.environ.get("DEBUG"):
                traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    print(json.dumps({"ok": {"anndata": anndata.__version__, "scdl": SingleCellMemMapDataset.__module__}}), flush=True)
    main()
