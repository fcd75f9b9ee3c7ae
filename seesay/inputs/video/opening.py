"""Opening a container, and nothing but this one file."""

import os
from pathlib import Path
from typing import BinaryIO, TypeAlias

import av
from av.container import InputContainer

from seesay.inputs.video.inside import Part, film_inside

Source: TypeAlias = BinaryIO | Part

# A playlist that is called .mp4 must not reach for other files, or for the network.
OPTIONS = {"protocol_whitelist": "file"}


def open_container(path: str | os.PathLike[str]) -> tuple[InputContainer, Source | None]:
    """Open a file, of a motion photo the film in it; what is returned beside the container is to be closed after it.

    Raises:
        av.FFmpegError, OSError, ValueError: it cannot be opened.
    """
    file: Source | None = None
    name = os.fspath(path)
    place = film_inside(path)
    if place is not None:
        file = Part(Path(name).open("rb"), place)  # noqa: SIM115 (the caller closes it)
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:  # a name that is no text: PyAV can only be given the open file
        file = file or Path(name).open("rb")  # noqa: SIM115
    # the word "file:", else a name with a colon would be taken for an address
    return av.open(file or f"file:{name}", "r", options=OPTIONS, metadata_errors="ignore"), file
