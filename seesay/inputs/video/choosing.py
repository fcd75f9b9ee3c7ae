"""Which pictures of a stream are the ones asked for, decided from their times alone.

Nothing is decoded to know it: packets carry the time at which their picture is shown, and whether it is a key frame. A
decision is the same wherever the reading began, as long as that was a key frame before it; so a run that was
interrupted goes on exactly. Must not know a file or a decoder.

Words: a picture is *shown at t* when it is the last one that has begun by t.
"""

import bisect
import math
from collections.abc import Sequence
from typing import Protocol

from seesay.inputs.video.sampling import At, Every, KeyFrames

# How many pictures may come after a later one. H.264 and HEVC allow 16; where each is two packets (fields), 32.
REORDER = 33

# A picture counts as shown this much before its time: Matroska rounds times to milliseconds.
EARLY_S = 0.0006


class Timeline:
    """The times of the packets that were read so far, in order, and up to where none is missing."""

    def __init__(self, reorder: int = REORDER) -> None:
        self._reorder = reorder
        self.times: list[float] = []
        self.keys: list[float] = []
        self.end_s: float | None = None
        """The end of the last picture, once everything was read."""
        self.wanted: set[float] = set()

    def add(self, time_s: float, *, is_key: bool) -> None:
        """A packet's picture is shown at `time_s`."""
        bisect.insort(self.times, time_s)
        if is_key:
            bisect.insort(self.keys, time_s)

    def finish(self, end_s: float) -> None:
        """There are no more packets."""
        self.end_s = end_s

    @property
    def complete_s(self) -> float:
        """Every picture up to this one is known, and this one."""
        if self.end_s is not None:
            return math.inf
        return self.times[-1 - self._reorder] if len(self.times) > self._reorder else -math.inf

    def shown(self, time_s: float) -> float | None:
        """The picture on the screen; None before the first one that is known."""
        number = bisect.bisect_right(self.times, time_s + EARLY_S)
        return self.times[number - 1] if number else None

    def key_within(self, start_s: float, end_s: float) -> float | None:
        """The first key frame from `start_s` to `end_s`, both included."""
        number = bisect.bisect_left(self.keys, start_s - EARLY_S)
        return self.keys[number] if number < len(self.keys) and self.keys[number] <= end_s else None

    def key_after(self, time_s: float, until_s: float) -> float | None:
        """The next key frame after a time, until another."""
        number = bisect.bisect_right(self.keys, time_s)
        return self.keys[number] if number < len(self.keys) and self.keys[number] <= until_s else None

    def forget(self, before_s: float) -> None:
        """Let go of what is shown no longer at `before_s`: memory stays small whatever the length."""
        number = bisect.bisect_right(self.times, before_s) - 1
        if number > 256:
            del self.times[:number]
            del self.keys[: bisect.bisect_left(self.keys, self.times[0])]


class Choice(Protocol):
    """A way of taking pictures, fed with a growing timeline."""

    def advance(self, timeline: Timeline) -> float:
        """Add to `timeline.wanted` what can be decided now.

        Returns:
            The time before which every picture is decided: it is wanted now or never. Infinite: nothing more is wanted.
        """
        ...

    @property
    def start_s(self) -> float:
        """Decisions need every picture from the key frame at or before this time on."""
        ...


class EveryChoice:
    """One picture for each multiple of a step."""

    def __init__(self, sampling: Every, from_s: float) -> None:
        self._step = sampling.seconds
        self._slack = sampling.seconds / 2 if sampling.slack_s is None else sampling.slack_s
        self.start_s = max(0.0, from_s - self._slack - EARLY_S)
        self._number = math.ceil(self.start_s / self._step)

    def advance(self, timeline: Timeline) -> float:
        """See `Choice`."""
        while True:
            time_s = self._number * self._step
            complete_s = timeline.complete_s
            if timeline.end_s is not None and time_s >= timeline.end_s - EARLY_S and self._number:
                return math.inf
            shown = timeline.shown(min(time_s, complete_s))
            if complete_s <= time_s + self._slack + EARLY_S:
                return -math.inf if shown is None else shown
            key = timeline.key_within(time_s, time_s + self._slack) if self._slack else None
            timeline.wanted.add(_first(key, shown, timeline.times))
            self._number += 1


