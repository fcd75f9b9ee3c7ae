"""Opening a container, and nothing but this one file."""

import os
from pathlib import Path
from typing import BinaryIO

import av
from av.container import InputContainer

# A playlist that is called .mp4 must not reach for other files, or for the network.
OPTIONS = {"protocol_whitelist": "file"}


def open_container(path: str | os.PathLike[str]) -> tuple[InputContainer, BinaryIO | None]:
    """Open a file; what is returned beside the container is to be closed after it.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be opened.
    """
    file: BinaryIO | None = None
    name = os.fspath(path)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # a name that is no text: PyAV can only be given the open file
        file = Path(name).open("rb")  # noqa: SIM115 (the caller closes it)
    # the word "file:", else a name with a colon would be taken for an address
    return av.open(file or f"file:{name}", "r", options=OPTIONS, metadata_errors="ignore"), file
