"""What a run that failed raises. URLs that failed are rows, and raise nothing."""

from __future__ import annotations


class Error(Exception):
    """A run that failed. Its text says why, in the words of the program where it had some.

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
    """Status 2: an option or a value that the program does not have, or a list that it cannot
    read."""


class LocalFileError(Error):
    """Status 3: a directory that cannot be written, a disk that stayed full."""


class Stopped(Error):
    """Status 9: ended by `max_errors`, `max_duration` or `quota` with work left."""


class Interrupted(Error):
    """Status 130: somebody sent the program a signal. (Ctrl-C in Python is KeyboardInterrupt.)"""


_BY_STATUS: dict[int, type[Error]] = {
    1: InternalError,
    2: UsageError,
    3: LocalFileError,
    9: Stopped,
    130: Interrupted,
}


# Why a run ended early, by its statistics.
_BY_END = {
    "max_errors": "the run ended early: too many URLs failed (max_errors)",
    "max_duration": "the run ended early: its time was over (max_duration)",
    "quota": "the run ended early: enough bytes came (quota)",
    "interrupted": "the run ended early: a signal interrupted it",
    "disk_full": "the run ended early: the disk stayed full (disk_wait)",
}


def of_status(status: int, end: str | None, told: str) -> Error:
    """The exception of an exit status, and of what the program told."""
    message = _BY_END.get(end or "") or _sentence(told)
    if status == 0:
        message = "the program ended without statistics: is it ringpull?"
    elif not message:
        message = f"killed by signal {-status}" if status < 0 else f"exit status {status}"
        message += f", the run ended with {end!r}" if end else ""
    return _BY_STATUS.get(status, Error)(message, status, end)


def _sentence(told: str) -> str:
    """What the program told, without its name, and without how a command line is used."""
    for tail in ("\n\nUsage:", "\n\nFor more information"):
        told = told.split(tail, 1)[0]
    for head in ("ringpull: ", "error: "):
        told = told.strip().removeprefix(head)
    return told
