"""Sequences: one thing, and then another, in the same video.

    "a person opens a door" then "a dog runs in" --within 10

Every step takes a moment that begins after the step before it, at most `within_s` later. A sequence's score is
the mean of its steps' cosines, so what fits all steps well stands above what fits one of them best.

Shape legend: S steps, M moments.
"""

import heapq
import os
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from seesay.search.hit import Hit, to_time
from seesay.search.items import Items
from seesay.search.matrix import Matrix
from seesay.search.pairs import Group, Pairs
from seesay.search.ranges import Numbers, Timeline
from seesay.search.rows import Moments

FIRST_LOOK = 512  # best moments of each step whose videos are looked at first; then eight times as many


def rank_sequences(
    items: Items,
    matrix: Matrix,
    queries: Sequence[NDArray[np.float32]],
    *,
    within_s: float | None,
    limit: int,
    allowed: NDArray[np.int64],
    per_video: int | None,
    is_grouped: bool = True,
) -> list[Hit]:
    """The best sequences, exactly. Call it inside a snapshot.

    No video that is left out can win: its mean is at most the mean of the lowest scores that were looked at.

    Args:
        items: of the library.
        matrix: of the same snapshot.
        queries: S unit vectors of (E,), a step each.
        within_s: seconds between two steps at most; None for any.
        limit: how many at most.
        allowed: item ids of videos to choose from, ascending.
        per_video: sequences of one video at most, none of which overlap; None for no limit.
        is_grouped: of copies of one video only one gives sequences, and names the others.
    """
    look = FIRST_LOOK
    found: dict[tuple[int, int], list[Hit]] = {}
    while True:
        lowest, num_ids = 0.0, 0
        for query in queries:
            ids, scores = matrix.top(query, limit=look, allowed=allowed)
            num_ids = len(ids)
            lowest += float(scores[-1]) / len(queries) if num_ids else 0.0
            for key in items.tracks_of(ids):
                if key not in found:
                    moments = items.moments(*key)
                    found[key] = _of_video(items, matrix, queries, moments, within_s, per_video or limit)
        hits = _best(found, limit, items.pairs(allowed) if is_grouped else None)
        if num_ids < look or (len(hits) == limit and hits[-1].score >= lowest):
            return hits
        look *= 8


def _best(found: dict[tuple[int, int], list[Hit]], limit: int, pairs: Pairs | None) -> list[Hit]:
    """The best hits of some videos; of those that are one to a person, of the one with the best."""
    pooled = [(hit, file_id) for (file_id, _), own in found.items() for hit in own]
    ranked = sorted(pooled, key=lambda each: (-each[0].score, each[0].id))
    if pairs is None:
        return [hit for hit, _ in ranked[:limit]]
    hits: list[Hit] = []
    groups: dict[int, Group] = {}
    closed: set[int] = set()
    for hit, file_id in ranked:
        if file_id in closed:
            continue
        if file_id not in groups:
            group = groups[file_id] = pairs.of(file_id)
            closed.update(other for other in group.files if other != file_id)
        hits.append(replace(hit, also=groups[file_id].besides(file_id)))
        if len(hits) == limit:
            break
    return hits


def _of_video(
    items: Items,
    matrix: Matrix,
    queries: Sequence[NDArray[np.float32]],
    moments: Moments,
    within_s: float | None,
    limit: int,
) -> list[Hit]:
    """The best sequences of one track of a video that do not overlap, best first."""
    lines = [Timeline.of(moments, matrix.scores(query, moments.ids)) for query in queries]
    start_s = lines[0].start_s
    scores_SM = np.stack([line.scores for line in lines])
    hits: list[Hit] = []
    for steps in islice(_apart(scores_SM, start_s, within_s), limit):
        best = [int(line.best[place]) for line, place in zip(lines, steps, strict=True)]
        (row,) = items.rows([int(moments.ids[best[0]])])
        hits.append(
            Hit(
                path=os.fsdecode(row.path),
                score=_mean(scores_SM, steps),
                id=row.id,
                box=row.box,
                start_s=float(start_s[steps[0]]),
                end_s=float(lines[0].end_s[steps[-1]]),
                time_s=row.time_s,
                taken=None if row.taken_ns is None else to_time(row.taken_ns),
                track=row.track,
                steps_s=tuple(float(moments.time_s[place]) for place in best),
            )
        )
    return hits


def _apart(scores_SM: Numbers, start_s: Numbers, within_s: float | None) -> Iterator[list[int]]:
    """Sequences that do not overlap, best first: after each, what lies before it and what lies after it is left."""
    found: list[tuple[float, list[int], int, int]] = []

    def look(first: int, end: int) -> None:
        steps = best_steps(scores_SM[:, first:end], start_s[first:end], within_s=within_s)
        if steps:
            steps = [first + place for place in steps]
            heapq.heappush(found, (-_mean(scores_SM, steps), steps, first, end))

    look(0, len(start_s))
    while found:
        _, steps, first, end = heapq.heappop(found)
        yield steps
        look(first, steps[0])
        look(steps[-1] + 1, end)


def _mean(scores_SM: Numbers, steps: Sequence[int]) -> float:
    return float(np.mean([scores_SM[number, place] for number, place in enumerate(steps)]))


def best_steps(scores_SM: Numbers, start_s: Numbers, *, within_s: float | None) -> list[int]:
    """Which moment each step takes, so that the sum of the scores is the largest.

    Args:
        scores_SM: (S, M) how well each moment fits each step; -inf where it must not be taken.
        start_s: (M,) seconds, ascending.
        within_s: seconds between the moments of two steps at most; None for any.

    Returns:
        S ascending places, or none where the video has no such moments.
    """
    sums = scores_SM[0]
    came_from: list[NDArray[np.int64]] = []
    for scores in scores_SM[1:]:
        before = _best_before(sums, start_s, within_s)
        came_from.append(before)
        sums = np.where(before >= 0, sums[before], -np.inf) + scores
    place = int(np.argmax(sums)) if len(sums) else 0
    if not len(sums) or sums[place] == -np.inf:
        return []
    steps = [place]
    for before in reversed(came_from):
        steps.append(int(before[steps[-1]]))
    return steps[::-1]


def _best_before(sums: Numbers, start_s: Numbers, within_s: float | None) -> NDArray[np.int64]:
    """For each moment the place of the largest sum before it and near enough; -1 where there is none.

    A queue of candidates whose sums fall, as for every sliding maximum, makes it linear in M.
    """
    best = np.full(len(sums), -1)
    waiting: deque[int] = deque()
    for place in range(1, len(sums)):
        while waiting and sums[waiting[-1]] <= sums[place - 1]:
            waiting.pop()
        waiting.append(place - 1)
        while within_s is not None and waiting and start_s[waiting[0]] < start_s[place] - within_s:
            waiting.popleft()
        if waiting and sums[waiting[0]] > -np.inf:
            best[place] = waiting[0]
    return best
