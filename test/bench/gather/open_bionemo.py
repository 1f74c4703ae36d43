"""Opens a data set and reads one row: python open_bionemo.py DIRECTORY ROW."""

import json
import resource
import sys
import time
import warnings

warnings.filterwarnings("ignore")
from bionemo.scdl.io.single_cell_memmap_dataset import SingleCellMemMapDataset  # noqa: E402

start = time.perf_counter()
dataset = SingleCellMemMapDataset(sys.argv[1])
(values, columns), _, _ = dataset.get_row(int(sys.argv[2]))
check = len(values.copy()) + 0 * len(columns.copy())
seconds = time.perf_counter() - start
rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": [seconds], "check": check, "rssMiB": rss}))
