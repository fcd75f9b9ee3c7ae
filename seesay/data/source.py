"""What a source of training examples is: one pass over them, in an order that a seed decides, from any place in it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

Position: TypeAlias = tuple[int, ...]
"""A place in one pass; what the numbers mean is the source's own business. () is the beginning."""


class Example(NamedTuple):
    """One picture with what is said of it, not yet decoded."""

    key: str
    """Where it came from, for messages."""
    image: Path | bytes
    captions: tuple[str, ...]
    """At least one, none empty."""
    group: str | None = None
    """Examples of one group match each other's captions too, such as those of one class."""
    labels: tuple[str, ...] = ()
    """Of a picture or video that shows several classes, which of them each caption says; then there is no group."""


class Damaged(NamedTuple):
    """What should have been an example."""

    key: str
    reason: str


class Pass(NamedTuple):
    """One pass of one process over a source."""

    seed: int
    epoch: int
    """Counted from 0; each has an order of its own."""
    rank: int = 0
    size: int = 1
    """Process `rank` of `size`; together they see everything once."""

    def permutation(self, count: int) -> NDArray[np.int64]:
        """(count,) the order of this epoch, the same in every process."""
        return np.random.default_rng([self.seed, self.epoch]).permutation(count)

    def rows(self, count: int, start: Position) -> Iterator[tuple[int, Position]]:
        """Of `count` rows in memory this process's, in order, each with the position right after it.

        Args:
            count: of all rows.
            start: a position that came from here; () for the beginning.
        """
        (done,) = start or (0,)
        own = self.permutation(count)[self.rank :: self.size]
        for place, number in enumerate(own[done:].tolist(), done + 1):
            yield number, (place,)


def number_of(name: str) -> int:
    """64 bits that stand for a name in every process and every run; of a billion two are alike with a chance of 3 %."""
    digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


class Source(Protocol):
    """Where examples come from."""

    def stream(self, one: Pass, start: Position = ()) -> Iterator[tuple[Example | Damaged, Position]]:
        """This process's part of one pass, each example with the position right after it.

        Streaming again from a position gives what would have come next.

        Raises:
            DataError: the source as a whole cannot be read.
        """
        ...
