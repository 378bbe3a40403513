"""`ringpull.pull`: rows, lists of any kind, options, and every way to end."""

from __future__ import annotations

import dataclasses
import datetime
import itertools
import json
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import Url, assert_whole, descriptors, eventually, running

import ringpull


def test_rows_are_typed(url: Url, tmp_path: Path) -> None:
    (row,) = ringpull.pull([url("/image/7.jpg")], dir=tmp_path)
    path = tmp_path / "7.jpg"
    assert (row.ok, row.status, row.response_code, row.index) == (True, "ok", 200, 1)
    assert row.filename == str(path) and path.stat().st_size == row.size_file == row.size_download
    assert row.content_type == "image/jpeg" and row.error_code is None and row.kept == {}
    assert isinstance(row.time_total, float) and row.time_total > 0
    assert row.attempted_at.utcoffset() == datetime.timedelta(0)
    assert row.tls_resumed is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        row.status = "failed"  # type: ignore[misc]
    assert not hasattr(row, "__dict__")
    copy = pickle.loads(pickle.dumps(row))
    assert copy == row and {copy, row} == {row}


def test_the_fields_are_the_columns_of_the_report(tmp_path: Path) -> None:
    told = subprocess.run([ringpull.binary_path(), "help", "report"], capture_output=True,
                          text=True, check=True).stdout
    table = re.split(r"\n\n", told.split("  Column ", 1)[1], maxsplit=1)[0]
    columns = re.findall(r"^  ([a-z_]+) ", table, re.MULTILINE)
    fields = [field.name for field in dataclasses.fields(ringpull.Row)]
    assert [*columns, "kept"] == fields


def test_every_url_has_a_row_and_failures_raise_nothing(
    url: Url, images: list[str], tmp_path: Path
) -> None:
    # What a list of text would take for a comment, an option of the line above, or two lines.
    odd = ["# no comment", "  out=x", f"{url('/image/1.jpg')}\n{url('/image/2.jpg')}", "", "\ud800"]
    urls = [*images, url("/status/404"), *odd]
    rows = list(ringpull.pull(iter(urls), dir=tmp_path, retry=0))
    assert sorted(row.index for row in rows) == list(range(1, len(urls) + 1))
    by_index = {row.index: row for row in rows}
    assert all(by_index[n].ok and by_index[n].url == urls[n - 1] for n in range(1, 201))
    codes = [by_index[n].error_code for n in range(201, len(urls) + 1)]
    assert codes[0] == "http.status" and all(str(code).startswith("input.") for code in codes[1:])
    assert by_index[201].response_code == 404
    assert len(list(tmp_path.iterdir())) == 200


def test_lines_have_columns(url: Url, tmp_path: Path) -> None:
    lines: list[ringpull.Line] = [
        {"link": url("/image/1.jpg"), "to": "a/b.jpg", "id": 7, "tags": ["x"]},
        url("/image/2.jpg"),
    ]
    rows = sorted(ringpull.pull(lines, dir=tmp_path, url_col="link", out_col="to",
                                keep_cols="id,tags"), key=lambda row: row.index)
    assert rows[0].filename == str(tmp_path / "a/b.jpg")
    assert [row.kept for row in rows] == [{"id": 7, "tags": ["x"]}, {"id": None, "tags": None}]
    assert len({*rows}) == 2


