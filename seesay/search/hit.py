"""A result of a search: a picture, or a range of a video."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from seesay.base.paths import json_path, show
from seesay.search.rows import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One result. A picture has no times; those of a video are seconds from its first picture."""

    path: str
    """As Python spells it (`os.fsdecode`): what `open` takes, also where the name is not UTF-8."""
    score: float
    """Cosine of the query and the best item, in [-1, 1]; of a sequence the mean of its steps."""
    id: int
    """Of the best item. It stays the same until the file changes, and is never used again for another."""
    box: Box | None = None
    """The part of the picture that fits best, where it was cut into parts and one fits better than the whole."""
    page: int | None = None
    """The page that fits best, from 1, of a file that has several."""
    start_s: float | None = None
    end_s: float | None = None
    """The range of the video; it holds `time_s`."""
    time_s: float | None = None
    """Of the frame that fits best; of a sequence that of its first step."""
    track: int = 0
    """Of a file with several video tracks, which one; 0 is the one that players choose."""
    steps_s: tuple[float, ...] = ()
    """Of a sequence, the time of each step."""
    out_of_reach: bool = False
    """The file cannot be reached now: its drive, share or root is not there."""
    taken: datetime | None = None
    """When the file was taken, in the local time zone; None where it does not say."""
    also: tuple[str, ...] = ()
    """Other files that are the same picture to a person: copies, the camera original, the film of a Live Photo."""

    @property
    def kind(self) -> str:
        """`image` or `moment`."""
        return "image" if self.start_s is None else "moment"

    def to_dict(self) -> dict[str, Any]:
        """With nothing but JSON's types, and without what this hit does not have."""
        found: dict[str, Any] = {
            **json_path(self.path),
            "score": round(self.score, 6),
            "kind": self.kind,
            "id": self.id,
        }
        if self.start_s is not None:
            found |= {"start_s": self.start_s, "end_s": self.end_s, "time_s": self.time_s}
        if self.track:
            found["track"] = self.track
        if self.steps_s:
            found["steps_s"] = list(self.steps_s)
        if self.page is not None:
            found["page"] = self.page
        if self.box is not None:
            found["box"] = self.box._asdict()
        if self.out_of_reach:
            found["out_of_reach"] = True
        if self.taken is not None:
            found["taken"] = self.taken.isoformat()
        if self.also:
            found["also"] = [show(path) for path in self.also]
        return found


def to_time(time_ns: int) -> datetime:
    """Nanoseconds since 1970 as a local time."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_ns // 1000)).astimezone()


def clock(seconds: float) -> str:
    """A time in a video as a player shows it, with tenths: `0:07.5`, `1:02:03.0`."""
    tenths = round(seconds * 10)
    hours, minutes, rest = tenths // 36_000, tenths // 600 % 60, tenths % 600
    return f"{hours}:{minutes:02}:{rest / 10:04.1f}" if hours else f"{minutes}:{rest / 10:04.1f}"
