"""How often contents come again, in bounded memory."""

import heapq
from dataclasses import dataclass

LIMIT = 1_000_000
"""Different contents that are held, about 100 bytes each."""
_NAMED = 5
_NAME_LENGTH = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Repetition:
    """What came more than once."""

    count: int
    """Occurrences after the first, of everything."""
    share: float
    """Of all occurrences."""
    sampled: float
    """Share of the contents that this was counted on; below 1 `count` is an estimate."""
    most_common: tuple[tuple[str, int], ...]
    """(name, occurrences)."""


class Repeats:
    """Counts by digest: exact up to `limit` different contents, past that on a sample of them.

    The sample are the contents whose digest ends in zeros, one zero more each time that it grows too large: whether a
    content is in it says nothing of how often it comes.

    Args:
        limit: different contents that are held.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._bits = 0
        self._counts: dict[int, int] = {}
        self._names: dict[int, str] = {}

    def add(self, digest: int, name: str) -> None:
        """Take in an occurrence; the name is only kept where it is not the first."""
        if digest & ((1 << self._bits) - 1):
            return
        self._counts[digest] = self._counts.get(digest, 0) + 1
        if self._counts[digest] == 2:
            self._names[digest] = name[:_NAME_LENGTH]
        while len(self._counts) > self._limit:
            self._bits += 1
            ends = (1 << self._bits) - 1
            self._counts = {digest: count for digest, count in self._counts.items() if not digest & ends}
            self._names = {digest: name for digest, name in self._names.items() if not digest & ends}

    def result(self) -> Repetition:
        """What is known so far."""
        total = sum(self._counts.values())
        repeats = total - len(self._counts)
        most = heapq.nlargest(_NAMED, self._names, key=self._counts.__getitem__)
        return Repetition(
            count=repeats << self._bits,
            share=repeats / max(1, total),
            sampled=1 / (1 << self._bits),
            most_common=tuple((self._names[digest], self._counts[digest]) for digest in most),
        )
