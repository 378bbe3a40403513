"""The row of a URL: the columns of the report, with types."""

from __future__ import annotations

import dataclasses
import datetime
import json
from collections.abc import Mapping
from typing import Any, Optional

from ._errors import Error


# The types are written so that typing.get_type_hints() understands them in Python 3.9, too.
@dataclasses.dataclass(frozen=True)
class Row:
    """What became of one URL; each has exactly one. `ringpull help report` explains every column.

    `status` is `ok`, `skipped`, `failed` or `cancelled`, and `error_code` a code that stays the
    same (`ringpull help exit` lists them). `index` counts URLs from 1; of an
    `input_file` it is the number of the line. Sizes are bytes, times seconds: `time_total` with all
    attempts and the waits between them, the others from the begin of the last attempt, but for
    `time_queue`, which is before the first. What does not apply is None.

    Rows are frozen and hashable, and can be pickled.
    """

    __slots__ = (
        "attempted_at", "content_encoding", "content_type", "digest", "duplicate_of",
        "error_code", "error_message", "etag", "exitcode", "filename", "http_version", "index",
        "kept", "num_connects", "num_parts", "num_redirects", "num_retries", "remote_ip",
        "response_code", "resume", "size_download", "size_file", "size_resumed", "status",
        "time_appconnect", "time_connect", "time_namelookup", "time_queue", "time_starttransfer",
        "time_total", "tls_resumed", "url", "url_effective",
    )  # fmt: skip

    url: str
    response_code: Optional[int]
    index: int
    status: str
    error_code: Optional[str]
    error_message: Optional[str]
    exitcode: int
    filename: Optional[str]
    size_download: int
    content_type: Optional[str]
    content_encoding: Optional[str]
    etag: Optional[str]
    num_retries: int
    num_redirects: int
    url_effective: Optional[str]
    remote_ip: Optional[str]
    http_version: Optional[str]
    num_connects: int
    tls_resumed: Optional[bool]
    time_queue: float
    time_namelookup: float
    time_connect: float
    time_appconnect: float
    time_starttransfer: float
    time_total: float
    attempted_at: datetime.datetime
    size_file: Optional[int]
    digest: Optional[str]
    size_resumed: int
    num_parts: int
    resume: Optional[str]
    duplicate_of: Optional[int]
    kept: Mapping[str, Any]
    """The columns of `keep_cols`, under the names that the report gives them."""

    @property
    def ok(self) -> bool:
        """Whether the whole body is in its file (`status` is `ok`)."""
        return self.status == "ok"

    def __hash__(self) -> int:
        # Not of `kept`, which can hold lists and dictionaries.
        return hash((self.index, self.url, self.attempted_at))

    def __getstate__(self) -> tuple[Any, ...]:
        return tuple(getattr(self, name) for name in _NAMES)

    def __setstate__(self, values: tuple[Any, ...]) -> None:
        # Frozen objects with slots need this for pickle, and so for multiprocessing.
        for name, value in zip(_NAMES, values):
            object.__setattr__(self, name, value)


_NAMES = [field.name for field in dataclasses.fields(Row)]
_COLUMNS = _NAMES[:-1]


def parse(line: bytes) -> Row:
    """The row of a line of JSON."""
    try:
        told = json.loads(line)
        values = {name: told.pop(name) for name in _COLUMNS}
        # Python 3.9 and 3.10 do not know that Z is UTC.
        moment = values["attempted_at"].replace("Z", "+00:00")
        values["attempted_at"] = datetime.datetime.fromisoformat(moment)
    except (ValueError, KeyError, AttributeError) as error:
        text = f"the program wrote what is no row ({error!r}): {line[:200]!r}"
        raise Error(text) from error
    return Row(**values, kept=told)