def test_lists_of_files(images: list[str], tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("\n".join(images))
    rows = list(ringpull.pull(input_file=tmp_path / "urls.txt", dir=tmp_path / "out"))
    assert sorted(row.url for row in rows) == sorted(images)
    # One that is open gives lines with their ends.
    with open(tmp_path / "urls.txt") as file:
        rows = list(ringpull.pull(file, dir=tmp_path / "out"))
    assert sorted(row.url for row in rows) == sorted(images)


def test_options_are_those_of_the_program(url: Url, tmp_path: Path) -> None:
    options: dict[str, Any] = {
        "header": ["X-One: 1", "X-Two: 2"], "name_template": "{seq:04}", "retry": 1,
        "max_time": 30.5, "no_clobber": False, "compressed": True, "continue_": True,
        "compute_hash": "sha256", "stats": tmp_path / "s.json", "report": tmp_path / "r.csv",
        "tlsv1_3": True, "user_agent": None,
    }
    (row,) = ringpull.pull([url("/image/1.jpg")], dir=tmp_path / "out", **options)
    assert row.filename == str(tmp_path / "out" / "0001") and str(row.digest).startswith("sha-256=")
    stats = json.loads((tmp_path / "s.json").read_text())
    assert stats["successes"] == 1
    told = {"--header=X-One: 1", "--continue", "--compressed", "--tlsv1.3", "--max-time=30.5"}
    assert told - {"--header=X-One: 1"} <= set(stats["argv"])
    assert "--no-clobber" not in stats["argv"] and len((tmp_path / "r.csv").read_text()) > 0
    # The report says that all is done.
    assert list(ringpull.pull([url("/image/1.jpg")], dir=tmp_path / "out", **options)) == []


@pytest.mark.parametrize("name", ["shard", "config", "no_config", "retry", "dry_run", "input_file"])
@pytest.mark.parametrize("nothing", [None, False])
def test_an_option_of_nothing_is_not_given(
    name: str, nothing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "0")
    monkeypatch.setenv("SLURM_ARRAY_TASK_COUNT", "4")
    monkeypatch.setenv("RINGPULL_DRY_RUN", "true")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "ringpull").mkdir()
    (tmp_path / "ringpull" / "config.toml").write_text("max-files = 1\n")
    options: dict[str, Any] = {name: nothing, "network": "memory:10", "discard": True}
    urls = [f"http://localhost/{n}" for n in range(8)]
    assert len(list(ringpull.pull(urls, **options))) == 8


def test_a_config_without_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("dry-run", "verify"):
        path = tmp_path / f"{name}.toml"
        path.write_text(f"report = 'r.csv'\n{name} = true\n")
        told = f"^{name.replace('-', '_')} .*{name}.toml:2.*: it gives no rows"
        with pytest.raises(ringpull.UsageError, match=told):
            ringpull.pull(None if name == "verify" else ["http://localhost/"], config=path)
    monkeypatch.setenv("RINGPULL_DRY_RUN", "true")
    with pytest.raises(ringpull.UsageError, match="RINGPULL_DRY_RUN"):
        ringpull.pull(["http://localhost/"], config="/dev/null")


class _Bytes:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __fspath__(self) -> bytes:
        return bytes(self._path)


