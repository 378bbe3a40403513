"""A process that is forked during a run: the run ends as without it, and the copy does nothing."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import Url, assert_whole, eventually, running

import ringpull


# Newer versions of Python warn of what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.fixture(autouse=True)
def _no_test_hangs() -> Iterator[None]:
    # Without what is tested here a run waits for ever for the end of a pipe.
    def fail(*_: object) -> None:
        raise TimeoutError("it hangs")

    before = signal.signal(signal.SIGALRM, fail)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


class Held:
    """A list that goes on until somebody has had enough of it."""

    def __init__(self, url: Url) -> None:
        self.urls: list[str] = []
        self.is_enough = False
        self._url = url

    def __iter__(self) -> Iterator[str]:
        while not self.is_enough:
            self.urls.append(self._url(f"/image/{len(self.urls)}.jpg"))
            yield self.urls[-1]

    def assert_all(self, rows: list[ringpull.Row]) -> None:
        """Each URL that was given has its row."""
        assert sorted(row.url for row in rows) == sorted(self.urls) and self.is_enough


class Child:
    """A forked process that does something and then lives until `end`."""

    def __init__(self, does: Callable[[], object]) -> None:
        told, tells = os.pipe()
        self._pid = os.fork()
        if self._pid == 0:
            signal.alarm(120)
            try:
                does()
                os.write(tells, b"done")
                os.close(tells)
                signal.pause()
            finally:
                os._exit(1)
        os.close(tells)
        self.is_done = os.read(told, 4) == b"done"
        os.close(told)

    def end(self) -> None:
        os.kill(self._pid, signal.SIGKILL)
        os.waitpid(self._pid, 0)


def descriptors() -> dict[int, str]:
    """Descriptors of this process, and what they are."""
    found = {}
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(OSError):
            found[int(path.name)] = os.readlink(path)
    return found


def name_of(filename: str) -> str:
    return Path(filename).name


def test_a_pool_of_processes_takes_the_rows(url: Url, tmp_path: Path) -> None:
    held, rows, names = Held(url), [], []
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        for row in ringpull.pull(held, dir=tmp_path, lookahead=100):
            rows.append(row)
            names.append(pool.submit(name_of, str(row.filename)))
            held.is_enough = len(rows) > 200
        assert sorted(name.result() for name in names) == sorted(os.listdir(tmp_path))
    held.assert_all(rows)


def test_a_child_that_lives_on_holds_nothing(url: Url, tmp_path: Path) -> None:
    held, before = Held(url), descriptors()
    rows = ringpull.pull(held, dir=tmp_path, lookahead=100)
    pulled = [next(rows)]
    # The list, three outputs, and epoll.
    ours = {number for number in descriptors() if number not in before}
    assert len(ours) == 5

    def check() -> None:
        assert not ours & {*descriptors()}

    child = Child(check)
    held.is_enough = True
    pulled += rows
    child.end()
    assert child.is_done
    held.assert_all(pulled)
    assert_whole(tmp_path)


def test_the_end_of_the_list_is_seen_whoever_has_its_descriptor(url: Url, tmp_path: Path) -> None:
    held, before = Held(url), descriptors()
    rows = ringpull.pull(held, dir=tmp_path, lookahead=100)
    pulled = [next(rows)]
    # Those that are read are at their end when the program is.
    copies = [os.dup(number) for number in descriptors() if number not in before]
    held.is_enough = True
    pulled += rows
    for copy in copies:
        os.close(copy)
    assert len(copies) == 5
    held.assert_all(pulled)


@pytest.mark.parametrize("is_closed", [True, False])
def test_the_copy_of_a_child_harms_nothing(is_closed: bool, url: Url, tmp_path: Path) -> None:
    held, stats = Held(url), tmp_path / "s.json"
    rows = ringpull.pull(held, dir=tmp_path / "out", stats=stats, lookahead=100)
    pulled = [next(rows)]

    def use() -> None:
        if is_closed:
            rows.close()
        else:
            with pytest.raises(ringpull.Error, match="forked"):
                next(rows)
        assert not stats.stat().st_size

    child = Child(use)
    assert child.is_done and running(tmp_path)
    held.is_enough = True
    pulled += rows
    child.end()
    held.assert_all(pulled)
    assert stats.stat().st_size


def test_a_child_during_asyncio(url: Url, tmp_path: Path) -> None:
    async def main() -> None:
        held = Held(url)
        pulled = []
        async for row in ringpull.pull_async(held, dir=tmp_path, lookahead=100):
            pulled.append(row)
            if len(pulled) == 1:
                child = Child(lambda: None)
                held.is_enough = True
        child.end()
        assert child.is_done
        held.assert_all(pulled)

    asyncio.run(main())


def test_a_wait_in_asyncio_that_a_child_closes(url: Url, tmp_path: Path) -> None:
    async def main() -> None:
        async def pulling() -> list[ringpull.Row]:
            urls = [url("/delay/300/bytes/5")]
            return [row async for row in ringpull.pull_async(urls, dir=tmp_path)]

        task = asyncio.create_task(pulling())
        while not running(tmp_path):
            await asyncio.sleep(0)
        waiting: Any = task.get_coro()

        def close() -> None:
            with pytest.raises(asyncio.CancelledError):
                waiting.throw(asyncio.CancelledError())

        child = Child(close)
        child.end()
        # What the loop watches is as it was.
        (row,) = await task
        assert child.is_done and row.ok

    asyncio.run(main())


def test_forks_of_other_threads_while_runs_begin(images: list[str], tmp_path: Path) -> None:
    children: list[Child] = []
    is_over = threading.Event()

    def fork() -> None:
        while not is_over.is_set() and len(children) < 20:
            children.append(Child(lambda: None))

    thread = threading.Thread(target=fork)
    thread.start()
    try:
        for number in range(5):
            rows = list(ringpull.pull(iter(images[:10]), dir=tmp_path / str(number)))
            assert len(rows) == 10
    finally:
        is_over.set()
        thread.join()
        for child in children:
            child.end()


def test_a_child_while_options_are_checked(tmp_path: Path) -> None:
    fields, before = tmp_path / "fields", descriptors()
    os.mkfifo(fields)
    options = {"dir": tmp_path, "header": f"@{fields}"}
    thread = threading.Thread(target=ringpull.pull, args=([],), kwargs=options)
    thread.start()
    # The program waits for somebody who writes.
    assert eventually(lambda: bool(running(tmp_path)))

    def check() -> None:
        # That on which it tells.
        assert len({*descriptors()} - {*before}) == 2

    child = Child(check)
    fields.write_text("A: b")
    thread.join()
    child.end()
    assert child.is_done and not running(tmp_path)
