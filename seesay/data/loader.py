"""Examples into batches: decoded, augmented and tokenized in threads while the model trains.

Threads, not processes: Pillow and the tokenizer work outside Python's lock, a batch needs no copying between
processes, and one line of examples has one order, however many threads prepare it.

Shape legend: B pictures, M texts, S picture side, L tokens.
"""

import contextlib
import logging
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import DataError, InputError, UsageError
from seesay.data.augment import Augmentation
from seesay.data.feed import Drawn, Feed
from seesay.data.source import Damaged, number_of
from seesay.inputs.pictures import open_picture
from seesay.inputs.tokenizer import Tokenizer

logger = logging.getLogger("seesay.data")

Captions: TypeAlias = Literal["one", "all"]
_LEAST_SEEN = 200  # before that a share of bad examples says nothing
_LOGGED = 20  # bad examples that are named; the others are counted
_NO_LABEL = -1  # as `training.losses.labels` has it
_AUGMENTATION = 0  # sets the stream of draws apart from the feed's


class Batch(NamedTuple):
    """What one step needs."""

    pixels: NDArray[np.uint8] | NDArray[np.float32]
    """(B, S, S, 3), not normalised; of videos (B, T, S, S, 3), or (B, T, E) vectors of their frames."""
    ids: NDArray[np.int64]
    """(M, L), trimmed to the longest text of the batch."""
    mask: NDArray[np.int64]
    """(M, L) 1 for a token."""
    image_groups: NDArray[np.int64]
    """(B,) which texts an image matches: those of the same number. Numbers are the same in all processes."""
    text_groups: NDArray[np.int64]
    """(M,)"""
    keys: list[str]
    """(B,) where the pictures came from."""
    captions: list[str]
    """(M,) the texts themselves."""
    cursor: dict[str, Any]
    """Where the loader stands after this batch."""
    image_labels: NDArray[np.int64] | None = None
    """(B, K) where images show several classes: the numbers of those, in `text_groups`; -1 where there are fewer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Preparation:
    """How an example becomes pixels and tokens."""

    size_px: int
    """S, the model's side."""
    augment: Augmentation
    tokenizer: Tokenizer
    captions: Captions = "one"
    """Of an example with several: one, drawn anew in each pass, or all, which are all positives."""
    seed: int = 0
    read: Callable[[Path | bytes, np.random.Generator], NDArray[np.uint8] | NDArray[np.float32]] | None = None
    """Of examples that are no pictures, what makes arrays of them; `augment` is then not asked."""


