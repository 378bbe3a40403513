"""The embedded origin, and what is left of a run. The program is RINGPULL_TEST_BINARY; the package
is the one that is installed (tests/it/wheel.rs)."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Url = Callable[[str], str]


@pytest.fixture(scope="session")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Url]:
    """Gives the URL of a path of the origin."""
    folder = tmp_path_factory.mktemp("origin")
    binary = os.environ["RINGPULL_TEST_BINARY"]
    server = subprocess.Popen([binary, "origin", "--no-tls", "--dir", folder],
                              stdout=subprocess.DEVNULL)
    told = folder / "origin.json"
    assert eventually(lambda: told.exists() and bool(told.read_text()))
    base = json.loads(told.read_text())["http"]
    yield lambda path: f"{base}{path}"
    server.terminate()
    server.wait()


@pytest.fixture
def images(url: Url) -> list[str]:
    """URLs of two hundred images."""
    return [url(f"/image/{n}.jpg") for n in range(200)]


def eventually(condition: Callable[[], bool]) -> bool:
    """Whether it holds within a minute."""
    until = time.monotonic() + 60
    while not condition():
        if time.monotonic() > until:
            return False
        time.sleep(0.01)
    return True


def running(folder: Path) -> list[str]:
    """Processes that were told of this folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes().split(b"\0")
        except OSError:
            continue
        if any(str(folder).encode() in word for word in words) and b"ringpull" in words[0]:
            found.append(path.parent.name)
    return found


def descriptors() -> list[str]:
    """What this process has open."""
    return sorted(os.listdir("/proc/self/fd"))


def assert_whole(folder: Path) -> None:
    """All files have their names and all of their bytes, and nothing else is there."""
    for path in folder.iterdir():
        assert path.suffix == ".jpg" and not path.name.startswith("."), path
        assert path.read_bytes().startswith(b"\xff\xd8") and path.read_bytes().endswith(b"\xff\xd9")
