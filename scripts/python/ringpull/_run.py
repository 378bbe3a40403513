"""One run of the program: its list goes in, its rows come out, in turns that wait for neither
longer than for the other. Nothing here knows who waits, a generator or an event loop."""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import select
import signal
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Protocol

from . import _errors
from ._errors import BinaryError, Error
from ._row import Row, parse
from ._stats import Stats

LOG = logging.getLogger("ringpull")
LOG.addHandler(logging.NullHandler())

# How much of the list is ready at once, in bytes.
_AHEAD_BYTES = 1 << 16
# How long URLs are collected before they are sent, in seconds: a slow source sends each at once.
_COLLECT_S = 0.005
_READ_BYTES = 1 << 18
# Lines of standard error that an exception can tell.
_TOLD_LINES = 100
# What the program says that is not why it ended.
BESIDE = ("ringpull: warning: ", "ringpull: note: ", "warning: ", "failed: ")
# How it begins to say why it ends.
_FATAL = ("ringpull: ", "error: ")

Lines = Iterator[bytes]


class Run:
    """A program that runs. `turn` until `is_over`, then `check`; and `close` in any case.

    A process that is forked meanwhile has a copy, which holds nothing of the run and does nothing.
    """

    def __init__(self, command: Sequence[str], stats: str | None, lines: Lines | None) -> None:
        self.is_own = True
        self._lines = lines
        self._rows, self._told = _Split(), _Split()
        self._last: collections.deque[str] = collections.deque(maxlen=_TOLD_LINES)
        # Why the program ends, which is for the exception and not for the log.
        self._fatal: list[str] = []
        # What the source of the list raised.
        self._failure: Exception | None = None
        self._stats = Stats(stats)
        self._ready = bytearray()
        self._is_fed = False
        self._interrupts = 0
        self._epoll = select.epoll()
        try:
            with STARTING:
                self._start(command)
        except BaseException:
            self._epoll.close()
            self._stats.close()
            raise
        self._watch_stdin(lines is not None)

    def _start(self, command: Sequence[str]) -> None:
        reading, writing = os.pipe()
        # Not a pipe: the end of a pipe is not seen while any process has a copy of its descriptor.
        self._stdin, theirs = socket.socketpair()
        try:
            self._child = _started([*command, f"--stats=/dev/fd/{writing}"], theirs, writing)
        except BaseException:
            os.close(reading)
            self._stdin.close()
            raise
        finally:
            os.close(writing)
            theirs.close()
        assert self._child.stdout and self._child.stderr
        self._stdin.setblocking(False)
        self._is_writing = False
        # What is read, and who takes what comes.
        self._outputs: dict[int, tuple[IO[bytes], Callable[[bytes], list[Row]]]] = {}
        takers = (self._take_rows, self._take_text, self._take_stats)
        pipes = (self._child.stdout, self._child.stderr, open(reading, "rb", buffering=0))
        for pipe, taker in zip(pipes, takers):
            self._outputs[pipe.fileno()] = pipe, taker
            self._epoll.register(pipe, select.EPOLLIN)
        LIVE.add(self)

    def disown(self) -> None:
        """Lets go of the run in a process that was forked. Nothing is unregistered, since what
        epoll watches is shared with the process that has the run."""
        self.is_own = False
        self._is_fed = True
        # There is nobody to wait for, or to send a signal to.
        self._child.returncode = 0
        self._stdin.close()
        for pipe, _ in self._outputs.values():
            pipe.close()
        self._outputs.clear()
        self._epoll.close()

    def assert_own(self) -> None:
        """Raises in a process that was forked."""
        if not self.is_own:
            raise Error("this is a copy of a pull in a process that was forked; its rows go to "
                        "the process that began it")

    def fileno(self) -> int:
        """A descriptor that is readable when there is something to do."""
        return self._epoll.fileno()

    @property
    def is_over(self) -> bool:
        """Whether the program has said all it says."""
        return not self._outputs

    @property
    def has_room(self) -> bool:
        """Whether more of the list is wanted."""
        return not self._is_fed and len(self._ready) < _AHEAD_BYTES

    def put(self, line: bytes) -> None:
        """Has a line sent."""
        self._ready += line
        self._watch_stdin(True)

    def end_of_list(self) -> None:
        """There are no more lines."""
        self._is_fed = True
        self._watch_stdin(True)

    def fail(self, failure: Exception) -> None:
        """The source of the list raised this: the run ends in good order, with the rows of what is
        done, and `check` raises it."""
        self._failure = failure
        self._close_stdin()
        self._child.send_signal(signal.SIGINT)

    def turn(self, timeout: float | None) -> list[Row]:
        """Waits until something can be read or sent, or so many seconds: the rows that came."""
        rows: list[Row] = []
        for source, _ in self._epoll.poll(timeout):
            if source in self._outputs:
                rows += self._read(source)
            else:
                self._write()
        return rows

    def check(self) -> None:
        """Waits for the end of the program, and raises what became of a run that failed."""
        self.assert_own()
        if self._failure is not None:
            raise self._failure
        status = self._child.wait()
        if self._stats.is_failure(status, bool(self._fatal)):
            beside = (line for line in self._last if not line.startswith(BESIDE))
            told, self._fatal = self._fatal or [*beside], []
            raise _errors.of_status(status, self._stats.end, "\n".join(told))

    def interrupt(self) -> bool:
        """Has the program end in good order, the second time at once. False says that this was
        done, and it still runs."""
        self._close_stdin()
        self._interrupts += 1
        if self._failure is None or self._interrupts > 1:
            self._child.send_signal(signal.SIGINT)
        return self._interrupts <= 2

    def close(self) -> None:
        """Waits for the program, which is killed if it still runs, and closes everything."""
        LIVE.discard(self)
        if not self.is_own:
            return
        if not self.is_over:
            self._child.kill()
        self._close_stdin()
        self._child.wait()
        for output in [*self._outputs]:
            self._close_output(output)
        self._epoll.close()
        for line in self._fatal:
            LOG.warning("%s", line)
        self._stats.close()

    def _read(self, source: int) -> list[Row]:
        data = os.read(source, _READ_BYTES)
        rows = self._outputs[source][1](data)
        if not data:
            self._close_output(source)
        return rows

    def _take_rows(self, data: bytes) -> list[Row]:
        return [parse(line) for line in self._rows.lines(data)]

    def _take_text(self, data: bytes) -> list[Row]:
        for raw in self._told.lines(data):
            line = raw.decode(errors="replace")
            self._last.append(line)
            is_beside = line.startswith(BESIDE)
            if not is_beside and (self._fatal or line.startswith(_FATAL)):
                self._fatal.append(line)
            else:
                is_warning = line.startswith(("ringpull: warning: ", "warning: "))
                LOG.log(logging.WARNING if is_warning else logging.INFO, "%s", line)
        return []

    def _take_stats(self, data: bytes) -> list[Row]:
        self._stats.take(data)
        return []

    def _write(self) -> None:
        if self._lines is not None:
            try:
                self._collect(self._lines)
            except Exception as failure:
                self.fail(failure)
                return
        try:
            sent = self._stdin.send(self._ready, socket.MSG_NOSIGNAL) if self._ready else 0
        except BlockingIOError:
            return
        except ConnectionError:
            # It wants no more: --max-files, or an error that it tells of.
            self._is_fed, sent = True, len(self._ready)
        del self._ready[:sent]
        if not self._ready and self._is_fed:
            self._close_stdin()
        elif not self._ready and self._lines is None:
            self._watch_stdin(False)

    def _collect(self, lines: Lines) -> None:
        until = time.monotonic() + _COLLECT_S
        while self.has_room:
            line = next(lines, None)
            if line is None:
                self._is_fed = True
                return
            self._ready += line
            if time.monotonic() > until:
                return

    def _watch_stdin(self, is_wanted: bool) -> None:
        if is_wanted == self._is_writing or self._stdin.fileno() < 0:
            return
        self._is_writing = is_wanted
        if is_wanted:
            self._epoll.register(self._stdin.fileno(), select.EPOLLOUT)
        else:
            self._epoll.unregister(self._stdin.fileno())

    def _close_stdin(self) -> None:
        self._watch_stdin(False)
        self._is_fed = True
        if self._stdin.fileno() >= 0:
            # This is the end for the program, whoever else has the socket. It may be gone already.
            with contextlib.suppress(OSError):
                self._stdin.shutdown(socket.SHUT_WR)
            self._stdin.close()

    def _close_output(self, output: int) -> None:
        self._epoll.unregister(output)
        self._outputs.pop(output)[0].close()


