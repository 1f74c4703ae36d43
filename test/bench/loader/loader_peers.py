"""The same cells through annbatch and scDataset, each on its own format, in block-shuffled order.

python loader_peers.py make DIRECTORY FOLDER ROWS         writes FOLDER/cells.h5ad and FOLDER/cells.zarr
python loader_peers.py annbatch FOLDER BATCH ROWS PASSES CHUNK_ROWS PRELOADED_CHUNKS
python loader_peers.py scdataset FOLDER BATCH ROWS PASSES BLOCK_ROWS FETCH_FACTOR

Both shuffle blocks of rows, which is less work than the fully shuffled order of the others.
"""

import json
import os
import sys
import time
import warnings

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp

warnings.filterwarnings("ignore")
OBS = ["cell_type", "n_counts"]


def make(directory, folder, rows):
    os.makedirs(folder, exist_ok=True)
    indptr = np.fromfile(f"{directory}/row_ptr.npy", np.uint32, rows + 1).astype(np.int64)
    data = np.fromfile(f"{directory}/data.npy", np.float32, indptr[-1])
    indices = np.fromfile(f"{directory}/col_ptr.npy", np.uint16, indptr[-1]).astype(np.int32)
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical([f"cell type {(row * 7) % 41}" for row in range(rows)]),
            "n_counts": np.arange(rows, dtype=np.int32) % 997 + 1000,
        },
        index=[str(row) for row in range(rows)],
    )
    var = pd.DataFrame(index=[f"g{i}" for i in range(30_000)])
    adata = ad.AnnData(sp.csr_matrix((data, indices, indptr), shape=(rows, 30_000)), obs=obs, var=var)
    adata.write_h5ad(f"{folder}/cells.h5ad")
    from annbatch import DatasetCollection

    DatasetCollection(f"{folder}/cells.zarr").add_adatas([f"{folder}/cells.h5ad"])


def annbatch(folder, batch, rows, passes, chunk, preload):
    import zarr
    from annbatch import DatasetCollection, Loader

    zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"})

    def load(group):
        full = ad.io.sparse_dataset(group["X"])
        return ad.AnnData(X=full, obs=ad.io.read_elem(group["obs"])[OBS])

    def run():
        loader = Loader(
            batch_size=batch, chunk_size=chunk, preload_nchunks=preload, shuffle=True, to=None, drop_last=True
        )
        return loader.use_collection(DatasetCollection(f"{folder}/cells.zarr", mode="r"), load_adata=load)

    def read(item):
        return item["X"].nnz, item["obs"]["cell_type"].array[0]

    return measure(run, read, batch, rows, passes)


def scdataset(folder, batch, rows, passes, block, fetch):
    import scdataset as sd

    backed = ad.read_h5ad(f"{folder}/cells.h5ad", backed="r")

    def run():
        return sd.scDataset(
            backed,
            sd.BlockShuffling(block_size=block),
            batch_size=batch,
            fetch_factor=fetch,
            drop_last=True,
            seed=1,
            fetch_transform=lambda adata: adata.to_memory() if adata.isbacked else adata,
        )

    def read(item):
        return item.X.nnz, item.obs["cell_type"].array[0]

    return measure(run, read, batch, rows, passes)


def measure(run, read, batch, rows, passes):
    seconds, counted = [], 0
    for _ in range(passes):
        start = time.perf_counter()
        counted = values = 0
        for item in run():
            nnz, _first = read(item)
            values += nnz
            counted += batch
            if counted + batch > rows:
                break
        seconds.append((time.perf_counter() - start) * rows / counted)
    return {"seconds": seconds}


mode, *rest = sys.argv[1:]
if mode == "make":
    make(rest[0], rest[1], int(rest[2]))
else:
    program = {"annbatch": annbatch, "scdataset": scdataset}[mode]
    print(json.dumps(program(rest[0], *map(int, rest[1:]))))
