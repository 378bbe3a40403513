"""Options, checked by the program, which has the words for what is wrong with them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from ._command import REFUSED
from ._errors import BinaryError, UsageError, of_status
from ._run import BESIDE, LIVE, STARTING


def check(command: Sequence[str]) -> None:
    """Raises `UsageError` where the program refuses the options of this command, one by one or
    beside one another, or would give no rows with them. It is asked what holds with them, and
    pulls nothing. What only a run can know, such as a folder that cannot be written, is for the run
    to tell."""
    program, *options = command
    try:
        held, told, status = _asked([program, "config", *options])
    except OSError as error:
        raise BinaryError(f"cannot run {program}: {error.strerror}") from error
    # A run says these warnings again.
    lines = [line for line in told.splitlines() if not line.startswith(BESIDE)]
    refused = of_status(status, None, "\n".join(lines))
    if isinstance(refused, UsageError):
        raise refused
    for line in held.splitlines():
        name, *value = line.split("\t")
        # A config file or the environment says so.
        if name in ("dry-run", "verify") and value[:1] == ["true"]:
            raise UsageError(f"{name.replace('-', '_')} ({value[-1]}): {REFUSED[name]}")


def _asked(command: Sequence[str]) -> tuple[str, str, int]:
    """Standard output, standard error and exit status of a command."""
    asked = _Asked(command)
    try:
        held, told = asked.child.communicate()
    except BaseException:
        asked.child.kill()
        raise
    finally:
        LIVE.discard(asked)
        asked.close()
    return held.decode(errors="replace"), told.decode(errors="replace"), asked.child.returncode


class _Asked:
    """A program that is asked. A process that is forked meanwhile holds nothing of it."""

    def __init__(self, command: Sequence[str]) -> None:
        with STARTING:
            self.child = subprocess.Popen(
                command, env={**os.environ, "NO_COLOR": "1"}, bufsize=0, start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            LIVE.add(self)

    def disown(self) -> None:
        # There is nobody to wait for.
        self.child.returncode = 0
        self.close()

    def close(self) -> None:
        """Closes its outputs, and waits for its end."""
        for pipe in (self.child.stdout, self.child.stderr):
            if pipe is not None:
                pipe.close()
        self.child.wait()
