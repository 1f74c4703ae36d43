"""Writes everything Python's anndata reads from a file as JSON, for comparison value by value.

    python anndata_dump.py FILE [OUTPUT.json]

Numbers are plain JSON where exact (floats by repr, which reads back to the same float64); integers
past 2^53 are strings, and so are NaN, Infinity and -Infinity. test/conformance/anndata.ts makes the
same form from H5adFile.
"""

import json
import math
import sys
import warnings
from collections.abc import Mapping

import anndata
import h5py
import numpy as np
import pandas as pd
from scipy import sparse

warnings.filterwarnings("ignore")


def number(value):
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, (int, np.integer)):
        return int(value) if abs(int(value)) <= 2**53 else str(int(value))
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    return value


def text(value):
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def numbers(array):
    return [number(value) for value in np.asarray(array).ravel()]


def tensor(array):
    array = np.asarray(array)
    if array.dtype.kind in "biuf":
        return {
            "kind": "numbers",
            "dtype": array.dtype.newbyteorder("=").name,
            "shape": list(array.shape),
            "values": numbers(array),
        }
    values = [text(value) for value in array.ravel()]
    return {"kind": "texts", "shape": list(array.shape), "values": values}


def matrix(value):
    if value is None:
        return None
    shape, dtype = list(value.shape), value.dtype.newbyteorder("=").name
    # scipy has no float16: its values are exact in float32. H5adFile gives booleans as 0 and 1.
    if dtype == "float16":
        value = value.astype(np.float32)
    elif dtype == "bool":
        value, dtype = value.astype(np.uint8), "uint8"
    if not sparse.issparse(value):
        value = np.asarray(value)
        value = sparse.csr_matrix(value.astype(value.dtype.newbyteorder("=")))
    rows = value.tocsr()
    return {
        "kind": "matrix",
        "shape": shape,
        "dtype": dtype,
        "indptr": numbers(rows.indptr),
        "indices": numbers(rows.indices),
        "values": numbers(rows.data),
    }


def column(series):
    array = series.array
    if isinstance(series.dtype, pd.CategoricalDtype):
        return categorical(array)
    if pd.api.types.is_extension_array_dtype(series.dtype):
        return nullable(array)
    return tensor(series.to_numpy())


def categorical(array):
    return {
        "kind": "categorical",
        "codes": numbers(array.codes),
        "categories": tensor(array.categories.to_numpy()),
        "ordered": bool(array.ordered),
    }


def nullable(array):
    missing = array.isna()
    convert = text if pd.api.types.is_string_dtype(array.dtype) else number
    values = [None if gone else convert(value) for value, gone in zip(array, missing)]
    return {"kind": "nullable", "values": values}


def frame(df):
    return {
        "kind": "frame",
        "index": [str(value) for value in df.index],
        "indexName": df.index.name,
        "columns": [{"name": str(name), **column(df[name])} for name in df.columns],
    }


def element(value):
    if value is None or isinstance(value, str):
        return {"kind": "scalar", "value": value}
    if isinstance(value, bytes):
        return {"kind": "scalar", "value": text(value)}
    if isinstance(value, Mapping):
        return {"kind": "dict", "members": {str(k): element(v) for k, v in value.items()}}
    if isinstance(value, pd.DataFrame):
        return frame(value)
    if sparse.issparse(value):
        return matrix(value)
    if isinstance(value, pd.Categorical):
        return categorical(value)
    if isinstance(value, pd.api.extensions.ExtensionArray):
        return nullable(value)
    if isinstance(value, np.ndarray) and value.dtype.names:
        fields = {name: tensor(value[name]) for name in value.dtype.names}
        return {"kind": "records", "fields": fields}
    if isinstance(value, np.ndarray):
        return tensor(value)
    return {"kind": "scalar", "value": number(value)}


def members(mapping, convert):
    return {str(name): convert(mapping[name]) for name in mapping.keys()}


def dump_anndata(path):
    adata = anndata.read_h5ad(path)
    raw = adata.raw
    return {
        "shape": list(adata.shape),
        "X": matrix(adata.X),
        "raw": None
        if raw is None
        else {"X": matrix(raw.X), "var": frame(raw.var), "varm": members(raw.varm, element)},
        "layers": members(adata.layers, matrix),
        "obs": frame(adata.obs),
        "var": frame(adata.var),
        "obsm": members(adata.obsm, element),
        "varm": members(adata.varm, element),
        "obsp": members(adata.obsp, matrix),
        "varp": members(adata.varp, matrix),
        "uns": element(dict(adata.uns)),
    }


def dump_10x(path):
    """What scanpy's read_10x_h5(gex_only=False) gives, with counts of the stored type."""
    with h5py.File(path) as file:
        if "matrix" in file:
            group, features = file["matrix"], file["matrix/features"]
            names, renamed = "name", {"id": "gene_ids", "feature_type": "feature_types"}
            order = ["id", "feature_type", "genome"]
            rest = [k for k in features if k not in order and k != names and not k.startswith("_")]
            keys = [k for k in order if k in features] + rest
        else:
            (group,) = file.values()
            features, names, renamed, keys = group, "gene_names", {"genes": "gene_ids"}, ["genes"]
        n_vars, n_obs = (int(value) for value in group["shape"][:])
        rows = sparse.csr_matrix(
            (group["data"][:], group["indices"][:], group["indptr"][:]), shape=(n_obs, n_vars)
        )
        obs = pd.DataFrame(index=group["barcodes"].asstr()[:])
        var = pd.DataFrame(
            {
                renamed.get(key, key): features[key].asstr()[:]
                for key in keys
                if isinstance(features[key], h5py.Dataset) and features[key].shape == (n_vars,)
            },
            index=features[names].asstr()[:],
        )
        empty = {"layers": {}, "obsm": {}, "varm": {}, "obsp": {}, "varp": {}}
        return {
            "shape": [n_obs, n_vars],
            "X": matrix(rows),
            "raw": None,
            "obs": frame(obs),
            "var": frame(var),
            "uns": element({}),
            **empty,
        }


def dump(path):
    with h5py.File(path) as file:
        is_anndata = "obs" in file and "var" in file
    return dump_anndata(path) if is_anndata else dump_10x(path)


if __name__ == "__main__":
    result = json.dumps(dump(sys.argv[1]), allow_nan=False, ensure_ascii=False)
    if len(sys.argv) > 2:
        with open(sys.argv[2], "w", encoding="utf-8") as out:
            out.write(result + "\n")
    else:
        print(result)
