"""A result of a search: a picture, or a range of a video."""

from dataclasses import dataclass
from typing import Any

from seesay.search.rows import Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """One result. A picture has no times; those of a video are seconds from its first picture."""

    path: str
    score: float
    """Cosine of the query and the best item, in [-1, 1]; of a sequence the mean of its steps."""
    id: int
    """Of the best item. It stays the same until the file changes, and is never used again for another."""
    box: Box | None = None
    """The part of the picture that fits best, where tiles were made and one of them fits better than the whole."""
    start_s: float | None = None
    end_s: float | None = None
    """The range of the video; it holds `time_s`."""
    time_s: float | None = None
    """Of the frame that fits best; of a sequence that of its first step."""
    track: int = 0
    """Of a file with several video tracks, which one; 0 is the one that players choose."""
    steps_s: tuple[float, ...] = ()
    """Of a sequence, the time of each step."""

    @property
    def kind(self) -> str:
        """`image` or `moment`."""
        return "image" if self.start_s is None else "moment"

    def to_dict(self) -> dict[str, Any]:
        """With nothing but JSON's types, and without what this hit does not have."""
        found: dict[str, Any] = {"path": self.path, "score": round(self.score, 6), "kind": self.kind, "id": self.id}
        if self.start_s is not None:
            found |= {"start_s": self.start_s, "end_s": self.end_s, "time_s": self.time_s}
        if self.track:
            found["track"] = self.track
        if self.steps_s:
            found["steps_s"] = list(self.steps_s)
        if self.box is not None:
            found["box"] = self.box._asdict()
        return found


def clock(seconds: float) -> str:
    """A time in a video as a player shows it, with tenths: `0:07.5`, `1:02:03.0`."""
    tenths = round(seconds * 10)
    hours, minutes, rest = tenths // 36_000, tenths // 600 % 60, tenths % 600
    return f"{hours}:{minutes:02}:{rest / 10:04.1f}" if hours else f"{minutes}:{rest / 10:04.1f}"
