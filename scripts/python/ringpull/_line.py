"""A URL as a line of the list that the program reads."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Union

Line = Union[str, Mapping[str, Any]]
"""A URL; or what the list says beside it, as an object of JSON Lines with the URL in `url` (or in
the column that `url_col` names), for `keep_cols`, `out_col`, `checksum_col`, `caption_col`."""

# Missing values of pandas that are no numbers.
_MISSING = ("NAType", "NaTType")
# Scalars of numpy that are made to numbers which say nothing.
_TIMES = ("datetime64", "timedelta64")


def encode(url: Line, key: str, number: int) -> bytes:
    """A line of JSON: no URL can be taken for a comment or two lines. `number` is that of the
    line, and `key` the name of its URL.

    Raises TypeError where JSON has no such value.
    """
    if isinstance(url, str):
        # A file that is open gives its lines with their ends.
        line: dict[Any, Any] = {key: url.rstrip("\r\n")}
    elif isinstance(url, Mapping):
        line = dict(url)
    else:
        raise TypeError(f"a URL is text or a mapping, not {url!r} (the one of number {number})")
    try:
        text = json.dumps(line, allow_nan=False)
    except (TypeError, ValueError):
        text = json.dumps({str(name): _cell(line, name, key, number) for name in line})
    return text.encode() + b"\n"


def _cell(line: Mapping[Any, Any], name: Any, key: str, number: int) -> Any:
    try:
        return _plain(line[name])
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"URL {number}, {line.get(key)!r}: {name}: {error}") from error


def _plain(value: Any) -> Any:
    """A value that JSON has. What is missing in pandas is null, and numpy's numbers and arrays are
    those of Python."""
    kind = type(value).__name__
    if isinstance(value, float):
        if math.isinf(value):
            raise ValueError("JSON has no infinity")
        return None if math.isnan(value) else float(value)
    if value is None or isinstance(value, (str, int)):
        return value
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if kind in _MISSING:
        return None
    if hasattr(value, "tolist") and kind not in _TIMES:
        return _plain(value.tolist())
    raise TypeError(f"JSON has no {kind}: give text or a number")
