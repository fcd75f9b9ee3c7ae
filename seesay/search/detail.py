"""How finely files are looked at: which moments of a video, and whether pictures are cut into tiles.

The library remembers it for every root, and with every file, so that a file is read again when more
(or less) is asked for, and only then.
"""

import re
from dataclasses import dataclass

from seesay.base.errors import LibraryError
from seesay.inputs.video import Every, KeyFrames, Shots

_TEXT = re.compile(
    r"(?:every (?P<every>\S+)|keyframes (?P<most>\S+) (?P<least>\S+)|shots (?P<apart>\S+) (?P<longest>\S+))"
    r"(?P<tiles> tiles)?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """How finely a file is looked at."""

    moments: Every | KeyFrames | Shots = Every(seconds=1.0)  # noqa: RUF009 (it is frozen)
    """Which frames of a video get a vector."""

    tiles: bool = False
    """Also a vector for each part of a picture or frame (see tiles.py): small things are found, at about nine times
    the work and the room."""

    def to_text(self) -> str:
        """As the store keeps it for a root and for a video."""
        if isinstance(self.moments, Every):
            text = f"every {self.moments.seconds:g}"
        elif isinstance(self.moments, Shots):
            text = f"shots {self.moments.every_s:g} {self.moments.at_most_s:g}"
        else:
            text = f"keyframes {self.moments.at_most_s:g} {self.moments.at_least_s:g}"
        return text + (" tiles" if self.tiles else "")

    @classmethod
    def from_text(cls, text: str) -> "Detail":
        """What `to_text` wrote.

        Raises:
            LibraryError: something else did.
        """
        match = _TEXT.fullmatch(text)
        if match is None:
            raise LibraryError(f"the library names a way to look at files that is unknown here: {text!r}; upgrade")
        if match["every"]:
            return cls(moments=Every(seconds=float(match["every"])), tiles=bool(match["tiles"]))
        moments: KeyFrames | Shots
        if match["apart"]:
            moments = Shots(every_s=float(match["apart"]), at_most_s=float(match["longest"]))
        else:
            moments = KeyFrames(at_most_s=float(match["most"]), at_least_s=float(match["least"]))
        return cls(moments=moments, tiles=bool(match["tiles"]))

    @property
    def of_picture(self) -> str:
        """As the store keeps it for a picture, which has no moments."""
        return "tiles" if self.tiles else ""

    @property
    def texts(self) -> frozenset[str]:
        """What the store may say of a file that was looked at as finely as this: it is a picture or a video."""
        return frozenset({self.of_picture, self.to_text()})
