"""samtools (pysam) and pyfaidx for test/conformance/fasta.ts: one request as JSON on stdin, one answer.

index: the .fai of files, null where samtools refuses, and of their bgzip copies with the .gzi;
fetch: parts of files by both libraries.
"""

import base64
import json
import os
import sys

import pyfaidx
import pysam

pysam.set_verbosity(0)


def read(path):
    with open(path, "rb") as file:
        return file.read()


def index(paths):
    answers = []
    for path in paths:
        try:
            pysam.faidx(path)
        except pysam.SamtoolsError:
            answers.append(None)
            continue
        copy = path + ".gz"
        pysam.tabix_compress(path, copy, force=True)
        pysam.faidx(copy)
        answers.append(
            {
                "fai": base64.b64encode(read(path + ".fai")).decode(),
                "gzFai": base64.b64encode(read(copy + ".fai")).decode(),
                "gzi": base64.b64encode(read(copy + ".gzi")).decode(),
            }
        )
        for name in (path + ".fai", copy + ".fai", copy + ".gzi"):
            os.remove(name)
    return answers


def fetch(files):
    answers = []
    for path, ranges in files:
        with pysam.FastaFile(path) as first, pyfaidx.Fasta(path, rebuild=True) as second:
            found = [
                [first.fetch(name, begin, end), second[name][begin:end].seq] for name, begin, end in ranges
            ]
        os.remove(path + ".fai")
        answers.append(found)
    return answers


request = json.load(sys.stdin)
operation = {"index": index, "fetch": fetch}[request.pop("op")]
# samtools prints what it warns of.
with open(os.dup(1), "w") as answer:
    os.dup2(2, 1)
    json.dump(operation(**request), answer)
