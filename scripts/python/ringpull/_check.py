"""Options, checked by the program, which has the words for what is wrong with them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from ._errors import BinaryError, UsageError, of_status
from ._run import BESIDE, STARTING


def check(command: Sequence[str]) -> None:
    """Raises `UsageError` where the program refuses the options of this command, one by one or
    beside one another. It is asked what holds with them, and pulls nothing. What only a run can
    know, such as a folder that cannot be written, is for the run to tell."""
    program, *options = command
    try:
        # Nobody forks meanwhile, who would keep its pipe open.
        with STARTING:
            done = subprocess.run(
                [program, "config", *options], env={**os.environ, "NO_COLOR": "1"},
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                start_new_session=True)
    except OSError as error:
        raise BinaryError(f"cannot run {program}: {error.strerror}") from error
    # A run says these warnings again.
    lines = done.stderr.decode(errors="replace").splitlines()
    told = "\n".join(line for line in lines if not line.startswith(BESIDE))
    refused = of_status(done.returncode, None, told)
    if isinstance(refused, UsageError):
        raise refused
