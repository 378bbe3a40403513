#!/usr/bin/env python3
"""Makes the wheel: the program and the package `ringpull` beside it.

    wheel.py --binary FILE --dist DIR [--notices FILE] [--level N]

It is also the backend by which pip builds from the sources (PEP 517). A wheel is a zip of known
layout (PEP 427), so there is no tool that would compile the crate a second time in its own way;
the tag says the glibc that the program was found to need (PEP 600). The same input gives the same
bytes; SOURCE_DATE_EPOCH is the time of all files. Needs Python 3.11, and objdump.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import platform
import re
import stat
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# The first moment that a zip can tell, 1980.
EARLIEST = 315532800
LICENCES = ("LICENSE-APACHE", "LICENSE-MIT")


def build_wheel(wheel_directory: str, config_settings: Any = None,
                metadata_directory: str | None = None) -> str:
    """What pip asks for."""
    binary = os.environ.get("RINGPULL_BINARY") or built()
    return make(Path(binary), Path(wheel_directory), None).name


def built() -> str:
    """Path of the program, built by cargo."""
    # In the folder of the sources, so that its .cargo/config.toml counts.
    subprocess.run(["cargo", "build", "--release", "--locked", "--bin", "ringpull"], cwd=ROOT,
                   check=True, stdout=sys.stderr)
    target = os.environ.get("CARGO_TARGET_DIR", "target")
    return str(ROOT / target / "release" / "ringpull")


def make(binary: Path, dist: Path, notices: Path | None, level: int = 9) -> Path:
    """Writes the wheel into the folder; its path."""
    crate = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]
    name = f"ringpull-{crate['version']}"
    tag = f"py3-none-{platform_tag(binary)}"
    info = f"{name}.dist-info"
    files = {f"ringpull/{path.name}": path.read_bytes() for path in package()}
    files[f"{name}.data/scripts/ringpull"] = binary.read_bytes()
    for licence in LICENCES:
        files[f"{info}/licenses/{licence}"] = (ROOT / licence).read_bytes()
    if notices is not None:
        files[f"{info}/licenses/{notices.name}"] = notices.read_bytes()
    files[f"{info}/METADATA"] = metadata(crate, notices).encode()
    files[f"{info}/WHEEL"] = (f"Wheel-Version: 1.0\nGenerator: ringpull {crate['version']}\n"
                              f"Root-Is-Purelib: false\nTag: {tag}\n").encode()
    record = [f"{path},sha256={digest(data)},{len(data)}" for path, data in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""]).encode()
    dist.mkdir(parents=True, exist_ok=True)
    wheel = dist / f"{name}-{tag}.whl"
    write(wheel, files, level)
    return wheel


def package() -> Iterator[Path]:
    """The files of the package."""
    paths = sorted((HERE / "ringpull").iterdir())
    return (path for path in paths if path.suffix == ".py" or path.name == "py.typed")


def metadata(crate: dict[str, Any], notices: Path | None) -> str:
    """METADATA, of what Cargo.toml and pyproject.toml say, with the README behind it."""
    project = tomllib.loads((HERE / "pyproject.toml").read_text())["project"]
    licences = [*LICENCES, *([notices.name] if notices is not None else [])]
    lines = ["Metadata-Version: 2.4", "Name: ringpull", f"Version: {crate['version']}",
             f"Summary: {crate['description']}", f"Keywords: {','.join(project['keywords'])}",
             *(f"Classifier: {classifier}" for classifier in project["classifiers"]),
             f"Requires-Python: {project['requires-python']}",
             f"License-Expression: {crate['license']}",
             *(f"License-File: {licence}" for licence in licences),
             "Description-Content-Type: text/markdown"]
    return "\n".join([*lines, "", (ROOT / "README.md").read_text()])


def platform_tag(binary: Path) -> str:
    """The oldest glibc that has all symbols of the program, as a tag."""
    told = subprocess.run(["objdump", "-p", binary], check=True, capture_output=True, text=True)
    needed = [int(minor) for minor in re.findall(r"GLIBC_2\.(\d+)", told.stdout)]
    if not needed:
        raise SystemExit(f"wheel.py: {binary} is not linked with glibc")
    return f"manylinux_2_{max(needed)}_{platform.machine()}"


def digest(data: bytes) -> str:
    """As RECORD has it."""
    return base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()


def write(path: Path, files: dict[str, bytes], level: int) -> None:
    """A zip of these files, all of one time."""
    moment = time.gmtime(max(EARLIEST, int(os.environ.get("SOURCE_DATE_EPOCH", EARLIEST))))[:6]
    draft = path.with_suffix(".draft")
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=level) as archive:
        for name, data in files.items():
            entry = zipfile.ZipInfo(name, moment)
            entry.compress_type = zipfile.ZIP_DEFLATED
            mode = 0o755 if "/scripts/" in name else 0o644
            entry.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(entry, data)
    draft.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Makes the wheel of ringpull.")
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--dist", type=Path, required=True)
    parser.add_argument("--notices", type=Path)
    parser.add_argument("--level", type=int, default=9, help="of the compression [9]")
    given = parser.parse_args()
    print(make(given.binary, given.dist, given.notices, given.level))


if __name__ == "__main__":
    main()
