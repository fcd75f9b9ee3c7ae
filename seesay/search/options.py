"""How a search is to be answered, beside the query itself, and the answer."""

import math
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from numbers import Real
from typing import Any, Literal, TypeAlias, get_args

from seesay.base.arguments import as_sent, kind_of, one_of, whole_number
from seesay.base.errors import UsageError
from seesay.search.arguments import check_moment
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
        whole_number("limit", self.limit, least=1)
        whole_number("offset", self.offset, least=0)
        if self.per_video is not None:
            whole_number("per_video", self.per_video, least=1)
        one_of("only", self.only, (None, *get_args(Only)))
        one_of("sort", self.sort, get_args(Sort))
        check_moment("after", self.after)
        check_moment("before", self.before)
        min_score: Any = self.min_score
        if min_score is not None and not (isinstance(min_score, Real) and math.isfinite(min_score)):
            raise UsageError(f"min_score must be a number, a cosine between -1 and 1, got {as_sent(min_score)}")

    @property
    def places(self) -> tuple[Place, ...]:
        """`under`, as several."""
        if self.under is None:
            return ()
        if isinstance(self.under, str | bytes | os.PathLike):
            return (self.under,)
        if not isinstance(self.under, Iterable):
            raise UsageError(f"under must be a path or a list of paths, got {kind_of(self.under)}")
        return tuple(self.under)

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
