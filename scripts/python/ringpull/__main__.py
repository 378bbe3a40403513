"""`python -m ringpull ...` is `ringpull ...`."""

import os
import sys

from ._command import binary_path
from ._errors import BinaryError

try:
    program = binary_path()
except BinaryError as error:
    sys.exit(f"ringpull: {error}")
os.execv(program, ["ringpull", *sys.argv[1:]])
