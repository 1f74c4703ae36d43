"""The original's conversion, joining and casting of data sets, and what it reads from one."""

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from bionemo.scdl.io.single_cell_collection import SingleCellCollection
from bionemo.scdl.io.single_cell_memmap_dataset import SingleCellMemMapDataset


@contextlib.contextmanager
def open_archive(archive, neighbors=None, strategy="first"):
    """A data set opened by the original; one without values from a copy, because opening alters it."""
    options = {}
    if neighbors is not None:
        options = {"load_neighbors": True, "neighbor_key": neighbors, "neighbor_sampling_strategy": strategy}
    with contextlib.ExitStack() as stack:
        if os.path.getsize(Path(archive, "data.npy")) == 0:
            temporary = stack.enter_context(tempfile.TemporaryDirectory())
            archive = shutil.copytree(archive, Path(temporary, "copy"))
        yield SingleCellMemMapDataset(str(archive), **options)


def convert(h5ad, matrix, output, dtype=None, neighbors=None, paginated=False):
    """The original's own conversion of one file."""
    options = {} if neighbors is None else {"load_neighbors": True, "neighbor_key": neighbors}
    if paginated:
        options |= {"paginated_load_cutoff": 0, "load_block_row_size": 7}
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


def flatten(h5ads, output):
    """Files in the order given as one collection; what the collection says of itself is the answer."""
    with tempfile.TemporaryDirectory() as temporary:
        collection = SingleCellCollection(temporary)
        for h5ad in h5ads:
            collection.load_h5ad(h5ad)
        counts = {
            "nObs": int(collection.number_of_rows()),
            "nnz": int(collection.number_nonzero_values()),
            "nValues": int(collection.number_of_values()),
            "nVars": [int(count) for count in collection.number_of_variables()],
        }
        collection.flatten(output)
    return counts


def concat(inputs, output):
    """Files converted to data sets that were never closed, joined in a copy of the first.

    One that was opened again has a header that stays as it was, and in the wheel cannot take other genes.
    """
    with tempfile.TemporaryDirectory() as temporary:
        first, *others = [
            SingleCellMemMapDataset(Path(temporary, str(number)), h5ad_path=h5ad, data_dtype=dtype)
            for number, (h5ad, dtype) in enumerate(inputs)
        ]
        first.concat(others, output_path=Path(output))


def concat_opened(archives, output):
    """Data sets on disk, joined in a copy of the first."""
    first, *others = [SingleCellMemMapDataset(Path(archive)) for archive in archives]
    first.concat(others, output_path=Path(output))


def cast(archive, dtype, output):
    shutil.copytree(archive, output)
    SingleCellMemMapDataset(output).cast_data_to_dtype(dtype)


def feature_differences(ours, theirs):
    """Parquet of two archives, block by block: names, order, types, values and nulls."""
    found = []
    for index in ("var_features", "obs_features"):
        a, b = (sorted(Path(root, index).glob("*.parquet")) for root in (ours, theirs))
        if [path.name for path in a] != [path.name for path in b]:
            found.append(f"{index}: files {[p.name for p in a]} and {[p.name for p in b]}")
            continue
        for file_a, file_b in zip(a, b):
            found += table_differences(pq.read_table(file_a), pq.read_table(file_b), f"{index}/{file_a.name}")
    return found


def table_differences(ours, theirs, where):
    if ours.column_names != theirs.column_names:
        return [f"{where}: columns {ours.column_names} and {theirs.column_names}"]
    found = []
    if ours.num_rows != theirs.num_rows:
        found.append(f"{where}: {ours.num_rows} and {theirs.num_rows} rows")
    for name in ours.column_names:
        if ours[name].type != theirs[name].type:
            found.append(f"{where}: {name!r} is {ours[name].type} and {theirs[name].type}")
        elif not all(
            x == y or (isinstance(x, float) and isinstance(y, float) and x != x and y != y)
            for x, y in zip(ours[name].to_pylist(), theirs[name].to_pylist())
        ):
            found.append(f"{where}: values of {name!r} differ")
    return found


def dump(archive, output):
    """Every row and feature as the original reads them, in files that need no library to read."""
    with open_archive(archive) as dataset:
        os.makedirs(output, exist_ok=True)
        np.asarray(dataset.data).astype("<f8").tofile(Path(output, "data.f64"))
        np.asarray(dataset.col_index).astype("<f8").tofile(Path(output, "indices.f64"))
        np.asarray(dataset.row_index).astype("<f8").tofile(Path(output, "indptr.f64"))
        features = {
            name: {
                "cumulative": [int(value) for value in index._cumulative_sum_index],
                "labels": [None if label is None else str(label) for label in index._labels],
                "blocks": [
                    {column: plain(values) for column, values in block.items()} for block in index._feature_arr
                ],
            }
            for name, index in (("var", dataset.var_features()), ("obs", dataset.obs_features()))
        }
        Path(output, "features.json").write_text(json.dumps(features, allow_nan=True))
        return {
            "nObs": len(dataset.row_index) - 1,
            "nnz": int(dataset.number_nonzero_values()),
            "dtype": str(dataset.data.dtype),
        }


def reads(archive, rows, columns, neighbors=False):
    """What the calls of the original that give one row or value give: every kind once for each row."""
    with open_archive(archive, "next_cell_ids" if neighbors else None) as dataset:
        answer = {
            "nValues": int(dataset.number_of_values()),
            "nVars": [int(count) for count in dataset.number_of_variables()],
            "sparsity": float(dataset.sparsity()),
            "rows": [row_reads(dataset, row, columns) for row in rows],
        }
        if neighbors:
            answer["neighbors"] = [neighbor_reads(dataset, row) for row in rows]
            answer["stats"] = {name: plain([value])[0] for name, value in dataset.get_neighbor_stats().items()}
        return answer


def row_reads(dataset, row, columns):
    var, obs = dataset.var_features(), dataset.obs_features()
    var_block = var._feature_arr[var._get_dataset_id(row)]
    obs_block = obs._feature_arr[obs._get_dataset_id(row)] if len(obs) else {}
    return {
        "padded": plain(dataset.get_row_padded(row)[0]),
        "values": plain([dataset.get_row_column(row, column) for column in columns]),
        "stored": [plain([dataset.get_row_column(row, column, False)])[0] for column in columns],
        # One column asked for by name, as a loader does.
        "var": {
            name: plain(dataset.get_row(row, return_var_features=True, var_feature_names=[name])[1][0])
            for name in var_block
        },
        "obs": {
            name: plain(dataset.get_row(row, return_obs_features=True, obs_feature_names=[name])[2])[0]
            for name in obs_block
        },
    }


def neighbor_reads(dataset, row):
    pair = dataset.get_row_padded_with_neighbor(row)
    return {
        "indices": plain(dataset.get_neighbor_indices_for_cell(row)),
        "weights": plain(dataset.get_neighbor_weights_for_cell(row)),
        "first": int(dataset.sample_neighbor_index(row)),
        "nextIndex": int(pair["next_cell_index"]),
        "next": plain(pair["next_cell"]),
    }


def plain(values):
    """Python's own numbers and texts; missing is None, as is NaN."""
    items = values.tolist() if isinstance(values, np.ndarray) else values
    items = [item.item() if isinstance(item, np.generic) else item for item in items]
    return [None if isinstance(item, float) and item != item else item for item in items]


OPERATIONS = {
    function.__name__: function
    for function in (
        convert, convert_folder, flatten, concat, concat_opened, cast, feature_differences, dump, reads
    )
}
