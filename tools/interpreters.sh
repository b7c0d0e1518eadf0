#!/usr/bin/env bash
# Builds the extension with each supported CPython of this machine (python3.X on the PATH and below ~/.pyenv/versions)
# and runs the tests that depend on the interpreter. Each has a venv below build/interpreters, which is kept for the
# next run; .venv is not touched. One line each; the log of what failed is printed. `make interpreters` calls it.
#
#     tools/interpreters.sh [3.12 ...]        only these versions
#     tools/interpreters.sh --but 3.11        all but this one, which may be none
#
# The suite about life and death of loops, threads and processes takes longest: the oldest and the newest run it. The
# compiler's warnings are errors, and so are Python's, deprecations of its C interface included.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

ALL=(3.10 3.11 3.12 3.13 3.14)
VERSIONS=("$@")
case ${1:-} in
    "") VERSIONS=("${ALL[@]}") ;;
    --but) mapfile -t VERSIONS < <(printf '%s\n' "${ALL[@]}" | grep -vxF "$2") ;;
esac
SUITES=(contract codec interpreter)
SUITES_OF_THE_ENDS=(life)
HOME_OF_ALL=$PWD/build/interpreters
PROCESSORS=$(getconf _NPROCESSORS_ONLN)

# find_python 3.12: its path, the newest patch release of pyenv before what is on the PATH; fails when there is none.
find_python() {
    local candidate
    while read -r candidate; do
        if "$candidate" -c 'import ensurepip, sys; sys.exit(sys.implementation.name != "cpython")' 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done < <(printf '%s\n' "$HOME"/.pyenv/versions/"$1".*/bin/python | sort -rV && type -P "python$1")
    return 1
}

# What a venv was made from; it is made anew when this changes, and when its Python does not start any more.
origin_of() { # PYTHON
    "$1" -VV
    cat tools/requirements-{build,test}.txt demo/requirements.txt
}

# nano-graphrag, an oracle of the contract suite, is left out where what it imports would have to be compiled (hnswlib
# is quickly compiled); numpy is needed all the same.
make_venv() { # PYTHON FOLDER
    if "$2/bin/python" -c '' 2>/dev/null && origin_of "$1" | cmp -s - "$2/.origin"; then return; fi
    rm -rf "$2"
    "$1" -m venv "$2"
    local pip=("$2/bin/python" -m pip --disable-pip-version-check -qq install)
    "${pip[@]}" -r tools/requirements-build.txt -r tools/requirements-test.txt
    "${pip[@]}" --no-deps --only-binary :all: --no-binary hnswlib -r demo/requirements.txt ||
        "${pip[@]}" --only-binary :all: numpy
    origin_of "$1" >"$2/.origin"
}

has_nano_graphrag() { "$1" -c "import importlib.util, sys; sys.exit(not importlib.util.find_spec('nano_graphrag'))"; }

without_nano_graphrag() { # options of pytest
    echo --kv=nano_graphrag_redis:RedisKVStorage
    grep -lE '^(from|import) nano_graphrag[. ]' "$PWD"/tests/contract/test_*.py | sed 's/^/--ignore=/'
}

check() { # PYTHON FOLDER SUITE...
    local python=$2/bin/python folder=$2 options=()
    make_venv "$1" "$folder"
    shift 2
    tools/build_copy.sh "$python" "$folder"
    has_nano_graphrag "$python" || mapfile -t options < <(without_nano_graphrag)
    tools/test_copy.sh "$python" "$folder" -q ${options[@]+"${options[@]}"} "$@"
}

tell() { # PYTHON FOLDER LOG
    local without=""
    has_nano_graphrag "$2/bin/python" || without=", without nano-graphrag"
    echo "C$("$1" -V): built, $(tail -1 "$3" | sed 's/^=* *//; s/ *=*$//')$without"
    grep '^SKIPPED' "$3" | sed 's/^/    /' || true
}

mkdir -p "$HOME_OF_ALL"
found=() pythons=()
for version in "${VERSIONS[@]}"; do
    if python=$(find_python "$version"); then
        found+=("$version")
        pythons+=("$python")
    else
        echo "CPython $version: skipped, not on this machine"
    fi
done
[ ${#found[@]} != 0 ] || [ "${1:-}" != --but ] || exit 0
[ ${#found[@]} != 0 ] || { echo "interpreters: none of ${VERSIONS[*]} is on this machine" >&2 && exit 1; }

pids=()
start() { # INDEX; in the background also because `set -e` would not hold in a condition
    local suites=("${SUITES[@]}")
    case $1 in 0 | $((${#found[@]} - 1))) suites+=("${SUITES_OF_THE_ENDS[@]}") ;; esac
    check "${pythons[$1]}" "$HOME_OF_ALL/${found[$1]}" "${suites[@]}" >"$HOME_OF_ALL/${found[$1]}.log" 2>&1 &
    pids[$1]=$!
}

failed=0
finish() { # INDEX
    local folder=$HOME_OF_ALL/${found[$1]}
    if wait "${pids[$1]}"; then
        tell "${pythons[$1]}" "$folder" "$folder.log"
    else
        failed=1
        cat "$folder.log"
        echo "CPython ${found[$1]}: FAILED, as told above and in $folder.log"
    fi
}

for i in "${!found[@]}"; do # as many at a time as there are processors
    if ((i >= PROCESSORS)); then finish $((i - PROCESSORS)); fi
    start "$i"
done
for ((i = ${#found[@]} > PROCESSORS ? ${#found[@]} - PROCESSORS : 0; i < ${#found[@]}; i++)); do finish "$i"; done
exit $failed
