#!/usr/bin/env bash
# Copies the Python package into FOLDER/package and builds the extension there, warnings being errors, so that a build
# that is not .venv's leaves that one alone. `PYTHONPATH=FOLDER/package` then finds the copy first.
#
#     tools/build_copy.sh PYTHON FOLDER
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=$1 folder=$2
rm -rf "$folder/package"
mkdir -p "$folder/package"
cp -r nano_graphrag_redis "$folder/package/"
rm -f "$folder"/package/nano_graphrag_redis/*.so
NGR_WERROR=1 "$python" setup.py --quiet build_ext --build-temp "$folder/objects" --build-lib "$folder/package"
