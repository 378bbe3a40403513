"""How a run that fails is told: which exception, its words, what is logged, statistics."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Url, running

import ringpull
from ringpull._stats import Stats


def test_a_list_that_cannot_be_read(url: Url, tmp_path: Path) -> None:
    lines = [{"url": url("/image/1.jpg"), "a": 1}]
    with pytest.raises(ringpull.UsageError, match="^cannot read the list .*zz") as raised:
        list(ringpull.pull(lines, dir=tmp_path, keep_cols="zz"))
    assert raised.value.status == 2


def test_a_list_that_cannot_be_read_behind_lines_that_are_no_urls(tmp_path: Path) -> None:
    # Both lead to the same status.
    (tmp_path / "a.txt").write_text("ftp://localhost/\n")
    (tmp_path / "b.parquet").write_text("no table")
    lists = [tmp_path / "a.txt", tmp_path / "b.parquet"]
    with pytest.raises(ringpull.UsageError, match="b.parquet"):
        list(ringpull.pull(input_file=lists, dir=tmp_path / "out"))


@pytest.mark.parametrize(("status", "told", "is_fatal", "is_failure"), [
    (0, {"end": "complete"}, False, False),
    (0, {}, False, True),
    (2, {"end": "failed", "status_dict": {"input.url": 1}}, False, True),
    (2, {"end": "complete", "status_dict": {"input.url": 1}}, False, False),
    (2, {"end": "complete", "status_dict": {"input.url": 1}}, True, True),
    (2, {"end": "complete", "status_dict": {"x.y": 1}, "failed_to_download": 1}, False, True),
    (2, {"end": "complete", "status_dict": {}, "earlier_failed": 1}, False, False),
    (2, {"end": "max_files", "status_dict": {"input.url": 1}}, False, False),
    (3, {"end": "complete", "status_dict": {"success": 1}}, False, True),
    (3, {"end": "complete", "status_dict": {"disk.denied": 1}}, False, False),
    (8, {"end": "complete", "status_dict": {}, "failed_to_download": 1}, False, False),
    (9, {"end": "max_errors", "status_dict": {}, "failed_to_download": 1}, False, True),
    (130, {"end": "interrupted", "status_dict": {}}, False, True),
    (-9, {}, False, True),
])
def test_a_run_that_failed_is_told_from_urls_that_did(
    status: int, told: dict[str, Any], is_fatal: bool, is_failure: bool
) -> None:
    stats = Stats(None)
    stats.take(json.dumps(told).encode())
    assert stats.is_failure(status, is_fatal) == is_failure


def test_a_sample_with_lines_that_are_no_urls(url: Url, tmp_path: Path) -> None:
    urls = ["ftp://localhost/", *(url(f"/image/{n}.jpg") for n in range(20))]
    rows = list(ringpull.pull(urls, dir=tmp_path, max_files=5))
    assert sum(row.ok for row in rows) == 5 and rows[0].error_code == "input.scheme"


def test_the_words_of_an_exception(tmp_path: Path) -> None:
    with pytest.raises(ringpull.UsageError) as raised:
        list(ringpull.pull([], dir=tmp_path, max_eror=1))
    told = str(raised.value)
    assert told.startswith("unexpected argument '--max-eror' found") and "Usage" not in told
    with pytest.raises(ringpull.UsageError) as raised:
        list(ringpull.pull([], dir=tmp_path, retry="many"))
    told = str(raised.value)
    assert told.startswith("invalid value 'many'") and "--help" not in told


def test_an_exception_is_not_logged_as_well(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ringpull")
    (tmp_path / "plain").write_text("")
    with pytest.raises(ringpull.LocalFileError, match="plain"):
        list(ringpull.pull(["http://localhost/a"], dir=tmp_path / "plain" / "out"))
    with pytest.raises(ringpull.UsageError):
        list(ringpull.pull([], dir=tmp_path, max_eror=1))
    assert not caplog.records
    list(ringpull.pull(["http://localhost/a"], network="memory:10", discard=True))
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_warnings_are_logged(
    url: Url, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    # Of the options, of the report and of the list.
    (tmp_path / "r.jsonl").write_text("{")
    (tmp_path / "none.txt").write_text("")
    lists, report = [tmp_path / "none.txt"], tmp_path / "r.jsonl"
    for _ in range(2):
        rows = ringpull.pull(input_file=lists, dir=tmp_path, report=report, insecure=True)
        assert not caplog.records
        assert list(rows) == []
        told = [record.getMessage() for record in caplog.records]
        assert all(record.levelno == logging.WARNING for record in caplog.records)
        assert "--insecure" in told[0] and "no URL" in told[-1]
        caplog.clear()
    assert len(told) == 2


def test_without_a_logger_nothing_is_printed() -> None:
    script = ("import ringpull; "
              "list(ringpull.pull(['http://localhost/a'], network='memory:10', discard=True))")
    words = [sys.executable, "-c", script]
    done = subprocess.run(words, capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_program_that_is_another(tmp_path: Path) -> None:
    for binary in ["/bin/true", "/bin/false"]:
        with pytest.raises(ringpull.Error) as raised:
            list(ringpull.pull(["http://localhost/"] * 100, binary=binary, dir=tmp_path))
        assert raised.value.end is None
    assert "without statistics" not in str(raised.value)
    with pytest.raises(ringpull.Error, match="without statistics"):
        list(ringpull.pull([], binary="/bin/true"))


def test_statistics_that_cannot_be_written(url: Url, tmp_path: Path) -> None:
    (tmp_path / "plain").write_text("")
    for path in [tmp_path / "plain" / "s.json", tmp_path]:
        with pytest.raises(ringpull.LocalFileError, match="cannot write the statistics"):
            list(ringpull.pull([url("/image/1.jpg")], dir=tmp_path / "out", stats=path))
    assert not (tmp_path / "out").exists() and not running(tmp_path)


def test_statistics_of_the_last_run_stay_until_there_are_others(tmp_path: Path) -> None:
    path, plain = tmp_path / "folder" / "s.json", tmp_path / "plain"
    plain.touch()
    with pytest.raises(ringpull.LocalFileError, match="plain"):
        list(ringpull.pull([], dir=plain, stats=path))
    assert not path.exists()
    path.write_text("x" * 10_000)
    with pytest.raises(ringpull.LocalFileError, match="plain"):
        list(ringpull.pull([], dir=plain, stats=path))
    assert path.read_text() == "x" * 10_000
    list(ringpull.pull([], dir=tmp_path, stats=path))
    assert json.loads(path.read_text())["end"] == "complete"
    # A spelling that Python has for names that are its own words, and nobody needs here.
    again = tmp_path / "again.json"
    list(ringpull.pull([], dir=tmp_path, stats_=again))
    assert json.loads(again.read_text())["end"] == "complete"


def test_rows_come_before_what_an_asynchronous_list_raises(url: Url, tmp_path: Path) -> None:
    async def main() -> None:
        async def failing() -> Any:
            for n in range(20):
                yield url(f"/image/{n}.jpg")
            while not any(tmp_path.glob("*.jpg")):
                await asyncio.sleep(0)
            raise LookupError("the list")

        rows = []
        with pytest.raises(LookupError, match="the list"):
            async for row in ringpull.pull_async(failing(), dir=tmp_path):
                rows.append(row)
        done = sorted(str(row.filename) for row in rows if row.ok)
        assert done == sorted(str(path) for path in tmp_path.iterdir()) and done

    asyncio.run(main())
