"""A process that is forked during a run: the run ends as without it, and the copy does nothing."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from conftest import Url, assert_whole, running

import ringpull


# Newer versions of Python warn of what is tested here.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")


@pytest.fixture(autouse=True)
def _no_test_hangs() -> Iterator[None]:
    # Without what is tested here a run waits for ever for the end of a pipe.
    signal.alarm(120)
    yield
    signal.alarm(0)


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


def name_of(filename: str) -> str:
    return Path(filename).name


def test_a_pool_of_processes_takes_the_rows(images: list[str], tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        names = [pool.submit(name_of, str(row.filename))
                 for row in ringpull.pull(iter(images), dir=tmp_path, lookahead=100)]
        assert sorted(name.result() for name in names) == sorted(os.listdir(tmp_path))
    assert len(names) == len(images)


def test_a_child_that_lives_on_holds_nothing(images: list[str], tmp_path: Path) -> None:
    rows = ringpull.pull(iter(images), dir=tmp_path, lookahead=100)
    pulled = [next(rows)]
    before = set(os.listdir("/proc/self/fd"))

    def check() -> None:
        links = {os.readlink(f"/proc/self/fd/{name}") for name in before
                 if os.path.lexists(f"/proc/self/fd/{name}")}
        assert not any("eventpoll" in link for link in links)

    child = Child(check)
    pulled += rows
    child.end()
    assert child.is_done and len(pulled) == len(images)
    assert_whole(tmp_path)


def test_the_end_of_the_list_is_seen_whoever_has_its_descriptor(
    images: list[str], tmp_path: Path
) -> None:
    before = set(os.listdir("/proc/self/fd"))
    rows = ringpull.pull(iter(images), dir=tmp_path, lookahead=100)
    pulled = [next(rows)]
    new = set(os.listdir("/proc/self/fd")) - before
    links = {int(name): os.readlink(f"/proc/self/fd/{name}") for name in new
             if os.path.lexists(f"/proc/self/fd/{name}")}
    copies = [os.dup(number) for number, link in links.items() if link.startswith("socket:")]
    pulled += rows
    for copy in copies:
        os.close(copy)
    assert copies and len(pulled) == len(images)


@pytest.mark.parametrize("is_closed", [True, False])
def test_the_copy_of_a_child_harms_nothing(
    is_closed: bool, images: list[str], tmp_path: Path
) -> None:
    rows = ringpull.pull(iter(images), dir=tmp_path, stats=tmp_path / "s.json", lookahead=100)
    pulled = [next(rows)]

    def use() -> None:
        if is_closed:
            rows.close()
        else:
            with pytest.raises(ringpull.Error, match="forked"):
                next(rows)
        assert not (tmp_path / "s.json").stat().st_size

    child = Child(use)
    assert child.is_done and running(tmp_path)
    pulled += rows
    child.end()
    assert sorted(row.url for row in pulled) == sorted(images)
    assert (tmp_path / "s.json").stat().st_size


def test_a_child_during_asyncio(images: list[str], tmp_path: Path) -> None:
    async def main() -> None:
        has_row, is_forked = asyncio.Event(), asyncio.Event()
        pulled = []

        async def pulling() -> None:
            async for row in ringpull.pull_async(iter(images), dir=tmp_path, lookahead=100):
                pulled.append(row)
                has_row.set()
                await is_forked.wait()

        task = asyncio.create_task(pulling())
        await has_row.wait()
        child = Child(lambda: None)
        is_forked.set()
        await task
        child.end()
        assert child.is_done and len(pulled) == len(images)

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
    children = []
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
