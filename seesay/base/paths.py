"""Where seesay keeps things on this machine."""

import base64
import json
import os
import re
from pathlib import Path
from typing import Any

import platformdirs

ASSETS = Path(__file__).resolve().parent.parent / "assets"  # what ships inside the package

_SURROGATE = re.compile("[\ud800-\udfff]")  # what Python makes of bytes that are not UTF-8; no text by itself

# Controls (C0, DEL, C1), line ends of Unicode, marks that turn the writing around, and bytes that are not UTF-8.
UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


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


def show(path: str | bytes) -> str:
    r"""A path, or text that may hold one, as text that every encoding and JSON can hold.

    A name on disk need not be UTF-8: of bytes that are not, each comes out as `\xNN`.

    Args:
        path: bytes, or the text that Python makes of them (`os.fsdecode`).
    """
    text = path.decode("utf-8", "surrogateescape") if isinstance(path, bytes) else path
    return _SURROGATE.sub(_escape, text)


def safe_name(name: str, *, most_bytes: int = 200) -> str:
    """A name for a new file or a download, after that of another: every system takes it, no terminal obeys it."""
    return UNSAFE.sub("_", name).encode()[:most_bytes].decode("utf-8", "ignore")


def json_path(path: str | bytes) -> dict[str, str]:
    """What JSON says of a path: `path`, to be shown, and `path_bytes` where that is not what to open.

    JSON cannot hold a name that is not UTF-8, so its bytes come beside it, in Base64, as `rg --json` has them.
    """
    shown, name = show(path), os.fsencode(path)
    if shown.encode() == name:
        return {"path": shown}
    return {"path": shown, "path_bytes": base64.b64encode(name).decode()}


def json_text(found: Any, *, indent: int | None = None) -> str:
    """JSON that every reader takes, whatever file names it holds: each as `show` has it; not in ASCII."""
    text = json.dumps(found, ensure_ascii=False, indent=indent)
    return _SURROGATE.sub(lambda match: "\\" + _escape(match), text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code - 0xDC00:02x}" if 0xDC80 <= code <= 0xDCFF else f"\\u{code:04x}"
