"""Where seesay keeps things on this machine."""

import os
from pathlib import Path

import platformdirs

ASSETS = Path(__file__).resolve().parent.parent / "assets"  # what ships inside the package


def default_library() -> Path:
    """The library that commands use when none is named: `$SEESAY_LIBRARY`, else in the user's data folder."""
    named = os.environ.get("SEESAY_LIBRARY")
    return Path(named).expanduser() if named else Path(platformdirs.user_data_dir("seesay")) / "library"


def find(text: str) -> Path | None:
    """The file or folder that a text names as it is written; None where nothing is there, or it can be no path."""
    try:
        path = Path(text).expanduser()
        return path if text and path.exists() else None
    except (OSError, ValueError, RuntimeError):  # too long for a name, a null byte, a home of nobody
        return None


def show(path: bytes) -> str:
    r"""A path as text that any terminal can print; undecodable bytes come out as `\xNN`."""
    return path.decode("utf-8", "backslashreplace")
