"""Where the program is, and keyword arguments as its options."""

from __future__ import annotations

import os
import re
import shutil
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Union

from ._errors import BinaryError, UsageError

Value = Union[str, int, float, "os.PathLike[str]"]
Option = Union[Value, None, Sequence[Value]]
"""What the value of an option can be: True is an option without a value, False and None are as if
it were not given, and a list gives it once for each of its values."""

# What has no rows, or is how they come.
_REFUSED = {
    "dry_run": "it gives no rows: run the program itself",
    "verify": "it gives no rows: run the program itself",
    "write_out": "it is how the rows come to Python",
}
# How the list comes to the program.
_OF_LISTS = ("input_file", "input_format")


def binary_path(binary: str | os.PathLike[str] | None = None) -> str:
    """Path of the program: the one that is given, the one that was installed with this package, or
    the first in PATH."""
    if binary is None:
        beside = (str(path) for path in _installed() if path.is_file())
        found = next(beside, None) or shutil.which("ringpull")
        if found is None:
            raise BinaryError(
                "the program ringpull is not beside this package and not in PATH; install the "
                "wheel again, or say binary=PATH")
        return found
    path = os.fspath(binary)
    # A name without a folder is looked for, as a shell does.
    return path if os.sep in path else shutil.which(path) or path


def _installed() -> Iterator[Path]:
    """Where pip puts programs: of this environment, of --target and --prefix, of --user."""
    yield Path(sysconfig.get_path("scripts"), "ringpull")
    package = Path(__file__).resolve().parent
    yield package.parent / "bin" / "ringpull"
    for above in [*package.parents][3:4]:
        yield above / "bin" / "ringpull"
    yield Path(sysconfig.get_path("scripts", f"{os.name}_user"), "ringpull")


def words(has_urls: bool, options: Mapping[str, Option]) -> list[str]:
    """The options of the command line."""
    for name in options:
        if name in _REFUSED:
            raise UsageError(f"{name}: {_REFUSED[name]}")
        if has_urls and name in _OF_LISTS:
            raise UsageError(f"{name} says where URLs are, and there are urls: give one of them")
    made = ["--quiet", r"--write-out=%{json}\n"]
    if has_urls:
        made += ["--input-file=-", "--input-format=jsonl"]
    if "shard" not in options:
        # All of the list, also where the environment is that of one task of many.
        made.append("--shard=0/1")
    if "config" not in options:
        # What this says decides, and not what somebody wants on the command line.
        made.append("--no-config")
    for name, value in options.items():
        made += _option(name, value)
    return made


def _option(name: str, value: Option) -> Iterator[str]:
    # continue_=True, since `continue` is Python's, and tlsv1_3 for --tlsv1.3.
    flag = re.sub(r"(?<=\d)_(?=\d)", ".", name.rstrip("_")).replace("_", "-")
    values = value if isinstance(value, (list, tuple)) else [value]
    for one in values:
        if one is True:
            yield f"--{flag}"
        elif isinstance(one, (str, int, float, os.PathLike)) and one is not False:
            yield f"--{flag}={os.fspath(one) if isinstance(one, os.PathLike) else one}"
        elif one is not None and one is not False:
            raise TypeError(f"{name}: {one!r} is no text, number, path, bool or list of these")
