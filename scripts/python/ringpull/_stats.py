"""The statistics of a run: what they say of its end, and the file that the caller wants."""

from __future__ import annotations

import contextlib
import json
import os
from typing import IO, Any

from ._errors import LocalFileError

# Where a run comes to its end, its status is that of single URLs: the codes with which these begin.
_ENDS = ("complete", "max_files")
_CODES = {1: ("run.panic",), 2: ("input.",), 3: ("disk.", "run.resources")}


class Stats:
    """Statistics as they come, and a file that is there before the run begins."""

    def __init__(self, path: str | None) -> None:
        self._bytes = bytearray()
        self._path = path
        self._file: IO[bytes] | None = None
        if path is not None:
            self._is_new = not os.path.lexists(path)
            try:
                os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
                # What an earlier run told stays until there is something new.
                self._file = open(path, "ab", buffering=0)
            except OSError as error:
                raise LocalFileError(
                    f"cannot write the statistics {path}: {error.strerror}") from error

    def take(self, data: bytes) -> None:
        """Takes what the program wrote."""
        self._bytes += data

    @property
    def end(self) -> str | None:
        """How the run ended, where it came to an end."""
        end = self._told().get("end")
        return None if end is None else str(end)

    def is_failure(self, status: int, is_fatal: bool) -> bool:
        """Whether the run as a whole failed. `is_fatal` says that the program told why it ends."""
        told = self._told()
        if status == 0 or told.get("end") not in _ENDS:
            return status != 0 or not told
        failed = ("failed_to_download", "cancelled", "earlier_failed")
        is_of_urls = any(told.get(name) for name in failed)
        if status in _CODES and not told.get("earlier_failed"):
            is_of_urls = any(code.startswith(_CODES[status]) for code in told["status_dict"])
        return is_fatal or not is_of_urls

    def close(self) -> None:
        """Writes the file. One that was made for nothing goes."""
        if self._file is None or self._path is None:
            return
        with self._file as file:
            if self._bytes:
                if os.path.isfile(self._path):
                    file.truncate(0)
                file.write(self._bytes)
        if self._is_new and not self._bytes:
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def _told(self) -> dict[str, Any]:
        try:
            told = json.loads(self._bytes)
        except ValueError:
            return {}
        return told if isinstance(told, dict) else {}
