"""The same through bionemo-scdl's data set, a torch DataLoader and its collate function.

python loader_bionemo.py DIRECTORY BATCH ROWS PASSES WORKERS

obs columns are held in memory as codes and numbers and looked up by row in the collate function,
which is faster than get_row(return_obs_features=True).
"""

import json
import sys
import time
import warnings

import numpy as np
import pandas as pd
import torch
from torch.utils.data import DataLoader, Dataset

warnings.filterwarnings("ignore")
from bionemo.scdl.io.single_cell_memmap_dataset import SingleCellMemMapDataset  # noqa: E402
from bionemo.scdl.util.torch_dataloader_utils import collate_sparse_matrix_batch  # noqa: E402

directory = sys.argv[1]
batch, rows, passes, workers = map(int, sys.argv[2:6])
data = SingleCellMemMapDataset(directory)
frame = pd.DataFrame(dict(zip(["cell_type", "n_counts"], [
    data._obs_feature_index._feature_arr[0]["cell_type"], data._obs_feature_index._feature_arr[0]["n_counts"]])))
codes = torch.from_numpy(frame.cell_type.astype("category").cat.codes.to_numpy().astype(np.int32))
counts = torch.from_numpy(frame.n_counts.to_numpy().astype(np.int32))


class WithRow(Dataset):
    def __len__(self):
        return len(data)

    def __getitem__(self, row):
        return row, data[row]


def collate(items):
    index = torch.tensor([row for row, _ in items])
    return collate_sparse_matrix_batch([x for _, x in items]), codes[index], counts[index]


loader = DataLoader(
    WithRow(),
    batch_size=batch,
    sampler=np.random.default_rng(1).permutation(len(data))[:rows].tolist(),
    collate_fn=collate,
    num_workers=workers,
    persistent_workers=workers > 0,
    drop_last=True,
)
seconds = []
check = 0
for run in range(passes + 1):
    start = time.perf_counter()
    check = 0
    for tensor, types, _ in loader:
        check += len(tensor.col_indices()) + int(types[0] >= 0)
    if run > 0:
        seconds.append(time.perf_counter() - start)
print(json.dumps({"seconds": seconds, "check": check}))
