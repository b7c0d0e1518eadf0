#!/usr/bin/env bash
# Runs pytest on what tools/build_copy.sh has built in FOLDER; the suites are files and folders below tests/. With one
# server, and without the contract suite's tests of itself: no build makes a difference to these.
#
#     tools/test_copy.sh PYTHON FOLDER [OPTION ...] SUITE ...        PYTHON is an absolute path
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

python=$1
cd "$2/package" # so that `python -c` and `python -m`, which look into the working folder first, find the copy
shift 2
options=()
while [[ ${1-} == -* ]]; do
    options+=("$1")
    shift
done
export PYTHONPATH=$PWD
exec "$python" -X dev "$(dirname "$python")/pytest" -p no:cacheprovider -c "$root/pyproject.toml" --rootdir "$root" \
    --kv-server redis --ignore "$root/tests/contract/test_suite_itself.py" \
    ${options[@]+"${options[@]}"} "${@/#/$root/tests/}"
