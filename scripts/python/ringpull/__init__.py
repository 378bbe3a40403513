"""Pulls lists of URLs onto disk, and tells of each as it ends.

    import ringpull

    for row in ringpull.pull(urls, dir="images", retry=3):
        print(row.status, row.url, row.filename, row.error_code)

The program `ringpull` does the work; this package runs it, feeds it the list and reads its rows.
`ringpull help python` has the manual.
"""

from ._command import Option, binary_path
from ._errors import (
    BinaryError,
    Error,
    InternalError,
    Interrupted,
    LocalFileError,
    Stopped,
    UsageError,
)
from ._line import Line
from ._pull import pull, pull_async
from ._row import Row

__all__ = [
    "BinaryError",
    "Error",
    "InternalError",
    "Interrupted",
    "Line",
    "LocalFileError",
    "Option",
    "Row",
    "Stopped",
    "UsageError",
    "binary_path",
    "pull",
    "pull_async",
]
