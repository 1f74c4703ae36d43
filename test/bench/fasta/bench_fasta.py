"""pysam (samtools) and pyfaidx: index a FASTA file, read it as a stream or proteins of it by name."""

import json
import os
import resource
import sys
import time

import pyfaidx
import pysam

library, what, path, proteins, fetches = sys.argv[1:]
proteins, fetches = int(proteins), int(fetches)
check = 0
if what == "index":
    if os.path.exists(path + ".fai"):
        os.remove(path + ".fai")
    begin = time.perf_counter()
    if library == "pysam":
        pysam.faidx(path)
    else:
        pyfaidx.Faidx(path)
    check = os.path.getsize(path + ".fai")
elif what == "stream":
    begin = time.perf_counter()
    for record in pysam.FastxFile(path, persist=False):
        check += len(record.sequence)
else:
    names = [f"UniRef50_A0A{i * 7919 % proteins}" for i in range(fetches)]
    opened = pysam.FastaFile(path) if library == "pysam" else pyfaidx.Faidx(path)
    begin = time.perf_counter()
    if library == "pysam":
        for name in names:
            check += len(opened.fetch(name))
    else:
        for name in names:
            check += len(opened.fetch(name, 1, opened.index[name].rlen).seq)
seconds = time.perf_counter() - begin
rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps({"seconds": [seconds], "check": check, "rssMiB": rss}))
