"""Builds the extension: src/core (C, no Python) and src/ext (the Python layer) into one module.

The system libraries are found by pkg-config. A missing one ends in one readable block instead of a page
of compiler output.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from glob import glob

from setuptools import Extension, setup

LIBRARIES = {  # pkg-config name: (what it is, a header to name)
    "hiredis": ("the Redis protocol parser", "hiredis/read.h"),
    "libcjson": ("the JSON library", "cjson/cJSON.h"),
    "openssl": ("TLS", "openssl/ssl.h"),
}
INSTALL = {
    "apt-get": "apt-get install -y build-essential pkg-config python3-dev libhiredis-dev libcjson-dev libssl-dev",
    "dnf": "dnf install -y gcc pkgconf-pkg-config python3-devel hiredis-devel cjson-devel openssl-devel",
    "apk": "apk add build-base pkgconf python3-dev hiredis-dev cjson-dev openssl-dev",
    "pacman": "pacman -S --needed base-devel pkgconf hiredis cjson openssl",
    "zypper": "zypper install -y gcc pkg-config python3-devel hiredis-devel cJSON-devel libopenssl-devel",
    "brew": "brew install pkg-config hiredis cjson openssl@3",
}
WARNINGS = ["-Wall", "-Wextra", "-Wshadow", "-Wstrict-prototypes", "-Wvla", "-Wno-unused-parameter"]
WARNINGS += ["-Werror=implicit-function-declaration"]  # else it would fail only when it is imported


def stop(missing: str) -> None:
    """Ends the build, saying what is missing and the command that brings it."""
    tool = next((name for name in INSTALL if shutil.which(name)), None)
    command = INSTALL[tool] if tool else "(install the development packages of hiredis, cJSON and OpenSSL)"
    prefix = "" if tool in (None, "brew") or os.geteuid() == 0 else "sudo "
    sys.exit(
        "\n".join(
            [
                "",
                "-" * 78,
                f"nano-graphrag-redis cannot be built: {missing}.",
                "",
                f"    {prefix}{command}",
                "",
                "Then run the same pip command again. More: README.md, section Install.",
                "-" * 78,
            ]
        )
    )


def pkg_config(*arguments: str) -> list[str]:
    return subprocess.run(["pkg-config", *arguments], check=True, capture_output=True, text=True).stdout.split()


def find_libraries() -> tuple[list[str], list[str]]:
    """The compiler and linker arguments for all LIBRARIES."""
    if not shutil.which("pkg-config"):
        stop("pkg-config is missing")
    for name, (what, header) in LIBRARIES.items():
        if subprocess.run(["pkg-config", "--exists", name], check=False).returncode:
            stop(f"{what} is missing ({name}: no {header})")
    includes = []
    for name in LIBRARIES:  # <hiredis/read.h> needs the parent of the folder that old .pc files name
        for folder in pkg_config("--variable=includedir", name):
            if folder != "/usr/include":
                includes.append(f"-I{folder}")
    return pkg_config("--cflags", *LIBRARIES) + includes, pkg_config("--libs", *LIBRARIES)


def extension() -> Extension:
    cflags, libs = find_libraries()
    compile_args = ["-std=c11", "-fvisibility=hidden", *WARNINGS, *cflags]
    if os.environ.get("NGR_WERROR"):
        compile_args.append("-Werror")
    link_args = [*libs]
    if platform.system() == "Linux":
        link_args.append("-Wl,--exclude-libs,ALL")
    if sanitize := os.environ.get("NGR_SANITIZE"):  # for example "address,undefined"
        flags = [f"-fsanitize={sanitize}", "-fno-omit-frame-pointer", "-g", "-O1"]
        compile_args += flags
        link_args += flags
    return Extension(
        "nano_graphrag_redis._native",
        sources=sorted(glob("src/core/*.c") + glob("src/ext/*.c")),
        depends=sorted(glob("src/core/*.h") + glob("src/ext/*.h")),
        include_dirs=["src/core", "src/ext"],
        extra_compile_args=compile_args,
        extra_link_args=link_args,
    )


setup(ext_modules=[extension()])
