"""Values of the list and of options: what JSON has, what has several values, what is refused."""

from __future__ import annotations

import datetime
import decimal
import math
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from conftest import Url

import ringpull
from ringpull import _command


def kept(value: Any, tmp_path: Path) -> Any:
    """What the row says of a value in the list."""
    line = {"url": "http://localhost/a", "x": value}
    (row,) = ringpull.pull([line], network="memory:10", discard=True, keep_cols="x")
    return row.kept["x"]


def test_missing_values_are_null(tmp_path: Path) -> None:
    class NAType:
        """As pandas has it."""

    for missing in [None, math.nan, NAType()]:
        assert kept(missing, tmp_path) is None
    nested = [1.5, math.nan, {"a": (math.nan, True)}]
    assert kept(nested, tmp_path) == [1.5, None, {"a": [None, True]}]


def test_numbers_of_numpy(tmp_path: Path) -> None:
    numpy = pytest.importorskip("numpy")
    assert kept(numpy.int64(7), tmp_path) == 7
    assert kept(numpy.float32(0.5), tmp_path) == 0.5
    assert kept(numpy.float32("nan"), tmp_path) is None
    assert kept(numpy.array([[1, 2], [3, 4]]), tmp_path) == [[1, 2], [3, 4]]
    assert kept(numpy.str_("x"), tmp_path) == "x"
    with pytest.raises(TypeError, match="datetime64"):
        kept(numpy.datetime64("2024-01-01T00:00:00.000000000"), tmp_path)


@pytest.mark.parametrize("value", [
    decimal.Decimal("1.5"), datetime.datetime(2024, 1, 1), b"x", {1, 2}, math.inf, object(),
])
def test_a_value_that_json_does_not_have(value: Any, url: Url, tmp_path: Path) -> None:
    lines = [{"url": url(f"/image/{n}.jpg"), "x": "y" if n == 1 else value} for n in (1, 2)]
    pulling = ringpull.pull(lines, dir=tmp_path, keep_cols="x")
    with pytest.raises(TypeError, match="^URL 2, .*/image/2.jpg': x: JSON has no "):
        list(pulling)


def test_a_list_of_values_is_one_text(tmp_path: Path) -> None:
    line = {"url": "http://localhost/a", "x": 1, "y": 2}
    options: dict[str, Any] = {
        "keep_cols": ["x", "y"], "dedupe": ("url",), "cpus": [0], "noproxy": ["a", "b"],
        "tls13_ciphers": ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"],
        "respect_x_robots_tag": ["noai", "noindex"], "dns_servers": [], "resolve": [],
        "pinnedpubkey": ["sha256//" + "A" * 43 + "="] * 2, "stats": tmp_path / "s.json",
    }
    (row,) = ringpull.pull([line], network="memory:10", discard=True, **options)
    assert row.kept == {"x": 1, "y": 2}
    told = (tmp_path / "s.json").read_text()
    assert '"--keep-cols=x,y"' in told and '"--noproxy=a,b"' in told


def test_repeatable_options_are_those_of_the_program() -> None:
    told = subprocess.run([ringpull.binary_path(), "--help"], capture_output=True, text=True,
                          check=True).stdout
    paragraphs = re.split(r"\n +(?:-\w, )?--(?=[a-z])", told.split("\nValues:")[0])
    options = {re.split(r"[^a-z0-9.-]", text, maxsplit=1)[0]: text for text in paragraphs[1:]}
    repeatable = {name for name, text in options.items() if "\n          Repeatable" in text}
    assert len(repeatable) > 3
    # The others are aliases, which the help does not show.
    assert repeatable == {*_command._REPEATED} & {*options}
    assert {*_command._REPEATED} - repeatable == {"url-list", "ca-certificate"}


def test_aliases_are_options(tmp_path: Path) -> None:
    (tmp_path / "urls.jsonl").write_text('{"url": "http://localhost/a", "x": 1, "y": 2}\n')
    (row,) = ringpull.pull(url_list=[tmp_path / "urls.jsonl"], save_additional_columns=["x", "y"],
                           async_dns_server=["127.0.0.1"], network="memory:10", discard=True)
    assert row.kept == {"x": 1, "y": 2}


def test_what_is_wrong_at_first_sight_is_told_at_once(tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    plain.write_text("no program")
    with pytest.raises(ringpull.UsageError, match="help"):
        ringpull.pull([], help=True)
    with pytest.raises(ringpull.UsageError, match="retry"):
        ringpull.pull_async([], retry=[1])
    with pytest.raises(ringpull.BinaryError, match="may not be executed"):
        ringpull.pull([], binary=plain)
    with pytest.raises(ringpull.BinaryError, match="no such program"):
        ringpull.pull_async([], binary="no-such-program-anywhere")
    with pytest.raises(TypeError, match="header"):
        wrong: Any = {"a": 1}
        ringpull.pull([], header=wrong)
    # What is as if it were not given.
    nothing: dict[str, Any] = {"help": False, "dry_run": None, "input_file": False, "header": []}
    assert list(ringpull.pull([], dir=tmp_path, no_config=True, **nothing)) == []
