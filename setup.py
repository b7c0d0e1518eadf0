"""Builds the extension: src/core (C, no Python) and src/ext (the Python layer) into one module.

The system libraries are found by pkg-config. A missing one, or headers of another version than the library
that is linked, end in one readable block instead of a page of compiler output, or of a crash some day.
"""

from __future__ import annotations

import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import sysconfig
from glob import glob
from typing import NoReturn

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


def stop(fact: str, advice: str) -> NoReturn:
    """Ends the build, saying what is wrong and what to do."""
    sys.exit(
        "\n".join(
            [
                "",
                "-" * 78,
                f"nano-graphrag-redis cannot be built: {fact}.",
                "",
                f"    {advice}",
                "",
                "Then run the same pip command again. More: README.md, section Install.",
                "-" * 78,
            ]
        )
    )


def stop_for_missing(what: str) -> NoReturn:
    """Names the command that brings it."""
    tool = next((name for name in INSTALL if shutil.which(name)), None)
    command = INSTALL[tool] if tool else "(install the development packages of hiredis, cJSON and OpenSSL)"
    prefix = "" if tool in (None, "brew") or os.geteuid() == 0 else "sudo "
    stop(f"{what} is missing", f"{prefix}{command}")


def pkg_config(*arguments: str) -> list[str]:
    return subprocess.run(["pkg-config", *arguments], check=True, capture_output=True, text=True).stdout.split()


def find_libraries() -> tuple[list[str], list[str]]:
    """The compiler and linker arguments for all LIBRARIES."""
    if not shutil.which("pkg-config"):
        stop_for_missing("pkg-config")
    for name, (what, header) in LIBRARIES.items():
        if subprocess.run(["pkg-config", "--exists", name], check=False).returncode:
            stop_for_missing(f"{what} ({name}: {header})")
    cflags = [*include_folders(), *pkg_config("--cflags", *LIBRARIES)]
    check_hiredis(cflags)
    return cflags, pkg_config("--libs", *LIBRARIES)


def include_folders() -> list[str]:
    """What makes <hiredis/read.h> be found: .pc files before hiredis 1.1 name the folder hiredis itself."""
    folders = [folder for name in LIBRARIES for folder in pkg_config("--variable=includedir", name)]
    parents = dict.fromkeys(folder.removesuffix("/hiredis") for folder in folders)
    return [f"-I{folder}" for folder in parents if folder != "/usr/include"]


def check_hiredis(cflags: list[str]) -> None:
    """The headers must be those of the library that is linked: between its versions, structs differ."""
    named, found = pkg_config("--modversion", "hiredis")[0], version_in_header(cflags)
    if named != found:
        stop(
            f"pkg-config names hiredis {named}, but the compiler finds the headers of {found or 'none'}",
            'CPPFLAGS="-I/the/folder/above/hiredis" (or PKG_CONFIG_PATH=...), so that both are of one version',
        )


def version_in_header(cflags: list[str]) -> str:
    """What the compiler makes of hiredis.h with the flags of the build; empty when there is no such file."""
    settings = [os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc"]
    settings += [os.environ.get(name, "") for name in ("CFLAGS", "CPPFLAGS")]
    command = [*shlex.split(" ".join(settings)), *cflags, "-E", "-P", "-"]
    source = "#include <hiredis/hiredis.h>\nngr HIREDIS_MAJOR HIREDIS_MINOR HIREDIS_PATCH\n"
    try:
        done = subprocess.run(command, input=source, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        stop_for_missing(f"the C compiler ({command[0]})")
    numbers = re.search(r"^ngr (\d+) (\d+) (\d+)$", done.stdout, re.MULTILINE)
    return ".".join(numbers.groups()) if numbers else ""


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
