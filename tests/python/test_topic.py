"""What `ringpull help python` shows can be typed."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

import ringpull

SOURCES = Path(__file__).resolve().parents[2]
TOPIC = (SOURCES / "src/cli/topics/python.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TOPIC, re.DOTALL)


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example(example: str, images: list[str], tmp_path: Path,
                    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    exec(example, {"urls": images})
    assert len(list((tmp_path / "images").iterdir())) == len(images)
    if "kept" in example:
        assert "7 images/000007.jpg\n" in capsys.readouterr().out


def test_all_examples_are_found() -> None:
    assert len(EXAMPLES) == 5


def test_its_options_are_there() -> None:
    told = subprocess.run([ringpull.binary_path(), "--help"], capture_output=True, text=True,
                          check=True).stdout
    options = set(re.findall(r"--([a-z][a-z0-9.-]*)", told))
    ours = " ".join(line.rsplit("|", 2)[1] for line in TOPIC.split("## Habits")[1].splitlines()
                    if line.startswith("| `"))
    names = re.findall(r"\b([a-z_]+)=", ours)
    assert len(names) > 10
    assert {name.replace("_", "-") for name in names} <= options


def test_its_exceptions_are_there() -> None:
    for name in re.findall(r"^\| `([A-Z]\w+)` \|", TOPIC, re.MULTILINE):
        assert issubclass(getattr(ringpull, name), ringpull.Error)