def test_paths_of_bytes_and_small_numbers(url: Url, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text(f"# a comment\n{url('/image/1.jpg')}\n")
    options: dict[str, Any] = {name: _Bytes(tmp_path / path) for name, path in {
        "dir": "out", "stats": "s.json", "report": "r.csv", "input_file": "urls.txt"}.items()}
    (row,) = ringpull.pull(retry_delay=1e-5, **options)
    assert row.filename == str(tmp_path / "out" / "1.jpg") and row.index == 2, "that of the line"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "r.csv", "s.json", "urls.txt"]
    assert "--retry-delay=0.00001" in json.loads((tmp_path / "s.json").read_text())["argv"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"max_eror": 3}, "'--max-eror'"),
        ({"retry": "many"}, "many"),
        ({"header": [True]}, "--header"),
        ({"retry": -1}, "retry"),
        ({"limit_rate": "fast"}, "fast"),
        ({"tpslimit": 5, "rate": "9/s"}, "--rate"),
        ({"name_template": "{nothing}"}, "{nothing}"),
        ({"output": "one.jpg"}, "several downloads"),
        ({"cacert": "/dev/null/no"}, "CA file /dev/null/no"),
        ({"output": "-"}, "output: the rows"),
        ({"stats": "-"}, "stats: the rows"),
        ({"report": "-"}, "standard output"),
        ({"help": True}, "help"),
        ({"version": True}, "version"),
        ({"progress": "plain"}, "progress"),
        ({"retry": [1, 2]}, "retry takes one value"),
        ({"dry_run": True}, "dry_run"),
        ({"write_out": "x"}, "write_out"),
        ({"input_file": "x"}, "input_file"),
        ({"user_agent": "a\0b"}, "user_agent: no option can have a NUL"),
        ({"header": ["A: b", "A: \ud800"]}, "header: no option can have the character U+D800"),
        ({"stats": "a\0b"}, "stats: no option"),
        ({"a\0b": 1}, "'a\\x00b': no option"),
    ],
)
def test_a_wrong_option_is_a_usage_error(
    options: dict[str, Any], told: str, images: list[str], tmp_path: Path
) -> None:
    for pull in (ringpull.pull, ringpull.pull_async):
        # By the call, before any row is asked for.
        with pytest.raises(ringpull.UsageError, match=re.escape(told)) as raised:
            pull(images, dir=tmp_path / "out", **options)
        assert raised.value.status in (2, None)
    assert not (tmp_path / "out").exists() and not running(tmp_path)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"retry": "x"}, "invalid value 'x' for '--retry <N>': invalid digit found in string"),
        ({"cacert": "/dev/null/no"}, "cannot use the CA file /dev/null/no: Not a directory"),
    ],
)
def test_a_usage_error_tells_the_error_alone(
    options: dict[str, Any], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Neither a warning that comes before it, nor the colours that the environment asks for.
    monkeypatch.setenv("RINGPULL_RETYR", "3")
    monkeypatch.setenv("CLICOLOR_FORCE", "1")
    (tmp_path / "c.toml").touch()
    with pytest.raises(ringpull.UsageError) as raised:
        ringpull.pull([], dir=tmp_path, config=tmp_path / "c.toml", **options)
    assert str(raised.value).partition(" (os error")[0] == told


def test_a_generator_of_which_no_row_is_asked_for_begins_nothing(tmp_path: Path) -> None:
    def untouched() -> Iterator[str]:
        raise AssertionError("it is asked for a URL")
        yield ""

    (tmp_path / "file").touch()
    before = descriptors()
    # That only a run can know.
    pulling = ringpull.pull(untouched(), dir=tmp_path / "file", stats=tmp_path / "s.json")
    waiting = ringpull.pull_async(untouched(), dir=tmp_path / "file", report=tmp_path / "r.csv")
    assert not running(tmp_path) and descriptors() == before
    del pulling, waiting
    assert not running(tmp_path) and descriptors() == before
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_values_of_no_kind(tmp_path: Path) -> None:
    wrong: Any = {"a": 1}
    for options in [{"header": wrong}, {"stats": 3}]:
        with pytest.raises(TypeError, match=next(iter(options))):
            ringpull.pull([], dir=tmp_path, **options)
    with pytest.raises(TypeError, match=r"\[url\]"):
        ringpull.pull("http://localhost/", dir=tmp_path)
    numbers: Any = [1]
    with pytest.raises(TypeError, match="not 1"):
        list(ringpull.pull(numbers, dir=tmp_path))
    assert not running(tmp_path)


def test_what_ends_a_run_is_raised(url: Url, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ringpull.LocalFileError, match="file") as local:
        list(ringpull.pull([url("/image/1.jpg")], dir=tmp_path / "file"))
    assert (local.value.status, local.value.end) == (3, None)
    bad = (url("/status/404") for _ in itertools.count())
    rows = []
    with pytest.raises(ringpull.Stopped, match="^the run ended early: too many URLs") as stopped:
        for row in ringpull.pull(bad, dir=tmp_path / "out", max_errors=5, lookahead=100):
            rows.append(row)
    assert (stopped.value.status, stopped.value.end) == (9, "max_errors")
    assert len(rows) >= 5 and {row.error_code for row in rows} == {"http.status"}


def test_a_sample_needs_no_more_of_the_list(url: Url, tmp_path: Path) -> None:
    urls = (url(f"/image/{n}.jpg") for n in itertools.count())
    assert len(list(ringpull.pull(urls, dir=tmp_path, max_files=20, lookahead=100))) == 20
    assert_whole(tmp_path)


def test_leaving_the_loop_ends_the_run_in_good_order(url: Url, tmp_path: Path) -> None:
    asked = 0

    def endless() -> Iterator[str]:
        nonlocal asked
        for asked in itertools.count():
            yield url(f"/image/{asked}.jpg")

    report, out = tmp_path / "r.jsonl", tmp_path / "out"
    pulling = ringpull.pull(endless(), dir=out, lookahead=100, report=report)
    assert next(pulling).ok
    # The list is asked for as it is wanted.
    assert asked < 20_000
    assert running(tmp_path)
    pulling.close()
    assert not running(tmp_path)
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    assert len(rows) == len(list(out.iterdir()))
    assert_whole(out)


def test_a_list_that_fails_ends_the_run(images: list[str], tmp_path: Path) -> None:
    def failing() -> Iterator[str]:
        yield from images
        raise LookupError("the list")

    rows = []
    with pytest.raises(LookupError, match="the list"):
        for row in ringpull.pull(failing(), dir=tmp_path):
            rows.append(row)
    assert not running(tmp_path)
    # What is done has its row.
    done = sorted(str(row.filename) for row in rows if row.ok)
    assert done == sorted(str(path) for path in tmp_path.iterdir())
    assert_whole(tmp_path)


def test_long_lists_and_slow_readers_block_nothing(tmp_path: Path) -> None:
    # List and rows are each a hundred times what a pipe holds; the program makes up the bodies.
    count, long = 10_000, "x" * 1000
    urls = (f"http://localhost/{long}/{n}" for n in range(count))
    pulling = ringpull.pull(urls, network="memory:10", discard=True, lookahead=100)
    first = next(pulling)
    indices = {first.index} | {row.index for row in pulling}
    assert indices == set(range(1, count + 1))


def test_rows_in_flight_when_the_list_fails(url: Url, tmp_path: Path) -> None:
    def failing() -> Iterator[str]:
        yield url("/delay/500/bytes/5")
        # A source that is as slow as this has each of its URLs sent at once.
        time.sleep(0.01)
        yield url("/image/1.jpg")
        assert eventually((tmp_path / "1.jpg").exists)
        raise LookupError("the list")

    rows = []
    with pytest.raises(LookupError, match="the list"):
        for row in ringpull.pull(failing(), dir=tmp_path, threads=1, grace="1h"):
            rows.append(row)
    assert [(row.index, row.ok) for row in rows] == [(2, True), (1, True)]


SCRIPT = """
import itertools, logging, sys
import ringpull
base, held, out, report = sys.argv[1:]
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
images = (f"{base}/image/{n}.jpg" for n in itertools.count())
urls = itertools.chain([next(images)], [base + held] if held else [], images)
for row in ringpull.pull(urls, dir=out, report=report, lookahead=100, grace="1h"):
    print(row.index, flush=True)
"""


def script(url: Url, tmp_path: Path, held: str = "") -> subprocess.Popen[str]:
    """A process that pulls without end, has pulled something, and may wait for an answer."""
    paths = [str(tmp_path / "out"), str(tmp_path / "r.jsonl")]
    words = [sys.executable, "-c", SCRIPT, url(""), held, *paths]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None and process.stdout.readline()
    return process


def test_ctrl_c_ends_both(url: Url, tmp_path: Path) -> None:
    process = script(url, tmp_path)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == -signal.SIGINT and told.rstrip().endswith("KeyboardInterrupt")
    assert not running(tmp_path)
    rows = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert len(rows) == len(list((tmp_path / "out").iterdir()))
    assert_whole(tmp_path / "out")


def test_a_second_ctrl_c_waits_for_nothing(url: Url, tmp_path: Path) -> None:
    process = script(url, tmp_path, "/delay/600000/bytes/5")
    assert process.stdout is not None
    process.send_signal(signal.SIGINT)
    assert any("interrupted" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate()
    assert process.returncode == -signal.SIGINT and told.rstrip().endswith("KeyboardInterrupt")
    assert not running(tmp_path)
    assert_whole(tmp_path / "out")


def test_a_killed_python_leaves_nobody_behind(url: Url, tmp_path: Path) -> None:
    process = script(url, tmp_path)
    process.kill()
    process.communicate()
    assert eventually(lambda: not running(tmp_path))
    assert_whole(tmp_path / "out")


def test_a_signal_of_others_is_told(url: Url, tmp_path: Path) -> None:
    urls = (url(f"/image/{n}.jpg") for n in itertools.count())
    pulling = ringpull.pull(urls, dir=tmp_path, lookahead=100)
    next(pulling)
    subprocess.run(["kill", *running(tmp_path)], check=True)
    with pytest.raises(ringpull.Interrupted) as raised:
        list(pulling)
    assert (raised.value.status, raised.value.end) == (130, "interrupted")
