"""`ringpull.pull_async`: beside other tasks, from either kind of list, cancelled."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from conftest import Url, assert_whole, running

import ringpull


def endless(url: Url) -> Iterator[str]:
    return (url(f"/image/{n}.jpg") for n in itertools.count())


def test_rows_come_beside_other_tasks(images: list[str], tmp_path: Path) -> None:
    async def main() -> None:
        turns = 0

        async def other() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(other())
        threads = threading.active_count()
        rows = []
        async for row in ringpull.pull_async(images, dir=tmp_path):
            assert threading.active_count() == threads
            rows.append(row)
        task.cancel()
        assert sorted(row.url for row in rows) == sorted(images)
        assert turns > 1

    asyncio.run(main())
    assert_whole(tmp_path)


def test_lists_may_be_asynchronous(images: list[str], tmp_path: Path) -> None:
    async def main() -> None:
        has_row = asyncio.Event()

        async def urls() -> AsyncIterator[str]:
            for image in images[:100]:
                yield image
            # The rest is known when there are rows of what was said so far.
            await has_row.wait()
            for image in images[100:]:
                yield image

        rows = []
        async for row in ringpull.pull_async(urls(), dir=tmp_path):
            has_row.set()
            rows.append(row)
        assert sorted(row.url for row in rows) == sorted(images)

    asyncio.run(main())


def test_several_at_a_time(images: list[str], tmp_path: Path) -> None:
    async def pulled(name: str) -> int:
        rows = ringpull.pull_async(images, dir=tmp_path / name)
        return len([row async for row in rows if row.ok])

    async def main() -> list[int]:
        return list(await asyncio.gather(pulled("a"), pulled("b")))

    assert asyncio.run(main()) == [200, 200]


def test_to_be_cancelled_ends_the_run(url: Url, tmp_path: Path) -> None:
    async def main() -> None:
        has_row = asyncio.Event()

        async def pulling() -> None:
            async for _ in ringpull.pull_async(endless(url), dir=tmp_path, lookahead=100):
                has_row.set()

        task = asyncio.create_task(pulling())
        await has_row.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not running(tmp_path)

    asyncio.run(main())
    assert_whole(tmp_path)


def test_leaving_the_loop_ends_the_run(url: Url, tmp_path: Path) -> None:
    async def main() -> None:
        rows = ringpull.pull_async(endless(url), dir=tmp_path, lookahead=100)
        async for _ in rows:
            break
        await rows.aclose()
        assert not running(tmp_path)

    asyncio.run(main())
    assert_whole(tmp_path)


def test_a_generator_that_is_forgotten_ends_the_run(url: Url, tmp_path: Path) -> None:
    async def main() -> None:
        async for _ in ringpull.pull_async(endless(url), dir=tmp_path, lookahead=100):
            break
        # The event loop closes it in a task of its own.
        while running(tmp_path):
            await asyncio.sleep(0)

    async def kept() -> None:
        rows = ringpull.pull_async(endless(url), dir=tmp_path, lookahead=100)
        loop = asyncio.get_running_loop()
        loop.rows = rows  # type: ignore[attr-defined]
        await rows.__anext__()

    asyncio.run(main())
    asyncio.run(kept())
    assert not running(tmp_path)
    assert_whole(tmp_path)


def test_errors_are_raised(url: Url, tmp_path: Path) -> None:
    async def main() -> None:
        async def failing() -> AsyncIterator[str]:
            yield url("/image/1.jpg")
            raise LookupError("the list")

        with pytest.raises(LookupError):
            [row async for row in ringpull.pull_async(failing(), dir=tmp_path)]
        with pytest.raises(ringpull.UsageError, match="max-eror"):
            [row async for row in ringpull.pull_async([], dir=tmp_path, max_eror=1)]
        assert not running(tmp_path)

    asyncio.run(main())
