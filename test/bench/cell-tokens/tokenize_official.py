"""The official Geneformer tokenizer's own code over the same cells, into the same files.

TOKENIZER is geneformer/tokenizer.py of ctheodoris/Geneformer. The matrix comes straight from the
arrays of the data set; scanpy, loompy and datasets, which rank nothing, are stood in for.
"""

import importlib.util
import json
import pickle
import sys
import time
import types
import warnings
from pathlib import Path

warnings.simplefilter("ignore")
import anndata
import numpy as np
import pyarrow.parquet
import scipy.sparse as sp

source, folder, output = sys.argv[1:]
adata = {}
for name, members in {
    "loompy": {}, "datasets": {"Dataset": None},
    "scanpy": {"read_h5ad": lambda path: adata["it"], "AnnData": anndata.AnnData, "concat": anndata.concat},
    "geneformer": {"__path__": [], "ENSEMBL_MAPPING_FILE": "", "GENE_MEDIAN_FILE": "", "TOKEN_DICTIONARY_FILE": ""},
}.items():
    sys.modules[name] = types.ModuleType(name)
    vars(sys.modules[name]).update(members)
spec = importlib.util.spec_from_file_location("geneformer.tokenizer", source)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
module.print = lambda *_: None
files = {}
for name in ["medians", "tokens"]:
    files[name] = Path(output, f"{name}.pkl")
    files[name].write_bytes(pickle.dumps(json.loads(Path(folder, f"{name}.json").read_text())))
tokenizer = module.TranscriptomeTokenizer(
    None, special_token=False, model_input_size=2048, gene_median_file=files["medians"],
    token_dictionary_file=files["tokens"], gene_mapping_file=None)


begin = time.perf_counter()
dataset = Path(folder, "cells.scdl")
genes = pyarrow.parquet.read_table(dataset / "var_features/dataframe_0.parquet").column("feature_id").to_pylist()
counts = pyarrow.parquet.read_table(dataset / "obs_features/dataframe_0.parquet").column("n_counts").to_numpy()
indptr = np.fromfile(dataset / "row_ptr.npy", "u4")
rows = len(counts)
data = np.memmap(dataset / "data.npy", "f4", "r", shape=(int(indptr[-1]),))
indices = np.memmap(dataset / "col_ptr.npy", "u2", "r", shape=(int(indptr[-1]),))
matrix = sp.csr_matrix((data, indices.astype("i4"), indptr.astype("i4")), shape=(rows, len(genes)))
adata["it"] = anndata.AnnData(matrix, obs={"n_counts": counts}, var={"ensembl_id": genes})
cells, _, _ = tokenizer.tokenize_anndata("cells.h5ad")
cells = [cell[:2048].astype("i4") for cell in cells]
np.concatenate(cells).tofile(Path(output, "ids.i32"))
np.array([len(cell) for cell in cells], "i4").tofile(Path(output, "lengths.i32"))
seconds = time.perf_counter() - begin
ids = np.fromfile(Path(output, "ids.i32"), "i4")
print(json.dumps({"seconds": [seconds], "check": int(ids.sum(dtype="i8")) + len(cells)}))
