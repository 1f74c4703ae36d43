"""Answers questions about the original packages, one JSON object per line in and out.

Started once for each build by run.ts with the conformance environment's Python: importing torch takes
seconds. A request is {"op": name, ...}; the answer is {"ok": value} or {"error": "Type: message"}.
"""

import contextlib
import io
import json
import logging
import os
import sys
import traceback
import warnings

logging.disable(logging.WARNING)  # bionemo-scdl reports every step
warnings.simplefilter("ignore")

import original_data_sets
import original_divergences
import original_h5ad

OPERATIONS = original_h5ad.OPERATIONS | original_data_sets.OPERATIONS | original_divergences.OPERATIONS


def main():
    answers = sys.stdout
    print(json.dumps({"ok": None}), file=answers, flush=True)
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
    main()
