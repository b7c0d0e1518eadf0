#!/usr/bin/env bash
# Makes sure that the system has what a goal of the Makefile needs, and says nothing when it does:
#
#     tools/bootstrap.sh GOAL...        a goal is build, test, analyze or fuzz
#
# Each need is checked by a fact (this compiles, that command exists), never by asking for a package: what came
# with Homebrew, from source or with pyenv counts. What is missing is installed by apt when that is possible
# without a question; otherwise the exact command is printed and the exit code is 1. It knows nothing of pip.
set -euo pipefail

PYTHON=${PYTHON:-python3}
CC=${CC:-cc}
CXX=${CXX:-c++}
CLANG=${CLANG:-clang}
APT_OPTIONS=(-y --no-install-recommends -o DPkg::Lock::Timeout=300)

missing=()  # what a person calls it
packages=() # what Debian calls it
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

have() { command -v "$1" >/dev/null 2>&1; }

# need "what it is" PACKAGE COMMAND...: the fact holds when COMMAND succeeds.
need() {
    local what=$1 package=$2
    shift 2
    if "$@" >/dev/null 2>&1; then return; fi
    missing+=("$what")
    case " ${packages[*]-} " in *" $package "*) ;; *) packages+=("$package") ;; esac
}

python_says() { "$PYTHON" -c "import os, sys, sysconfig; $1"; }
links_c() { "$CC" "$@" -x c - -o "$scratch/a.out" <<<'int main(void) { return 0; }'; }
links_fuzzer() {
    "$CLANG" -fsanitize=fuzzer,address,undefined -x c - -o "$scratch/a.out" \
        <<<'int LLVMFuzzerTestOneInput(const void *data, unsigned long size) { return !data && size; }'
}
compiles_cxx() { "$CXX" -x c++ -fsyntax-only - <<<'#include <string>'; }
makes_venvs() { python_says 'import ensurepip, venv'; }

has_python_headers() {
    local include
    include=$(python_says 'print(sysconfig.get_path("include"))')
    [ -f "$include/Python.h" ] || return 1
    links_c 2>/dev/null || return 0 # without a compiler there is no more to learn
    "$CC" -I"$include" -x c -fsyntax-only - <<<'#include <Python.h>'
}

# The Debian packages of an interpreter carry its own version; python3-dev would belong to another one.
python_package() { python_says 'print("python%d.%d" % sys.version_info[:2])'; }

is_debian_python() {
    [ -z "$(python_says 'print("" if os.path.realpath(sys.executable).startswith("/usr/bin/") else "no")')" ]
}

check_python() {
    if ! have "$PYTHON"; then
        need "Python 3.10 or newer" python3 false
        packages+=(python3-venv python3-dev)
        return
    fi
    if ! python_says 'sys.exit(sys.version_info < (3, 10))'; then
        echo "bootstrap: Python 3.10 or newer is needed; $PYTHON is $(python_says 'print(sys.version.split()[0])')." >&2
        echo "    Name another one:  make PYTHON=/path/to/python3.12" >&2
        exit 1
    fi
    if is_debian_python; then
        need "Python's venv module" "$(python_package)-venv" makes_venvs
        need "Python's headers (Python.h)" "$(python_package)-dev" has_python_headers
    elif ! makes_venvs >/dev/null 2>&1 || ! has_python_headers >/dev/null 2>&1; then
        echo "bootstrap: $PYTHON ($(python_says 'print(sys.executable)')) has no Python.h or no venv module," >&2
        echo "    and did not come with the system, so no package can add them." >&2
        echo "    Name another one:  make PYTHON=/usr/bin/python3" >&2
        exit 1
    fi
}

check_build() {
    need "a C compiler ($CC)" build-essential links_c
    need "a C++ compiler ($CXX)" build-essential compiles_cxx
    need "pkg-config" pkg-config have pkg-config
    need "hiredis, the Redis protocol parser (its headers)" libhiredis-dev pkg-config --exists hiredis
    need "cJSON (its headers)" libcjson-dev pkg-config --exists libcjson
    need "OpenSSL (its headers)" libssl-dev pkg-config --exists openssl
    check_python
}

check_test() {
    need "a compiler with AddressSanitizer" build-essential links_c -fsanitize=address,undefined
    need "redis-server" redis-server have redis-server
}

analyzes_c() { gcc -fanalyzer -x c -fsyntax-only - <<<'int x;'; }

check_analyze() {
    need "gcc 10 or newer (-fanalyzer)" build-essential analyzes_c
    need "cppcheck" cppcheck have cppcheck
}

check_fuzz() {
    need "clang ($CLANG)" clang have "$CLANG"
    need "clang's libFuzzer and sanitizers" libclang-rt-dev links_fuzzer
}

check() {
    missing=()
    packages=()
    local goal
    for goal in "$@"; do "check_$goal"; done
}

is_root() { [ "$(id -u)" = 0 ]; }
may_sudo() { have sudo && sudo -n true 2>/dev/null; }

explain_and_stop() {
    echo "Missing on this machine:" >&2
    printf '    - %s\n' "${missing[@]}" >&2
    if have apt-get; then
        local sudo="sudo "
        if is_root; then sudo=""; fi
        echo "Install it with this command, then run make again:" >&2
        echo >&2
        echo "    ${sudo}apt-get update && ${sudo}apt-get install -y ${packages[*]}" >&2
        echo >&2
    else
        echo "This system has no apt-get. Install what its own package manager calls these Debian packages:" >&2
        echo "    ${packages[*]}" >&2
        echo "README.md, section Install, has the commands of other systems." >&2
    fi
    exit 1
}

apt() {
    local as_root=()
    if ! is_root; then as_root=(sudo -n); fi
    # ${x[@]+...}: an empty array is an unset variable to bash 3.2
    ${as_root[@]+"${as_root[@]}"} env DEBIAN_FRONTEND=noninteractive apt-get "$@"
}

install_packages() {
    echo "Installing with apt (a minute or two): ${packages[*]}"
    local log=$scratch/apt.log
    if ! { apt update && apt install "${APT_OPTIONS[@]}" "${packages[@]}"; } >"$log" 2>&1; then
        cat "$log" >&2
        echo "bootstrap: apt failed; its messages are above." >&2
        exit 1
    fi
}

main() {
    local goal
    if [ $# = 0 ]; then set -- build; fi
    for goal in "$@"; do
        case $goal in build | test | analyze | fuzz) ;; *) echo "bootstrap: no goal \`$goal\`: build, test, analyze, fuzz" >&2 && exit 2 ;; esac
    done
    check "$@"
    if [ ${#missing[@]} = 0 ]; then return; fi
    if ! have apt-get || ! { is_root || may_sudo; }; then explain_and_stop; fi
    install_packages
    hash -r
    check "$@"
    if [ ${#missing[@]} != 0 ]; then
        echo "bootstrap: apt succeeded, but this is still missing:" >&2
        printf '    - %s\n' "${missing[@]}" >&2
        exit 1
    fi
}

main "$@"
