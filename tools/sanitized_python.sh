#!/usr/bin/env bash
# Makes a venv whose interpreter and whose copy of the extension are built with AddressSanitizer, LeakSanitizer and
# UndefinedBehaviorSanitizer; everything else it imports comes from another venv:
#
#     tools/sanitized_python.sh VENV NEW_VENV
#
# The editable install of VENV stays as it is. Run pytest as `NEW_VENV/bin/python VENV/bin/pytest`: with
# `-m pytest`, the package of the current folder, which is not sanitised, would be found first.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=$(realpath "$1")
new=$(realpath -m "$2")
python=$venv/bin/python
SANITIZERS=address,undefined

says() { "$python" -c "import sys, sysconfig; $1"; }

build_extension() {
    NGR_SANITIZE=$SANITIZERS "$python" setup.py --quiet build --build-base "$new/build" --build-lib "$packages" \
        2>"$new/log" || { cat "$new/log" >&2 && exit 1; }
}

build_interpreter() {
    local flags
    read -ra flags < <(says '
name = "python" + sysconfig.get_config_var("LDVERSION")
folders = [sysconfig.get_config_var(x) for x in ("LIBDIR", "LIBPL")]
libraries = " ".join(sysconfig.get_config_var(x) or "" for x in ("LIBS", "SYSLIBS"))
print("-I" + sysconfig.get_path("include"), *["-L" + x for x in folders], "-Wl,-rpath," + folders[0],
      "-l" + name, libraries)')
    rm -f "$new"/bin/python*
    "${CC:-cc}" -std=c11 -D_GNU_SOURCE -g -O1 -fsanitize="$SANITIZERS" -rdynamic tests/sanitizers/python.c \
        "${flags[@]}" -o "$new/bin/python"
    ln -s python "$new/bin/python3"
}

# What is imported is this copy, also for who starts elsewhere.
check() {
    (cd "$new" && bin/python -c "from nano_graphrag_redis import _native as n; assert n.__file__.startswith('$new')")
}

rm -rf "$new"
"$python" -m venv --without-pip "$new"
packages=$new/lib/$(says 'print("python%d.%d" % sys.version_info[:2])')/site-packages
says 'print(sysconfig.get_path("purelib"))' >"$packages/everything_else.pth"
build_extension
build_interpreter
check
