"""Pulls lists of URLs onto disk, and tells of each as it ends.

    import ringpull

    for row in ringpull.pull(urls, dir="images", retry=3):
        print(row.status, row.url, row.filename, row.error_code)

The program `ringpull` does the work; this package runs it, feeds it the list and reads its rows.
`ringpull help python` has the manual.
"""

from ._command import Option, binary_path
from ._errors import (
    AuthError,
    BinaryError,
    Error,
    InternalError,
    Interrupted,
    LocalFileError,
    NetworkError,
    ProtocolError,
    StatusError,
    Stopped,
    TlsError,
    UsageError,
)
from ._pull import Line, pull, pull_async
from ._row import Row

__all__ = [
    "AuthError",
    "BinaryError",
    "Error",
    "InternalError",
    "Interrupted",
    "Line",
    "LocalFileError",
    "NetworkError",
    "Option",
    "ProtocolError",
    "Row",
    "StatusError",
    "Stopped",
    "TlsError",
    "UsageError",
    "binary_path",
    "pull",
    "pull_async",
]
