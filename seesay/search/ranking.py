"""From a query's vector to hits: photographs and moments in one list.

A picture gives one hit. Neighbouring moments of a video become one range (`ranges.grow`), and a video gives at
most `per_video` ranges a track, so that one that fits everywhere does not fill the page; in a search inside one video
there is no such limit. Files that are one picture to a person (`pairs`) give one hit, of the one that fits best; so
does a photograph with a film in it, except in a search inside that file.
Hits stand in the order of their best item's score, equal scores by item id: the list is the same every time, and a
longer list begins with the shorter one.
"""

import os
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from seesay.search.hit import Hit, to_time
from seesay.search.items import Items
from seesay.search.matrix import Matrix
from seesay.search.pairs import Group, Pairs
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
    pairs: Pairs | None
    """None: every file for itself."""
    spread: float | None = None
    """Of the query's scores over the library; measured when the first moment of a video comes up."""
    hits: list[Hit] = field(default_factory=list)
    pictures: set[int] = field(default_factory=set)
    videos: dict[tuple[int, int], _Video] = field(default_factory=dict)
    """By file and track."""
    groups: dict[int, Group] = field(default_factory=dict)
    """By the file that stands for it."""
    closed: set[int] = field(default_factory=set)
    """Files that give no further hit."""

    def add(self, row: ItemRow, score: float) -> None:
        """Add the hit that an item begins, unless it is part of one already."""
        if row.file_id in self.closed:
            return
        if self.pairs is not None and row.file_id not in self.groups:
            group = self.groups[row.file_id] = self.pairs.of(row.file_id)
            self.closed.update(other for other in group.files if other != row.file_id)
        if row.start_s is not None:
            self._add_moment(row, row.start_s)
        elif row.file_id not in self.pictures:
            self.pictures.add(row.file_id)
            self._append(row, score)

    def used_up(self) -> list[NDArray[np.int64]]:
        """Ids of the items that can give no further hit."""
        ids = [video.ids for video in self.videos.values() if video.num_hits == self.per_video]
        return [*ids, self.items.of_files(self.closed)]

    def _append(self, row: ItemRow, score: float, start_s: float | None = None, end_s: float | None = None) -> None:
        group = self.groups.get(row.file_id)
        if self.per_video == 1 or (self.per_video is not None and group is not None and group.is_photograph):
            self.closed.add(row.file_id)
        hit = Hit(
            path=os.fsdecode(row.path),
            score=score,
            id=row.id,
            box=row.box,
            track=row.track,
            page=row.page,
            start_s=start_s,
            end_s=end_s,
            time_s=row.time_s,
            taken=None if row.taken_ns is None else to_time(row.taken_ns),
            also=() if group is None else group.besides(row.file_id),
        )
        self.hits.append(hit)

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
        self._append(row, float(line.scores[peak]), float(line.start_s[first]), float(line.end_s[last]))


def rank(
    items: Items,
    matrix: Matrix,
    query: NDArray[np.float32],
    *,
    limit: int,
    allowed: NDArray[np.int64] | None = None,
    per_video: int | None = PER_VIDEO,
    least: float | None = None,
    is_grouped: bool = True,
) -> list[Hit]:
    """The best hits, exactly. Call it inside a snapshot.

    Args:
        items: of the library.
        matrix: of the same snapshot.
        query: (E,) unit vector.
        limit: how many at most.
        allowed: item ids to choose from, ascending; with one item of a file all of the file's. None for all.
        per_video: ranges of one track of a video at most; None for no limit. 1 also means that a file gives one hit,
            whatever is in it.
        least: no hit with a lower score.
        is_grouped: files that are one picture to a person give one hit.
    """
    page = _Page(items, matrix, query, per_video, items.pairs(allowed) if is_grouped else None)
    look = FIRST_LOOK + 4 * limit
    while True:
        ids, scores = matrix.top(query, limit=look, allowed=allowed)
        for start in range(0, len(ids), FIRST_LOOK):
            part = slice(start, start + FIRST_LOOK)
            for row, score in zip(items.rows(ids[part].tolist()), scores[part].tolist(), strict=True):
                if least is not None and score < least:
                    return page.hits
                page.add(row, score)
            if len(page.hits) >= limit:
                return page.hits[:limit]
        if len(ids) < look:
            return page.hits
        # Go on below these, without the videos that may give nothing more: one of them can hold the whole library.
        rest = items.ids() if allowed is None else allowed
        allowed = np.setdiff1d(rest, np.concatenate([ids, *page.used_up()]), assume_unique=False)
        look *= 8
