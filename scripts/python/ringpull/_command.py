"""Where the program is, and keyword arguments as its options."""

from __future__ import annotations

import decimal
import os
import re
import shutil
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Union

from ._errors import BinaryError, UsageError

Value = Union[str, int, float, "os.PathLike[str]"]
Option = Union[Value, None, Sequence[Value]]
"""What the value of an option can be: True is an option without a value, False and None are as if
it were not given. A list is for options that are Repeatable, and for those whose values are one
text with commas."""

# Options that print or have no rows, and those that are how the rows come.
REFUSED = {
    "dry-run": "it gives no rows: run the program itself",
    "verify": "it gives no rows: run the program itself",
    "help": "it gives no rows: run the program itself",
    "version": "it gives no rows: run the program itself",
    "write-out": "it is how the rows come to Python",
    "progress": "the rows tell of it",
    "summary-interval": "the rows tell of it",
    "quiet": "it always is",
}
# Options whose value may be standard output, on which the rows come.
_PRINTED = ("output", "out", "report", "stats")
# How the list comes to the program.
_OF_LISTS = ("input-file", "url-list", "input-format")
# Options that add up when they are given several times.
_REPEATED = ("input-file", "url-list", "header", "cacert", "ca-certificate", "resolve")
# What separates the values of options that have several in one text.
_JOINED = {
    "keep-cols": ",", "save-additional-columns": ",", "dedupe": ",", "cpus": ",",
    "noproxy": ",", "dns-servers": ",", "async-dns-server": ",", "respect-x-robots-tag": ",",
    "tls13-ciphers": ":", "pinnedpubkey": ";",
}  # fmt: skip


def binary_path(binary: str | os.PathLike[str] | None = None) -> str:
    """Path of the program: the one that is given, the one that was installed with this package, or
    the first in PATH. Raises `BinaryError` where there is none of these."""
    if binary is None:
        beside = (str(path) for path in _installed() if path.is_file())
        found = next(beside, None) or shutil.which("ringpull")
        if found is None:
            raise BinaryError(
                "the program ringpull is not beside this package and not in PATH; install the "
                "wheel again, or say binary=PATH")
        return found
    path = os.fsdecode(binary)
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


def command(
    has_urls: bool,
    dir: str | os.PathLike[str] | None,
    binary: str | os.PathLike[str] | None,
    options: Mapping[str, Option],
) -> list[str]:
    """The program and its options. What is wrong at first sight is raised."""
    program = binary_path(binary)
    if not os.path.isfile(program):
        raise BinaryError(f"cannot run {program}: there is no such program")
    if not os.access(program, os.X_OK):
        raise BinaryError(f"cannot run {program}: it may not be executed")
    given: dict[str, Option] = {"dir": dir, **options}
    # What follows knows nothing of options that are not given.
    return [program, *_words(has_urls, {
        _flag(name): value for name, value in given.items() if _is_given(value)})]


def _is_given(value: Any) -> bool:
    return value is not None and value is not False


def _flag(name: str) -> str:
    _assert_word(repr(name), name)
    # continue_=True, since `continue` is Python's, and tlsv1_3 for --tlsv1.3.
    return re.sub(r"(?<=\d)_(?=\d)", ".", name.rstrip("_")).replace("_", "-")


def _words(has_urls: bool, options: Mapping[str, Option]) -> list[str]:
    for flag, value in options.items():
        name = flag.replace("-", "_")
        if flag in REFUSED:
            raise UsageError(f"{name}: {REFUSED[flag]}")
        if flag in _PRINTED and value == "-":
            raise UsageError(f"{name}: the rows come on standard output, and nothing else can")
        if has_urls and flag in _OF_LISTS:
            raise UsageError(f"{name} says where URLs are, and there are urls: give one of them")
    made = ["--quiet", r"--write-out=%{json}\n"]
    if has_urls:
        made += ["--input-file=-", "--input-format=jsonl"]
    if "shard" not in options:
        # All of the list, also where the environment is that of one task of many.
        made.append("--shard=0/1")
    if "config" not in options and "no-config" not in options:
        # What this says decides, and not what somebody wants on the command line.
        made.append("--no-config")
    for flag, value in options.items():
        # Statistics come through Python, which has to know how the run ended.
        made += _option(flag, value) if flag != "stats" else []
    return made


def _option(flag: str, value: Option) -> Iterator[str]:
    if not isinstance(value, (list, tuple)):
        yield _word(flag, value)
    elif flag in _REPEATED:
        for one in filter(_is_given, value):
            yield _word(flag, one)
    elif flag in _JOINED:
        texts = [_text(flag, one) for one in value]
        if texts:
            yield f"--{flag}={_JOINED[flag].join(texts)}"
    else:
        raise UsageError(f"{flag.replace('-', '_')} takes one value, and not a list")


def _word(flag: str, value: Any) -> str:
    return f"--{flag}" if value is True else f"--{flag}={_text(flag, value)}"


def _text(flag: str, value: Any) -> str:
    name = flag.replace("-", "_")
    if isinstance(value, os.PathLike):
        text = os.fsdecode(value)
    elif isinstance(value, float):
        # The program reads no exponents.
        text = format(decimal.Decimal(float.__repr__(value)), "f")
    elif isinstance(value, (str, int)) and not isinstance(value, bool):
        text = str(value)
    else:
        raise TypeError(f"{name}: {value!r} is no text, number, path, bool or list of these")
    _assert_word(name, text)
    return text


def _assert_word(name: str, text: str) -> None:
    """Raises where a program cannot be given this text."""
    if "\0" in text:
        raise UsageError(f"{name}: no option can have a NUL character")
    try:
        os.fsencode(text)
    except UnicodeEncodeError as error:
        character = f"U+{ord(text[error.start]):04X}"
        raise UsageError(f"{name}: no option can have the character {character}: {error.reason}") \
            from None


def value_of(options: Mapping[str, Option], flag: str) -> Option:
    """The value of an option, in whichever spelling it is given."""
    return next((value for name, value in options.items() if _flag(name) == flag), None)


def stats_path(options: Mapping[str, Option]) -> str | None:
    """Where statistics go. They come through Python, which has to know how the run ended."""
    stats = value_of(options, "stats") or None
    if stats is None or isinstance(stats, (str, os.PathLike)):
        return None if stats is None else _text("stats", stats)
    raise TypeError(f"stats is a path, not {stats!r}")
