"""An endless line of examples out of one or more sources, with a cursor that says where it stands."""

from collections.abc import Iterator, Mapping, Sequence, Sized
from typing import Any, NamedTuple

import numpy as np

from seesay.base.errors import DataError
from seesay.data.source import Damaged, Example, Pass, Position, Source


class Drawn(NamedTuple):
    """One example in its turn."""

    number: int
    """How many all processes together drew before it, if each draws in its turn."""
    example: Example | Damaged
    cursor: dict[str, Any]
    """Where the feed stands right after it, as `Feed` takes it; plain numbers and lists, so that JSON keeps it."""


class Feed:
    """Pass after pass over weighted sources, one process's share of each.

    Args:
        sources: (source, weight) pairs; a weight is how often it is drawn from, relative to the others.
        seed: decides every order; the same in all processes.
        rank: this process.
        size: how many processes.
        cursor: where to go on, from `Drawn.cursor`; None for the beginning.

    Attributes:
        num_examples: of one pass over all of them, in all processes; None where a source does not know.

    Raises:
        DataError: no source, a weight that is not positive, or a cursor of other sources or processes.
    """

    def __init__(
        self,
        sources: Sequence[tuple[Source, float]],
        *,
        seed: int,
        rank: int = 0,
        size: int = 1,
        cursor: Mapping[str, Any] | None = None,
    ) -> None:
        if not sources or min(weight for _, weight in sources) <= 0:
            raise DataError("name at least one source, each with a weight above zero")
        weights = np.array([weight for _, weight in sources], dtype=np.float64)
        self._shares = np.cumsum(weights / weights.sum())
        self._lines = [_Line(source, Pass(seed, 0, rank, size)) for source, _ in sources]
        sizes = [len(source) if isinstance(source, Sized) else None for source, _ in sources]
        self.num_examples = None if None in sizes else sum(size for size in sizes if size is not None)
        self._seed, self._rank, self._size = seed, rank, size
        self._number = 0
        if cursor is not None:
            if len(cursor["lines"]) != len(self._lines) or cursor["size"] != size:
                raise DataError(
                    f"the run stands in {len(cursor['lines'])} sources read by {cursor['size']} processes, and goes on "
                    f"with {len(self._lines)} read by {size}: that has another order; start a new run from its weights"
                )
            self._number = cursor["number"]
            for line, (epoch, position) in zip(self._lines, cursor["lines"], strict=True):
                line.seek(epoch, tuple(position))

    def __iter__(self) -> Iterator[Drawn]:
        while True:
            number = self._number
            line = self._lines[self._choose(number)]
            example = line.draw()
            self._number += 1
            lines = [[each.epoch, list(each.position)] for each in self._lines]
            yield Drawn(
                self._rank + self._size * number, example, {"number": self._number, "size": self._size, "lines": lines}
            )

    def _choose(self, number: int) -> int:
        if len(self._lines) == 1:
            return 0
        draw = np.random.default_rng([self._seed, self._rank, number, _CHOICE]).random()
        return int(np.searchsorted(self._shares[:-1], draw, side="right"))


_CHOICE = 1  # sets the stream of draws apart from that of augmentation


class _Line:
    """One source, pass after pass."""

    def __init__(self, source: Source, one: Pass) -> None:
        self._source, self._pass = source, one
        self.epoch, self.position = 0, Position()
        self._bad: Damaged | None = None  # the last example, where it was
        self._is_all_bad = False  # whether the pass began at its beginning, and was bad up to here
        self._stream: Iterator[tuple[Example | Damaged, Position]] | None = None

    def seek(self, epoch: int, position: Position) -> None:
        self.epoch, self.position, self._stream = epoch, position, None

    def draw(self) -> Example | Damaged:
        for _ in range(2):
            if self._stream is None:
                self._is_all_bad = not self.position
                self._stream = self._source.stream(self._pass._replace(epoch=self.epoch), self.position)
            drawn = next(self._stream, None)
            if drawn is not None:
                example, self.position = drawn
                self._is_all_bad &= isinstance(example, Damaged)
                self._bad = example if isinstance(example, Damaged) else None
                return example
            if self._is_all_bad and self._bad is not None:
                raise DataError(f"no example of a source can be used; the last: {self._bad.key} {self._bad.reason}")
            self.seek(self.epoch + 1, ())
        raise DataError("a source has no example for this process; use fewer processes or more data")
