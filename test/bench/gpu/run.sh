#!/bin/sh
# Measures this machine's GPU beside its PyTorch, in the folder that `npm run bench:gpu` made:
# sh run.sh [--device cuda] [PART...]. PYTHON names the Python that has torch and transformers.
cd "$(dirname "$0")" || exit 1
python=${PYTHON:-python3}
unpack="import lzma, shutil; shutil.copyfileobj(lzma.open('node.xz'), open('node', 'wb'))"
[ -x node ] || { "$python" -c "$unpack" && chmod +x node; } || exit 1
find="import importlib.util as u, os; print(os.path.dirname(u.find_spec('torch').origin))"
LIBTORCH=${LIBTORCH:-$("$python" -c "$find")}
export LIBTORCH
exec ./node --no-warnings test/bench/gpu/run.ts --python "$python" "$@"
