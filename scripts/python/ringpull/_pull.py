"""The two ways to pull: a generator, and one for asyncio."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterable, Generator, Iterable, Iterator, Mapping
from typing import Any

from ._check import check
from ._command import Option, command, stats_path, value_of
from ._line import Line, encode
from ._row import Row
from ._run import Run

def pull(
    urls: Iterable[Line] | None = None,
    *,
    dir: str | os.PathLike[str] | None = None,
    binary: str | os.PathLike[str] | None = None,
    **options: Option,
) -> Generator[Row, None, None]:
    """Pulls URLs into the folder `dir`, and gives the row of each as it ends.

    `urls` may be anything that gives URLs, and is asked for them as they are wanted; without it
    there is `input_file`. `dir` is made where it is missing; without it files go to the folder of
    the process. `binary` is another program than the one that was installed with the package.

    Options are the long ones of the program with `_` for `-` (`retry=3, header=["A: b"],
    compressed=True, continue_=True`); `ringpull --help` has all, with their units and defaults.

    Options that the program refuses raise a `UsageError` here, a value of no kind that it can take
    a `TypeError`, and a program that is not there a `BinaryError`. The run begins with the first
    row that is asked for, and a generator of which none is asked for has begun nothing.

    URLs that fail are rows. What ends the run raises an `Error` then, and what `urls` raises is
    raised after the rows of what is done. Ctrl-C, and leaving the loop, end the run in good order:
    downloads in flight have `grace` to finish. Warnings go to the logger `ringpull`.
    """
    lines = None if urls is None else _lines(urls, options)
    made, stats = command(urls is not None, dir, binary, options), stats_path(options)
    check(made)
    return _rows(made, stats, lines)


def _rows(
    command: list[str], stats: str | None, lines: Iterator[bytes] | None
) -> Generator[Row, None, None]:
    run = Run(command, stats, lines)
    try:
        if lines is None:
            run.end_of_list()
        while not run.is_over:
            for row in run.turn(None):
                yield row
                run.assert_own()
        run.check()
    finally:
        _end(run)


def _end(run: Run) -> None:
    """Ends a run that is not over. Ctrl-C meanwhile ends it at once."""
    interrupted: KeyboardInterrupt | None = None
    try:
        while not run.is_over and run.interrupt():
            try:
                while not run.is_over:
                    run.turn(None)
            except KeyboardInterrupt as again:
                interrupted = again
    finally:
        run.close()
    if interrupted is not None:
        raise interrupted


def pull_async(
    urls: Iterable[Line] | AsyncIterable[Line] | None = None,
    *,
    dir: str | os.PathLike[str] | None = None,
    binary: str | os.PathLike[str] | None = None,
    **options: Option,
) -> AsyncGenerator[Row, None]:
    """The same as `pull`, for asyncio. `urls` may be an asynchronous iterable as well.

    To be cancelled ends the run in good order, as Ctrl-C does. Who leaves the loop early awaits
    `aclose()` of the generator, which does the same; `contextlib.aclosing` does it for you.
    """
    source: Iterator[bytes] | _Source | None = None
    if isinstance(urls, AsyncIterable):
        source = _Source(urls, _key(options))
    elif urls is not None:
        source = _lines(urls, options)
    made, stats = command(urls is not None, dir, binary, options), stats_path(options)
    check(made)
    return _rows_async(made, stats, source)


async def _rows_async(
    command: list[str], stats: str | None, source: Iterator[bytes] | _Source | None
) -> AsyncGenerator[Row, None]:
    feeder = source if isinstance(source, _Source) else None
    lines = None if isinstance(source, _Source) else source
    run = Run(command, stats, lines)
    try:
        if source is None:
            run.end_of_list()
        while not run.is_over:
            if feeder is None:
                await _ready(run)
            else:
                await feeder.feed(run)
            for row in run.turn(0):
                yield row
                run.assert_own()
        run.check()
    finally:
        await _end_async(run, feeder)


async def _end_async(run: Run, feeder: _Source | None) -> None:
    """Ends a run that is not over. To be cancelled meanwhile ends it at once."""
    cancelled: asyncio.CancelledError | None = None
    try:
        if feeder is not None:
            feeder.stop()
        while not run.is_over and run.interrupt():
            try:
                while not run.is_over:
                    await _ready(run)
                    run.turn(0)
            except asyncio.CancelledError as again:
                cancelled = again
    finally:
        run.close()
    if cancelled is not None:
        raise cancelled


@contextlib.contextmanager
def _readable(run: Run) -> Iterator[asyncio.Future[None]]:
    """A future of when there is something to do in a turn."""
    loop = asyncio.get_running_loop()
    is_readable: asyncio.Future[None] = loop.create_future()

    def tell() -> None:
        if not is_readable.done():
            is_readable.set_result(None)

    loop.add_reader(run.fileno(), tell)
    try:
        yield is_readable
    finally:
        # The loop of a process that was forked shares what it watches with the other one.
        if run.is_own:
            loop.remove_reader(run.fileno())


async def _ready(run: Run) -> None:
    """Waits until there is something to do in a turn."""
    with _readable(run) as is_readable:
        await is_readable


class _Source:
    """Asks an asynchronous iterable while the run goes on."""

    def __init__(self, urls: AsyncIterable[Line], key: str) -> None:
        self._urls, self._key = urls.__aiter__(), key
        self._count = 0
        self._next: asyncio.Task[bytes | None] | None = None

    async def feed(self, run: Run) -> None:
        """Waits until there is something to do in a turn, or a URL came."""
        if self._next is None and run.has_room:
            self._next = asyncio.ensure_future(self._line())
        with _readable(run) as is_readable:
            waits: set[asyncio.Future[Any]] = {is_readable}
            if self._next is not None:
                waits.add(self._next)
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        if self._next is not None and self._next.done():
            task, self._next = self._next, None
            try:
                line = task.result()
            except Exception as failure:
                run.fail(failure)
                return
            if line is None:
                run.end_of_list()
            else:
                run.put(line)

    def stop(self) -> None:
        """Asks for no more."""
        if self._next is not None:
            self._next.cancel()

    async def _line(self) -> bytes | None:
        try:
            url = await self._urls.__anext__()
        except StopAsyncIteration:
            return None
        self._count += 1
        return encode(url, self._key, self._count)


def _key(options: Mapping[str, Option]) -> str:
    return str(value_of(options, "url-col") or "url")


def _lines(urls: Iterable[Line], options: Mapping[str, Option]) -> Iterator[bytes]:
    if isinstance(urls, (str, bytes, Mapping)):
        raise TypeError(f"urls is one {type(urls).__name__}; for one URL there is [url]")
    key = _key(options)
    return (encode(url, key, number) for number, url in enumerate(iter(urls), 1))
