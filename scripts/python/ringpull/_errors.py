"""What a run that failed raises. URLs that failed are rows, and raise nothing."""

from __future__ import annotations


class Error(Exception):
    """A run that failed. Its text is what the program said.

    `status` is the exit status (`ringpull help exit`), negative where a signal ended the program,
    and None where it was never started. `end` is how the run ended by its statistics, such as
    `max_errors`, and None where it came to no end.
    """

    def __init__(self, message: str, status: int | None = None, end: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.end = end


class BinaryError(Error):
    """The program is not there or cannot be run."""


class InternalError(Error):
    """Status 1: the kernel has no io_uring for the program (`backend="epoll"` does without), or
    the program is wrong."""


class UsageError(Error):
    """Status 2: an option or a value that the program does not have."""


class LocalFileError(Error):
    """Status 3: a directory that cannot be written, a disk that stayed full."""


class NetworkError(Error):
    """Status 4."""


class TlsError(Error):
    """Status 5."""


class AuthError(Error):
    """Status 6."""


class ProtocolError(Error):
    """Status 7."""


class StatusError(Error):
    """Status 8."""


class Stopped(Error):
    """Status 9: ended by `max_errors`, `max_duration` or `quota` with work left."""


class Interrupted(Error):
    """Status 130: somebody sent the program a signal. (Ctrl-C in Python is KeyboardInterrupt.)"""


_BY_STATUS: dict[int, type[Error]] = {
    1: InternalError,
    2: UsageError,
    3: LocalFileError,
    4: NetworkError,
    5: TlsError,
    6: AuthError,
    7: ProtocolError,
    8: StatusError,
    9: Stopped,
    130: Interrupted,
}


def of_status(status: int, end: str | None, message: str) -> Error:
    """The exception of an exit status."""
    if not message:
        message = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        message = f"the run ended early ({end})" if end else message
    return _BY_STATUS.get(status, Error)(message, status, end)