class Loader:
    """Batches without end, in an order that the feed decides alone.

    Args:
        feed: where examples come from.
        preparation: what is done to each.
        batch_size: B, the pictures of a batch.
        threads: how many prepare examples.
        most_bad: the share of bad examples above which training makes no sense.
        counts: `bad` and `seen` of an earlier part of the run.

    Attributes:
        waited_s: how long the last batch was waited for.
        num_bad: examples left out so far.

    Raises:
        UsageError: an empty batch, or no thread.
    """

    def __init__(
        self,
        feed: Feed,
        preparation: Preparation,
        *,
        batch_size: int,
        threads: int = 4,
        most_bad: float = 0.05,
        counts: tuple[int, int] = (0, 0),
    ) -> None:
        if batch_size < 1 or threads < 1:
            raise UsageError(f"a loader needs a batch and a thread at least, got {batch_size} and {threads}")
        self._feed, self._preparation = feed, preparation
        self._batch_size, self._threads, self._most_bad = batch_size, threads, most_bad
        self.num_bad, self._num_seen = counts
        self.waited_s = 0.0
        self._logged: set[str] = set()

    @property
    def num_examples(self) -> int | None:
        """Of one pass over the sources, in all processes; None where they do not know."""
        return self._feed.num_examples

    def __iter__(self) -> Iterator[Batch]:
        """Batches, made up to two ahead; close the iterator to stop its threads.

        Raises:
            DataError: too many examples are bad, or a source ends.
        """
        ready: queue.Queue[Batch | BaseException] = queue.Queue(maxsize=2)
        stopped = threading.Event()
        maker = threading.Thread(target=self._fill, args=(ready, stopped), name="seesay-batches", daemon=True)
        maker.start()
        try:
            while True:
                begun = time.perf_counter()
                made = ready.get()
                self.waited_s = time.perf_counter() - begun
                if isinstance(made, BaseException):
                    raise made
                yield made
        finally:
            stopped.set()
            while maker.is_alive():  # it may stand before a full queue
                with contextlib.suppress(queue.Empty):
                    ready.get_nowait()
                maker.join(0.01)

    def _fill(self, ready: "queue.Queue[Batch | BaseException]", stopped: threading.Event) -> None:
        try:
            with ThreadPoolExecutor(self._threads, thread_name_prefix="seesay-prepare") as pool:
                prepared = self._prepared(pool)
                while not stopped.is_set():
                    ready.put(self._collate([next(prepared) for _ in range(self._batch_size)]))
                prepared.close()
        except BaseException as error:  # whoever reads the queue raises it
            ready.put(error)

    def _prepared(self, pool: ThreadPoolExecutor) -> "Generator[_Sample, None, None]":
        """Good samples in order; at most one batch and a few are under way."""
        drawn = iter(self._feed)
        waiting: deque[Future[_Sample | Damaged]] = deque()
        try:
            while True:
                while len(waiting) < self._batch_size + 2 * self._threads:
                    waiting.append(pool.submit(_prepare, next(drawn), self._preparation))
                sample = waiting.popleft().result()
                self._num_seen += 1
                if isinstance(sample, Damaged):
                    self._count_bad(sample)
                else:
                    yield sample._replace(counts=(self.num_bad, self._num_seen))
        finally:
            for future in waiting:
                future.cancel()

    def _count_bad(self, bad: Damaged) -> None:
        self.num_bad += 1
        if bad.key not in self._logged and len(self._logged) < _LOGGED:
            self._logged.add(bad.key)  # of a small source the same one comes in every pass
            more = "; further ones are only counted" if len(self._logged) == _LOGGED else ""
            logger.warning("left out %s: %s%s", bad.key, bad.reason, more)
        if self._num_seen >= _LEAST_SEEN and self.num_bad > self._most_bad * self._num_seen:
            raise DataError(
                f"{self.num_bad} of {self._num_seen} examples cannot be used, more than the {self._most_bad:.0%} that "
                f"data.most_bad allows; the last: {bad.key}: {bad.reason}"
            )

    def _collate(self, samples: "list[_Sample]") -> Batch:
        rows = [row for sample in samples for row in sample.rows]
        tokens = self._preparation.tokenizer.pad(rows)
        groups = np.array([sample.group for sample in samples], dtype=np.int64)
        last = samples[-1]
        return Batch(
            pixels=cast(Any, np.stack([sample.pixels for sample in samples])),
            ids=tokens.ids,
            mask=tokens.mask,
            image_groups=groups,
            text_groups=np.array([group for sample in samples for group in sample.text_groups], dtype=np.int64),
            keys=[sample.key for sample in samples],
            captions=[caption for sample in samples for caption in sample.captions],
            cursor={"feed": last.cursor, "counts": list(last.counts)},
            image_labels=_padded([sample.labels for sample in samples]) if any(s.labels for s in samples) else None,
        )


class _Sample(NamedTuple):
    pixels: NDArray[np.uint8] | NDArray[np.float32]
    rows: list[list[int]]
    """The tokens of each caption."""
    captions: tuple[str, ...]
    group: int
    text_groups: tuple[int, ...]
    """Of each caption."""
    labels: tuple[int, ...]
    """All that it shows; none where a group says enough."""
    key: str
    cursor: dict[str, Any]
    counts: tuple[int, int] = (0, 0)
    """Bad and seen up to here."""


def _prepare(drawn: Drawn, how: Preparation) -> _Sample | Damaged:
    example = drawn.example
    if isinstance(example, Damaged):
        return example
    # by the number over all processes: an example is cut alike however many share the work
    random = np.random.default_rng([how.seed, drawn.number, _AUGMENTATION])
    try:
        chosen = range(len(example.captions))
        if how.captions == "one":
            chosen = range(place := int(random.integers(len(chosen))), place + 1)
        captions = tuple(example.captions[place] for place in chosen)
        rows = how.tokenizer.rows(captions, truncate=True)
        pixels = _read_picture(example.image, how, random) if how.read is None else how.read(example.image, random)
    except InputError as error:
        return Damaged(example.key, str(error))
    # pictures of which the same is said match each other's captions; several captions are held together by a picture
    own = captions[0].lower() if how.captions == "one" else example.key
    group = number_of(own if example.group is None else example.group)
    numbers = {label: number_of(label) for label in example.labels}
    groups = tuple(numbers[example.labels[place]] if numbers else group for place in chosen)
    return _Sample(pixels, rows, captions, group, groups, tuple(numbers.values()), example.key, drawn.cursor)


def _padded(labels: list[tuple[int, ...]]) -> NDArray[np.int64]:
    padded = np.full((len(labels), max(map(len, labels))), _NO_LABEL, dtype=np.int64)
    for row, own in zip(padded, labels, strict=True):
        row[: len(own)] = own
    return padded


def _read_picture(image: Path | bytes, how: Preparation, random: np.random.Generator) -> NDArray[np.uint8]:
    # a crop takes at least 90 % of the area, so a tenth more than S is enough to cut from
    return how.augment(open_picture(image, target_px=how.size_px * 10 // 9), how.size_px, random)
