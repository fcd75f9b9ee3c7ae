"""A long film read by two threads, span by span in turn, its pictures in order all the same.

    thread 1:  span 0 ─→ span 2 ─→ …  ─┐
    thread 2:  span 1 ─→ span 3 ─→ …  ─┴─→ merged by their times

One decoder does not fill two cores, however many threads FFmpeg is given. Spans meet at key frames, so that nothing is
decoded twice. Which pictures are taken does not depend on where a reading begins, so they are those of `frames`.
"""

import heapq
import math
import os
import queue
import threading
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from seesay.base.errors import InputError
from seesay.inputs.video.animation import ANIMATION_SUFFIXES
from seesay.inputs.video.frame import Frame
from seesay.inputs.video.reading import chosen, frames
from seesay.inputs.video.sampling import Every, KeyFrames, Sampling

if TYPE_CHECKING:
    from seesay.inputs.video.container import Damage

T = TypeVar("T")

SPAN_S = 20.0
"""Two or three groups of pictures of x264's default length."""

_NUM_READERS = 2
_MAX_SPANS = 1000  # a file may declare any length
_LOOK_S = 0.1  # how soon a thread that waits for room sees that nobody wants more


def map_frames(
    function: Callable[[Frame], T],
    path: str | Path,
    sampling: Sampling,
    *,
    size_px: int | None = None,
    from_s: float = 0.0,
    track: int = 0,
    on_error: Callable[[str], None] | None = None,
    num_ahead: int = 32,
) -> Iterator[T]:
    """`function` of each of the `frames`, in their order, worked out in threads ahead of the caller.

    MP4 and Matroska of more than 40 seconds are read by two threads, all else by one.

    Args:
        function: called in these threads, by two at once.
        path: this, `sampling`, `size_px`, `from_s`, `track` and `on_error` are those of `frames`.
        sampling: see there.
        size_px: see there.
        from_s: see there.
        track: see there.
        on_error: see there.
        num_ahead: how many results of each thread may wait for the caller.

    Raises:
        InputError: the file cannot be opened, or holds not one picture; the text is the reason, without the path.
    """
    spans = _spans_of(path, sampling, from_s, track)
    if spans is None:
        shown = frames(path, sampling, size_px=size_px, from_s=from_s, track=track, on_error=on_error)
        with closing(_Ahead((function(frame) for frame in shown), num_ahead)) as results:
            yield from results
        return
    with ExitStack() as stack:
        readers = [
            stack.enter_context(closing(_Ahead(spans.read(function, size_px, first), num_ahead)))
            for first in range(_NUM_READERS)
        ]
        is_empty = True
        for _, result in heapq.merge(*readers, key=lambda timed: timed[0]):
            is_empty = False
            yield result
    damage = spans.damage()
    for sentence in damage.sentences():
        if on_error is not None:
            on_error(sentence)
    if is_empty and not from_s:
        raise InputError(damage.why_empty)


class _Spans:
    """A film in parts, and what those who read it met."""

    def __init__(
        self, path: str | Path, sampling: Every | KeyFrames, from_s: float, track: int, declared_s: float
    ) -> None:
        self._path, self._sampling, self._from_s, self._track = path, sampling, from_s, track
        self._span_s = max(SPAN_S, declared_s / _MAX_SPANS)
        self._first = int(from_s / self._span_s)
        self._last = max(self._first, math.ceil(declared_s / self._span_s) - 1)
        self._damages: list[Damage] = []

    def __len__(self) -> int:
        return self._last + 1 - self._first

    def read(self, function: Callable[[Frame], T], size_px: int | None, offset: int) -> Generator[tuple[float, T]]:
        """What one thread reads: every `_NUM_READERS`-th span, with the time of each picture."""
        from seesay.inputs.video.container import opened
        from seesay.inputs.video.picture import PictureMaker

        # 8 % less work than with FFmpeg's own choice, which is for one reader
        num_threads = max(1, (os.cpu_count() or 1) // _NUM_READERS)
        with opened(self._path, num_threads, self._track) as video:
            self._damages.append(video.damage)
            to_picture = PictureMaker(size_px, float(video.stream.sample_aspect_ratio or 1))
            number, last = self._first + offset, self._last
            while number <= self._last:
                until_s = math.inf if number == last else video.edge((number + 1) * self._span_s)
                start_s = max(self._from_s, video.edge(number * self._span_s) if number else 0.0)
                for time_s, frame in chosen(video, self._sampling, start_s, until_s):
                    if time_s >= start_s:
                        yield time_s, function(Frame(time_s, to_picture(frame)))
                if video.end_s is not None and video.end_s <= until_s:
                    self._last = min(self._last, number)  # the file may declare more than it holds
                number += _NUM_READERS

    def damage(self) -> "Damage":
        """All of it, once it was read."""
        whole, *others = self._damages
        for other in others:
            whole.add(other)
        return whole


def _spans_of(path: str | Path, sampling: Sampling, from_s: float, track: int) -> _Spans | None:
    """None for what is read from its beginning to its end."""
    from seesay.inputs.video.container import opened

    if not isinstance(sampling, Every | KeyFrames) or Path(path).suffix.lower() in ANIMATION_SUFFIXES:
        return None
    with opened(path, track=track) as video:
        spans = _Spans(path, sampling, from_s, track, video.declared_s())
        return spans if video.is_indexed and len(spans) > _NUM_READERS else None


class _Ahead(Generic[T]):
    """The items of an iterator, made by a thread, at most so many ahead of who takes them."""

    def __init__(self, items: Generator[T], num_ahead: int) -> None:
        self._waiting = queue.Queue[tuple[T] | None](num_ahead)
        self._is_over = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="seesay-decode")
        self._work = self._pool.submit(self._make, items)

    def __iter__(self) -> Iterator[T]:
        while (made := self._waiting.get()) is not None:
            yield made[0]
        self._work.result()  # raises what the thread met

    def close(self) -> None:
        """Stop the thread, and wait until it has closed what it reads."""
        self._is_over.set()
        self._pool.shutdown(wait=True)

    def _make(self, items: Generator[T]) -> None:
        try:
            for item in items:
                if not self._put((item,)):
                    return
        finally:
            items.close()
            self._put(None)

    def _put(self, item: tuple[T] | None) -> bool:
        while not self._is_over.is_set():
            try:
                self._waiting.put(item, timeout=_LOOK_S)
            except queue.Full:
                continue
            return True
        return False
