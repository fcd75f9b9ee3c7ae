"""What goes into the store and comes out of it, as plain rows. No SQL, no pictures, no ranking."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

AGAIN = -1
"""`FileRow.reader` of a file that is to be read again. Until then its vectors are found as before."""


class Box(NamedTuple):
    """A part of a picture, as fractions of its width and height from the upper left corner, in [0, 1]."""

    left: float
    top: float
    right: float
    bottom: float

    def to_text(self) -> str:
        """As the store keeps it."""
        return ",".join(f"{side:.5f}" for side in self)

    @classmethod
    def from_text(cls, text: str) -> "Box":
        """What `to_text` wrote."""
        return cls(*(float(side) for side in text.split(",")))


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """A file as the library remembers it."""

    id: int
    folder: bytes
    name: bytes
    size_bytes: int
    mtime_ns: int
    digest: bytes
    detail: str
    """How finely it was looked at; see `Detail`."""
    position_s: float | None
    """Of a video that was not read to its end, the time of the first frame that is missing; of a file of several pages,
    how many were read."""
    position_track: int
    """The track that this is of."""
    has_vectors: bool
    """It has items, and each has a vector of the library's model."""
    reader: int = 0
    """Which version of our decoders made the vectors; 0: one before there were numbers; `AGAIN`."""
    mount_id: int | None = None
    """What held its folder when it was last seen."""

    @property
    def path(self) -> bytes:
        """The whole path."""
        return os.path.join(self.folder, self.name)

    @property
    def is_current(self) -> bool:
        """It was read wholly, with the library's model, and is not to be read again."""
        return self.has_vectors and self.position_s is None and self.reader != AGAIN

    @property
    def is_begun(self) -> bool:
        """It was read in part, with the library's model, and is to be read on from there."""
        return self.has_vectors and self.position_s is not None and self.reader != AGAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class NewItem:
    """Something that a search can find: a picture, a page, a moment of a video, or a part of one of these.

    Times are seconds from the video's first picture; all None for a picture.
    """

    vector: NDArray[np.float32]
    start_s: float | None = None
    end_s: float | None = None
    time_s: float | None = None
    """Of the frame that the vector was made from."""
    box: Box | None = None
    """The part that a tile or a square of a long picture shows."""
    track: int = 0
    """Of a file with several video tracks, which one a moment is of; 0: the one that players choose."""
    page: int | None = None
    """Of a file with several pages, which one, from 1."""

    @property
    def kind(self) -> str:
        """As the column of that name says it."""
        if self.box is not None:
            return "tile"
        return "image" if self.start_s is None else "moment"


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """A file's items, or those of a part of it that come after what the store has."""

    path: bytes
    size_bytes: int
    mtime_ns: int
    digest: bytes
    items: Sequence[NewItem]
    detail: str = ""
    taken_ns: int | None = None
    """When it was taken, as its own data say, in nanoseconds since 1970."""
    reader: int = 0
    """Which version of our decoders read it."""
    mount_id: int | None = None
    """What holds its folder."""
    is_first: bool = True
    """What the store had at this path goes."""
    position_s: float | None = None
    """Where the next part begins; None when this one completes the file."""
    position_track: int = 0
    """In which track."""
    problem: str | None = None
    """Why the file gave less than it should have: a line of the ledger."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MountRow:
    """A mount that holds or held files of the library."""

    point: bytes
    root: bytes
    """The folder of the drive that it shows."""
    identity: str
    """Which drive or share it is; see `Mounts.identity`. Empty where nobody knows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorRow:
    """A line of the ledger."""

    path: bytes
    size_bytes: int | None
    mtime_ns: int | None
    reason: str
    seen_at: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What a library has, in numbers."""

    items: int
    files: int
    videos: int
    """Of the files."""
    errors: int
    running: tuple[int, int] | None
    """Files done and files to do of a run that is adding to it now; 0 to do while it still looks through the folders.
    None where there is no such run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemRow:
    """An item and where it is."""

    id: int
    file_id: int
    path: bytes
    kind: str
    start_s: float | None = None
    end_s: float | None = None
    time_s: float | None = None
    box: Box | None = None
    track: int = 0
    page: int | None = None
    taken_ns: int | None = None
    """When its file was taken, in nanoseconds since 1970; None where the file does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """All items of one track of a video, in the order of time. N of them; tiles share the times of their frame.

    Attributes:
        ids: (N,) item ids.
        start_s, end_s, time_s: (N,) seconds.
    """

    ids: NDArray[np.int64]
    start_s: NDArray[np.float64]
    end_s: NDArray[np.float64]
    time_s: NDArray[np.float64]

    @classmethod
    def none(cls) -> "Moments":
        """Of what is no video."""
        nothing = np.zeros(0)
        return cls(ids=np.zeros(0, np.int64), start_s=nothing, end_s=nothing, time_s=nothing)