class _Split:
    """Bytes as they come, given as lines."""

    def __init__(self) -> None:
        self._rest = b""

    def lines(self, data: bytes) -> list[bytes]:
        """The lines that these bytes end; no bytes are the end of all."""
        if not data:
            data, self._rest = self._rest, b""
            return [data] if data else []
        *whole, self._rest = (self._rest + data).split(b"\n")
        return whole


def _started(
    command: Sequence[str], stdin: socket.socket, writing: int
) -> subprocess.Popen[bytes]:
    try:
        # A session of its own: Ctrl-C is Python's, which then interrupts the program once.
        return subprocess.Popen(
            command, stdin=stdin.fileno(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            bufsize=0, pass_fds=(writing,), start_new_session=True)
    except OSError as error:
        raise BinaryError(f"cannot run {command[0]}: {error.strerror}") from error


class _Forkable(Protocol):
    def disown(self) -> None:
        """Lets go of a program in a process that was forked."""


# What of this process has a program.
LIVE: weakref.WeakSet[_Forkable] = weakref.WeakSet()
# Held while a program is started, and by whoever forks: no process is forked with descriptors that
# no run in it knows.
STARTING = threading.RLock()


def _after_fork_here() -> None:
    # Ctrl-C can end the wait for it, and the fork goes on.
    with contextlib.suppress(RuntimeError):
        STARTING.release()


def _after_fork_there() -> None:
    _after_fork_here()
    for one in [*LIVE]:
        one.disown()
    LIVE.clear()


os.register_at_fork(before=STARTING.acquire, after_in_parent=_after_fork_here,
                    after_in_child=_after_fork_there)
