"""The same batches through bionemo-scdl's data set, a torch DataLoader and its collate function.

python gather_bionemo.py DIRECTORY ORDER BATCH ROWS PASSES WORKERS
"""

import json
import sys
import time
import warnings

import numpy as np
from torch.utils.data import DataLoader

warnings.filterwarnings("ignore")
from bionemo.scdl.io.single_cell_memmap_dataset import SingleCellMemMapDataset  # noqa: E402
from bionemo.scdl.util.torch_dataloader_utils import collate_sparse_matrix_batch  # noqa: E402

directory, order_path = sys.argv[1:3]
batch, rows, passes, workers = map(int, sys.argv[3:7])
order = np.fromfile(order_path, np.uint32)[:rows].tolist()
dataset = SingleCellMemMapDataset(directory)
loader = DataLoader(
    dataset,
    batch_size=batch,
    sampler=order,
    collate_fn=collate_sparse_matrix_batch,
    num_workers=workers,
    persistent_workers=workers > 0,
    drop_last=True,
)
seconds = []
check = 0
for _ in range(passes):
    start = time.perf_counter()
    check = 0
    for tensor in loader:
        columns = tensor.col_indices()
        check += int(columns[len(columns) // 2]) + len(columns)
    seconds.append(time.perf_counter() - start)
print(json.dumps({"seconds": seconds, "check": check}))
