"""From a query's vector to hits: photographs and moments in one list.

A picture gives one hit; so does a photograph with a film in it, by the better of the two, except in a search inside
that file. Neighbouring moments of a video become one range (`ranges.grow`), and a video gives at most `per_video`
ranges a track, so that one that fits everywhere does not fill the page; in a search inside one video there is no such
limit. Hits stand in the order of their best item's score, equal scores by item id: the list
is the same every time, and a longer list begins with the shorter one.
"""

import os
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seesay.search.hit import Hit
from seesay.search.items import Items
from seesay.search.matrix import Matrix
from seesay.search.ranges import Timeline, grow, slopes
from seesay.search.rows import ItemRow

PER_VIDEO = 3
FIRST_LOOK = 128  # items scored exactly at first, beyond four for each hit asked for; then eight times as many


@dataclass(slots=True)
class _Video:
    """A video that has given a hit."""

    ids: NDArray[np.int64]
    timeline: Timeline
    free: NDArray[np.bool_]
    num_hits: int = 0


@dataclass(slots=True)
class _Page:
    """The hits so far."""

    items: Items
    matrix: Matrix
    query: NDArray[np.float32]
    per_video: int | None
    spread: float | None = None
    """Of the query's scores over the library; measured when the first moment of a video comes up."""
    hits: list[Hit] = field(default_factory=list)
    pictures: set[int] = field(default_factory=set)
    photographs: dict[int, bool] = field(default_factory=dict)
    """Of files with moments, whether they are photographs with a film in them."""
    videos: dict[tuple[int, int], _Video] = field(default_factory=dict)
    """By file and track."""

    def add(self, row: ItemRow, score: float) -> None:
        """Add the hit that an item begins, unless it is part of one already."""
        if row.start_s is not None:
            if self.per_video is not None and self._is_in_photograph(row.file_id):
                if row.file_id in self.pictures:
                    return
                self.pictures.add(row.file_id)
            self._add_moment(row, row.start_s)
        elif row.file_id not in self.pictures:
            self.pictures.add(row.file_id)
            self.hits.append(Hit(path=os.fsdecode(row.path), score=score, id=row.id, box=row.box))

    def _is_in_photograph(self, file_id: int) -> bool:
        if file_id not in self.photographs:
            self.photographs[file_id] = self.items.has_picture(file_id)
        return self.photographs[file_id]

    def used_up(self) -> list[NDArray[np.int64]]:
        """Ids of the items that can give no further hit, video by video."""
        return [video.ids for video in self.videos.values() if video.num_hits == self.per_video]

    def _add_moment(self, row: ItemRow, start_s: float) -> None:
        key = row.file_id, row.track
        if key not in self.videos:
            moments = self.items.moments(*key)
            timeline = Timeline.of(moments, self.matrix.scores(self.query, moments.ids))
            self.videos[key] = _Video(moments.ids, timeline, np.ones(len(timeline.scores), bool))
        video = self.videos[key]
        line = video.timeline
        peak = int(np.searchsorted(line.start_s, start_s))
        if not video.free[peak] or video.num_hits == self.per_video:
            return
        if self.spread is None:
            self.spread = self.matrix.spread(self.query)
        first, last = grow(line.scores, peak, spread=self.spread, free=video.free)
        left, right = slopes(line.scores, first, last)
        video.free[left : right + 1] = False
        video.num_hits += 1
        self.hits.append(
            Hit(
                path=os.fsdecode(row.path),
                score=float(line.scores[peak]),
                id=row.id,
                box=row.box,
                start_s=float(line.start_s[first]),
                end_s=float(line.end_s[last]),
                time_s=row.time_s,
                track=row.track,
            )
        )


def rank(
    items: Items,
    matrix: Matrix,
    query: NDArray[np.float32],
    *,
    limit: int,
    allowed: NDArray[np.int64] | None = None,
    per_video: int | None = PER_VIDEO,
) -> list[Hit]:
    """The best hits, exactly. Call it inside a snapshot.

    Args:
        items: of the library.
        matrix: of the same snapshot.
        query: (E,) unit vector.
        limit: how many at most.
        allowed: item ids to choose from, ascending; with one item of a file all of the file's. None for all.
        per_video: ranges of one track of a video at most; None for no limit.
    """
    page = _Page(items, matrix, query, per_video)
    look = FIRST_LOOK + 4 * limit
    while True:
        ids, scores = matrix.top(query, limit=look, allowed=allowed)
        for start in range(0, len(ids), FIRST_LOOK):
            part = slice(start, start + FIRST_LOOK)
            for row, score in zip(items.rows(ids[part].tolist()), scores[part].tolist(), strict=True):
                page.add(row, score)
            if len(page.hits) >= limit:
                return page.hits[:limit]
        if len(ids) < look:
            return page.hits
        # Go on below these, without the videos that may give nothing more: one of them can hold the whole library.
        rest = items.ids() if allowed is None else allowed
        allowed = np.setdiff1d(rest, np.concatenate([ids, *page.used_up()]), assume_unique=False)
        look *= 8
