#!/usr/bin/env bash
# Builds core and extension with a hiredis 1.x instead of the system's and runs the tests that depend on it. The C
# sources are those inside the sdist of PyPI's `hiredis`; they become a static library with headers and a hiredis.pc in
# a prefix below build/hiredis, where everything stays that is made here. `make hiredis` calls it.
#
#     tools/hiredis.sh PYTHON        an absolute path; what the tests need is installed there
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

HERE=$PWD/build/hiredis
PREFIX=$HERE/prefix
PYTHON=$1
CC=${CC:-cc}
SDIST=hiredis==3.5.0 # holds hiredis 1.5.0
FILES=(alloc async hiredis net read sds sockcompat)
SUITES=(contract codec faults/test_fault_stream.py faults/test_fault_cancel.py cli/test_versions.py)

fetch_sources() {
    rm -rf "$HERE/sdist"
    "$PYTHON" -m pip --disable-pip-version-check -qq download --no-binary :all: --no-deps --no-build-isolation \
        --dest "$HERE/sdist" "$SDIST"
    tar -xzf "$HERE"/sdist/*.tar.gz -C "$HERE/sdist" --strip-components=1
}

version_of() { # HEADER
    sed -n 's/^#define HIREDIS_\(MAJOR\|MINOR\|PATCH\) //p' "$1" | paste -sd.
}

install_library() { # SOURCES VERSION
    local name objects=()
    rm -rf "$PREFIX"
    mkdir -p "$PREFIX/include/hiredis" "$PREFIX/lib/pkgconfig"
    cp "$1"/*.h "$PREFIX/include/hiredis"
    for name in "${FILES[@]}"; do
        "$CC" -std=c99 -D_GNU_SOURCE -O2 -fPIC -c "$1/$name.c" -o "$1/$name.o"
        objects+=("$1/$name.o")
    done
    ar rcs "$PREFIX/lib/libhiredis.a" "${objects[@]}"
    cat >"$PREFIX/lib/pkgconfig/hiredis.pc" <<EOF
Name: hiredis
Description: Minimalistic C client library for Redis.
Version: $2
includedir=$PREFIX/include
Cflags: -I\${includedir}
Libs: -L$PREFIX/lib -lhiredis
EOF
}

test_core() {
    rm -rf "$HERE/c" # make does not see that a library has changed
    make -C tests/c --no-print-directory -j"$(getconf _NPROCESSORS_ONLN)" OUT="$HERE/c" all
    make -C tests/c --no-print-directory OUT="$HERE/c" run
}

test_extension() { # VERSION
    local used
    rm -rf "$HERE/objects"
    tools/build_copy.sh "$PYTHON" "$HERE"
    used=$(cd "$HERE/package" && "$PYTHON" -c 'from nano_graphrag_redis._native import build_info as b; print(b["hiredis"])')
    [ "$used" = "$1" ] || { echo "hiredis: the extension was built with $used, not with $1" >&2 && exit 1; }
    tools/test_copy.sh "$PYTHON" "$HERE" -q "${SUITES[@]}"
}

mkdir -p "$HERE"
fetch_sources
sources=$HERE/sdist/vendor/hiredis
version=$(version_of "$sources/hiredis.h")
case $version in 1.*) ;; *) echo "hiredis: $SDIST holds hiredis '$version', not 1.x" >&2 && exit 1 ;; esac
echo "==> hiredis $version instead of the system's $(pkg-config --modversion hiredis)"
install_library "$sources" "$version"
export PKG_CONFIG_PATH=$PREFIX/lib/pkgconfig
test_core
test_extension "$version"
echo "==> hiredis $version: passed"
