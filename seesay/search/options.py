"""How a search is to be answered, beside the query itself, and the answer."""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, TypeAlias, get_args

from seesay.base.errors import UsageError
from seesay.search.hit import Hit
from seesay.search.items import Only
from seesay.search.ranking import PER_VIDEO

Sort: TypeAlias = Literal["score", "date"]
Place: TypeAlias = str | bytes | os.PathLike[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What `Library.search` takes beside the query; there it is said what each means.

    Raises:
        UsageError: a value that has no meaning.
    """

    limit: int = 10
    offset: int = 0
    under: Place | Sequence[Place] | None = None
    after: datetime | None = None
    before: datetime | None = None
    only: Only | None = None
    per_video: int | None = PER_VIDEO
    weak: bool = False
    sort: Sort = "score"
    min_score: float | None = None
    is_grouped: bool = True

    def __post_init__(self) -> None:
        """Refuse what has no meaning."""
        if self.limit < 1:
            raise UsageError(f"limit must be at least 1, got {self.limit}")
        if self.offset < 0:
            raise UsageError(f"offset must be at least 0, got {self.offset}")
        if self.per_video is not None and self.per_video < 1:
            raise UsageError(f"per_video must be at least 1, got {self.per_video}")
        if self.only not in (None, "image", "video"):
            raise UsageError(f"only must be image or video, got {self.only!r}")
        if self.sort not in get_args(Sort):
            raise UsageError(f"sort must be score or date, got {self.sort!r}")
        for name, moment in (("after", self.after), ("before", self.before)):
            if not isinstance(moment, datetime | None):
                raise UsageError(f"{name} must be a datetime, got {moment!r}")
        if self.min_score is not None and not math.isfinite(self.min_score):
            raise UsageError(f"min_score must be a number, a cosine between -1 and 1, got {self.min_score}")

    @property
    def places(self) -> tuple[Place, ...]:
        """`under`, as several."""
        if self.under is None:
            return ()
        return (self.under,) if isinstance(self.under, str | bytes | os.PathLike) else tuple(self.under)

    @property
    def has_filter(self) -> bool:
        """Whether files are left out because of what they are."""
        return bool(self.places or self.after or self.before or self.only)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The answer to a search."""

    hits: list[Hit]
    has_more: bool
    """Whether there are further hits after these."""
    is_match: bool
    """Whether the best hit is at or above the score from which on something probably matches."""
    least_cosine: float | None
    """That score; None where nobody knows it."""
    why_none: str | None = None
    """Why there is no hit at all, in words."""
    is_held_back: bool = False
    """There are hits, which are not shown because probably none of them matches; `weak` shows them."""
