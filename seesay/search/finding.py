"""From a query's vectors to the page of hits that was asked for: filters, threshold, order, and why there is none."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from seesay.search.hit import Hit
from seesay.search.items import Filter, Items
from seesay.search.matrix import Matrix
from seesay.search.options import Found, Options
from seesay.search.places import find_places
from seesay.search.ranking import rank
from seesay.search.sequence import rank_sequences
from seesay.search.store import Store

MOST_BY_DATE = 5000  # hits that are sorted by date: below the best of them there is little to look for


def answer(
    store: Store,
    matrix: Matrix,
    vectors: Sequence[NDArray[np.float32]],
    options: Options,
    *,
    within_s: float | None,
    least_cosine: float | None,
) -> Found:
    """The hits of one page. Call it inside a snapshot.

    Args:
        store: of the library.
        matrix: of the same snapshot.
        vectors: unit vectors of (E,): one, or of a sequence one a step.
        options: what was asked for.
        within_s: seconds between two steps at most; None for any.
        least_cosine: below it probably nothing matches; None where nobody knows.

    Raises:
        UsageError: the library has nothing at or below one of the places.
    """
    items = store.items
    places = find_places(store, options.places)
    if options.per_video != 1 and places and all(map(items.has_file, places)):
        options = replace(options, per_video=None)
    where = Filter(
        under=places,
        after_ns=_nanoseconds(options.after),
        before_ns=_nanoseconds(options.before),
        only="video" if len(vectors) > 1 and options.only is None else options.only,
    )
    allowed = items.ids(where) if where else None
    least = options.min_score if options.min_score is not None else least_cosine
    is_whole = options.sort == "date" and least is not None and not options.weak
    hits = _rank(
        items,
        matrix,
        vectors,
        options,
        allowed,
        within_s=within_s,
        limit=MOST_BY_DATE if is_whole else options.offset + options.limit + 1,  # one more says that there are more
        least=least if is_whole else options.min_score,
    )
    is_match = bool(hits) and (least is None or hits[0].score >= least)
    num_allowed = len(items) if allowed is None else len(allowed)
    is_held_back = not (is_match or options.weak or options.min_score is not None or least is None) and num_allowed > 0
    if not is_match and not options.weak:
        hits = []
    if options.sort == "date":
        first, end = (0, len(hits)) if is_whole else (options.offset, options.offset + options.limit)
        hits[first:end] = _by_date(hits[first:end], items)
    page = hits[options.offset : options.offset + options.limit]
    return Found(
        hits=page,
        has_more=len(hits) > options.offset + options.limit,
        is_match=bool(page) and is_match,
        least_cosine=least_cosine,
        why_none=None if hits else why_none(options, num_allowed),
        is_held_back=is_held_back,
    )


def _rank(
    items: Items,
    matrix: Matrix,
    vectors: Sequence[NDArray[np.float32]],
    options: Options,
    allowed: NDArray[np.int64] | None,
    *,
    within_s: float | None,
    limit: int,
    least: float | None,
) -> list[Hit]:
    """The best hits of one vector, or of a sequence of them, with `least` or a higher score."""
    if len(vectors) == 1:
        return rank(
            items,
            matrix,
            vectors[0],
            limit=limit,
            allowed=allowed,
            per_video=options.per_video,
            least=least,
            is_grouped=options.is_grouped,
        )
    assert allowed is not None, "a sequence looks at videos only"
    hits = rank_sequences(
        items,
        matrix,
        vectors,
        within_s=within_s,
        limit=limit,
        allowed=allowed,
        per_video=options.per_video,
        is_grouped=options.is_grouped,
    )
    return hits if least is None else [hit for hit in hits if hit.score >= least]


def _by_date(hits: Sequence[Hit], items: Items) -> list[Hit]:
    """The newest first."""
    dates_ns = items.dates_ns(hit.id for hit in hits)
    dated = sorted(zip(dates_ns, hits, strict=True), key=lambda each: (-each[0], -each[1].score, each[1].id))
    return [hit for _, hit in dated]


def _nanoseconds(moment: datetime | None) -> int | None:
    if moment is None:
        return None
    largest = 2**63 - 1  # what SQLite compares with: the year 2262
    try:
        seconds = moment.timestamp()
    except (ValueError, OverflowError):  # at the ends of the years that Python counts, in the local time zone
        return -largest if moment.year < 1970 else largest
    return max(-largest, min(largest, int(seconds * 1e6) * 1000))


def why_none(options: Options, num_allowed: int) -> str:
    """Why a search has no hit.

    Args:
        options: of the search.
        num_allowed: how many items its filters let by.
    """
    if num_allowed or not options.has_filter:
        if options.min_score is not None:
            return f"nothing here has a score of {options.min_score:g} or more"
        return "nothing here matches"
    what = {"image": "no picture", "video": "no video", None: "nothing"}[options.only]
    where = " there" if options.places else " in the library"
    if options.after is None and options.before is None:
        return f"there is {what}{where}"
    since = None if options.after is None else f"since {_said(options.after)}"
    until = None if options.before is None else f"before {_said(options.before)}"
    return f"{what}{where} was taken or changed {' and '.join(filter(None, (since, until)))}"


def _said(moment: datetime) -> str:
    """A day alone where nobody said a time."""
    return moment.isoformat(" ").removesuffix(" 00:00:00")