class KeyChoice:
    """Key frames, and pictures between those that are too far apart."""

    def __init__(self, sampling: KeyFrames, from_s: float) -> None:
        self._most, self._least = sampling.at_most_s, sampling.at_least_s
        # A key frame is taken when none before it lies in its span of `at_least_s`.
        self.start_s = max(0.0, math.floor(from_s / self._least) * self._least - EARLY_S)
        self._last = -math.inf
        self._num_between = 1

    def advance(self, timeline: Timeline) -> float:
        """See `Choice`."""
        while True:
            complete_s = timeline.complete_s
            key = timeline.key_after(self._last, complete_s)
            between = self._last + self._num_between * self._most
            if math.isinf(self._last):
                if key is None:
                    return -math.inf
                self._take_key(key, timeline)
            elif key is not None and key <= between + self._least:
                self._take_key(key, timeline)
            elif timeline.end_s is not None and between >= timeline.end_s - EARLY_S:
                return math.inf
            elif complete_s > between + self._least:
                timeline.wanted.add(_first(None, timeline.shown(between), timeline.times))
                self._num_between += 1
            else:
                shown = timeline.shown(min(between, complete_s))
                return -math.inf if shown is None else shown

    def _take_key(self, key: float, timeline: Timeline) -> None:
        if math.isinf(self._last) or math.floor(self._last / self._least) < math.floor(key / self._least):
            timeline.wanted.add(key)
        self._last, self._num_between = key, 1


class AtChoice:
    """The picture shown at each of some times; it remembers which one belongs to which."""

    def __init__(self, times_s: Sequence[float]) -> None:
        self._times = times_s
        self.chosen: list[float] = []
        self.start_s = max(0.0, times_s[0] - EARLY_S)

    def advance(self, timeline: Timeline) -> float:
        """See `Choice`."""
        while len(self.chosen) < len(self._times):
            time_s = self._times[len(self.chosen)]
            complete_s = timeline.complete_s
            shown = timeline.shown(min(time_s, complete_s))
            if complete_s <= time_s + EARLY_S:
                return -math.inf if shown is None else shown
            self.chosen.append(_first(None, shown, timeline.times))
            timeline.wanted.add(self.chosen[-1])
        return math.inf


class Until:
    """Of another choice, what is shown before a time."""

    def __init__(self, choice: Choice, until_s: float) -> None:
        self._choice, self._until_s = choice, until_s
        self.start_s = choice.start_s

    def advance(self, timeline: Timeline) -> float:
        """See `Choice`."""
        settled_s = self._choice.advance(timeline)
        timeline.wanted.difference_update([time_s for time_s in timeline.wanted if time_s >= self._until_s])
        return settled_s if settled_s < self._until_s else math.inf


def choice_for(
    sampling: Every | KeyFrames | At, from_s: float, until_s: float = math.inf, *, length_s: float = 0.0
) -> Choice:
    """The way of taking pictures that a sampling asks for, from a time on and until another.

    Of what is shorter than the distance of two pictures, the middle and the last are taken beside the first: what an
    animation of 0.3 s shows is seldom there from its first picture on.

    Args:
        sampling: which pictures.
        from_s: decisions need not be right before this.
        until_s: none is taken from here on.
        length_s: of the whole; 0 where it is not known.
    """
    choice: Choice
    if not isinstance(sampling, At) and 0 < length_s < least_distance_s(sampling):
        choice = AtChoice((0.0, length_s / 2, length_s))
    elif isinstance(sampling, Every):
        choice = EveryChoice(sampling, from_s)
    elif isinstance(sampling, KeyFrames):
        choice = KeyChoice(sampling, from_s)
    else:
        choice = AtChoice(sampling.times_s)
    return choice if until_s == math.inf else Until(choice, until_s)


def least_distance_s(sampling: Every | KeyFrames) -> float:
    """What is shorter than this gives its middle and its last picture too."""
    return sampling.seconds if isinstance(sampling, Every) else sampling.at_least_s


def _first(key: float | None, shown: float | None, times: Sequence[float]) -> float:
    """The key frame, else the picture on the screen, else (before the first one) the first."""
    if key is not None:
        return key
    return times[0] if shown is None else shown
