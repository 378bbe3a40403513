"""The program beside the package: found, absent, not to be run, on a kernel without io_uring."""

from __future__ import annotations

import ast
import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Url

import ringpull


def test_it_is_the_one_that_was_installed() -> None:
    path = Path(ringpull.binary_path())
    assert path == Path(sys.executable).parent / "ringpull"
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    as_module = subprocess.run([sys.executable, "-m", "ringpull", "--version"],
                               capture_output=True, text=True, check=True)
    assert told.stdout.startswith("ringpull ") and as_module.stdout == told.stdout


def test_one_that_cannot_be_run(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    plain = tmp_path / "plain"
    folder.mkdir()
    plain.write_text("no program")
    absent = str(tmp_path / "absent")
    for binary in [absent, str(plain), str(folder), "no-such-program-anywhere"]:
        with pytest.raises(ringpull.BinaryError, match="cannot run .*" + Path(binary).name):
            list(ringpull.pull([], binary=binary))


def test_none_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ringpull._command._installed", lambda: iter([tmp_path / "ringpull"]))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ringpull.BinaryError, match="install the wheel"):
        ringpull.binary_path()
    program = tmp_path / "ringpull"
    os.symlink(os.environ["RINGPULL_TEST_BINARY"], program)
    assert ringpull.binary_path() == str(program)


# A filter of system calls, as containers have one: io_uring_setup fails.
WITHOUT_IO_URING = """
import ctypes, struct, sys
import ringpull
libc = ctypes.CDLL(None, use_errno=True)
def op(code, jt, jf, k): return struct.pack("HBBI", code, jt, jf, k)
filters = (op(0x20, 0, 0, 0) + op(0x15, 0, 1, 425)
    + op(0x06, 0, 0, 0x00050000 | int(sys.argv[1])) + op(0x06, 0, 0, 0x7fff0000))
buffer = ctypes.create_string_buffer(filters)
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
program = Program(len(filters) // 8, ctypes.addressof(buffer))
if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.byref(program), 0, 0) != 0:
    sys.exit(99)
url, out = sys.argv[2:]
try:
    list(ringpull.pull([url], dir=out))
except ringpull.InternalError as error:
    print(error.status, error)
print([row.status for row in ringpull.pull([url], dir=out, backend="epoll")])
"""


@pytest.mark.parametrize("reason", [errno.ENOSYS, errno.EPERM])
def test_a_kernel_without_io_uring(reason: int, url: Url, tmp_path: Path) -> None:
    words = [sys.executable, "-c", WITHOUT_IO_URING, str(reason), url("/image/1.jpg")]
    done = subprocess.run([*words, str(tmp_path)], capture_output=True, text=True, check=False)
    if done.returncode == 99 and "RINGPULL_TEST_NO_SKIP" not in os.environ:
        pytest.skip("seccomp filters are not to be had here")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("1 ") and "--backend epoll" in done.stdout
    assert done.stdout.endswith("['ok']\n")


def test_the_package_is_python_3_9() -> None:
    for path in Path(ringpull.__file__).parent.glob("*.py"):
        ast.parse(path.read_text(), feature_version=(3, 9))
