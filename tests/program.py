"""Where the installed program is."""

import sys
from pathlib import Path

SEESAY = Path(sys.executable).with_name("seesay")
