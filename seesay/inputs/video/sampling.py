"""Which moments of a video are taken. Plain choices, without a file or a decoder."""

import math
from dataclasses import dataclass
from typing import TypeAlias

from seesay.base.errors import UsageError


@dataclass(frozen=True, kw_only=True, slots=True)
class Every:
    """One picture for each of the times 0, `seconds`, 2 × `seconds`, …; one that stays for several of them comes once.

    It is the key frame that begins within `slack_s` after that time, where there is one: it costs no other picture.
    Else it is the picture on the screen at that time. A video shorter than `seconds` also gives its middle and its last
    picture.
    """

    seconds: float = 1.0

    slack_s: float | None = None
    """None: half of `seconds`, so that neighbours are 0.5 to 1.5 × `seconds` apart. 0: exactly the picture on the
    screen, which costs up to ten times as much decoding where key frames are a second or two apart."""

    def __post_init__(self) -> None:
        """Refuse what is no distance."""
        _check_positive("seconds", self.seconds)
        if self.slack_s is not None and not 0 <= self.slack_s < self.seconds:
            raise UsageError(f"slack_s must be from 0 to less than seconds ({self.seconds:g}); got {self.slack_s!r}")


@dataclass(frozen=True, kw_only=True, slots=True)
class KeyFrames:
    """The pictures that the file stores whole, which costs next to no decoding.

    Their times are the encoder's choice: usually cuts, and every few seconds. Where two are further apart than
    `at_most_s`, pictures between them are decoded, `at_most_s` apart. Of key frames closer together than `at_least_s`
    (some cameras store every picture whole) the first in each span of that length is taken. A video shorter than that
    also gives its middle and its last picture.
    """

    at_most_s: float = 10.0
    at_least_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuse what is no distance."""
        _check_positive("at_most_s", self.at_most_s)
        _check_positive("at_least_s", self.at_least_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Shots:
    """One picture a shot, its middle one; of a shot longer than `at_most_s`, one for each such part.

    Pictures `every_s` apart are looked at, and colour histograms say where one shot ends. Who has vectors of the
    pictures finds the cuts better with `find_cuts` itself.
    """

    every_s: float = 0.5
    at_most_s: float = 10.0

    def __post_init__(self) -> None:
        """Refuse what is no distance."""
        _check_positive("every_s", self.every_s)
        _check_positive("at_most_s", self.at_most_s)


@dataclass(frozen=True, kw_only=True, slots=True)
class Uniform:
    """`count` pictures: the video in as many equal parts, the middle of each. A short video repeats its pictures.

    Source: ActionCLIP's test sampling, github.com/sallymmx/ActionCLIP, datasets/datasets.py; by time instead of by
    number of frame, which is the same at a constant rate.
    """

    count: int = 8

    def __post_init__(self) -> None:
        """Refuse what is no number of pictures."""
        if isinstance(self.count, bool) or not isinstance(self.count, int) or self.count < 1:
            raise UsageError(f"count must be a whole number of pictures, at least 1; got {self.count!r}")


@dataclass(frozen=True, slots=True)
class At:
    """The picture on the screen at each of these times: one for each, in their order, repeated where two share one.

    After the end it is the last picture.
    """

    times_s: tuple[float, ...]
    """Seconds, ascending."""

    def __post_init__(self) -> None:
        """Refuse what are no times."""
        if not all(math.isfinite(time) and time >= 0 for time in self.times_s) or list(self.times_s) != sorted(
            self.times_s
        ):
            raise UsageError(f"times_s must be ascending seconds, none negative; got {self.times_s!r}")


Sampling: TypeAlias = Every | KeyFrames | Shots | Uniform | At


def middles(duration_s: float, count: int) -> tuple[float, ...]:
    """The middle of each of `count` equal parts, in seconds."""
    return tuple(duration_s * (number + 0.5) / count for number in range(count))


def _check_positive(name: str, value: float) -> None:
    if not (math.isfinite(value) and value > 0):
        raise UsageError(f"{name} must be a positive number of seconds; got {value!r}")
