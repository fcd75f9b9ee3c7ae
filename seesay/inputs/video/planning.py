"""Which packets of a stream have to be decoded for the pictures that are wanted, and which need not.

A picture needs those before it from its key frame on, in the order of the file. So what comes after the last wanted
picture of a group is never decoded, and groups without a wanted picture cost nothing but reading. Of the rest, the
decoder may leave out what no other picture refers to; that is `Planned.is_wanted`. The result is exact: the pictures
are those of decoding everything. Must not know a container or a decoder.

Where something was left out, a decoder may go on only at a picture from which it can begin (see access.py). Of an open
group it must be emptied before; that is `Planned.is_fresh`. The pictures that are shown before such a key frame refer
to the group before, so that is decoded too when one of them is wanted; else they are left out.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, NamedTuple, Protocol, TypeVar

from seesay.inputs.video.access import Entry
from seesay.inputs.video.choosing import Choice, Timeline

HELD_BYTES = 64 << 20
"""Packets kept back in case none of them is needed; beyond this they are decoded. A minute at 9 Mbit/s."""


class Packet(Protocol):
    """What of a packet matters here; PyAV's has it all."""

    @property
    def pts(self) -> int | None:
        """When it is shown, in the stream's ticks."""
        ...

    @property
    def duration(self) -> int | None:
        """How long, in the same; None or 0 where the file does not say."""
        ...

    @property
    def is_keyframe(self) -> bool:
        """Whether decoding can begin here."""
        ...

    @property
    def is_discard(self) -> bool:
        """Whether it is only there for others: the file says that it is not shown."""
        ...

    @property
    def size(self) -> int:
        """In bytes."""
        ...


P = TypeVar("P", bound=Packet)


class Planned(NamedTuple, Generic[P]):
    """A packet to decode."""

    packet: P
    is_wanted: bool
    """False: decode it only as far as others need it."""
    is_fresh: bool = False
    """Something before it was left out: take what the decoder still holds, and let it begin anew."""


class Plan(Generic[P]):
    """Goes once through the packets of a stream, from a key frame on, and gives those to decode, in their order.

    Args:
        packets: in the order of the file.
        choice: which pictures are wanted.
        time_of: from ticks to seconds.
        entry_of: how decoding can begin at a key frame.
        leads_until_s: of the group that the packets begin with, pictures shown before this refer to one before it.
    """

    def __init__(
        self,
        packets: Iterable[P],
        choice: Choice,
        time_of: Callable[[int], float],
        entry_of: Callable[[P], Entry],
        leads_until_s: float | None = None,
    ) -> None:
        self.timeline = Timeline()
        self.num_late = 0
        """Pictures whose time lies before what was decided already: the file's times go back."""
        self.has_ended = False
        """Whether the packets were read to the end; else nothing more was wanted."""
        self._packets, self._choice, self._time_of, self._entry_of = packets, choice, time_of, entry_of
        self._waiting: deque[tuple[P, float | None]] = deque()
        self._is_wanted = False  # the packet that was released last
        self._held: list[Planned[P]] = []
        self._held_bytes = 0
        self._dropped_until = leads_until_s
        self._has_gap = False
        self._last_s = self._last_length_s = 0.0

    def __iter__(self) -> Iterator[Planned[P]]:
        """The packets to decode."""
        settled_s = float("-inf")
        time_s: float | None = None
        for packet in self._packets:
            is_second = packet.pts is None and not packet.is_discard  # of two fields: it goes with the first
            if not is_second:
                time_s = None if packet.pts is None or packet.is_discard else self._time_of(packet.pts)
            self._waiting.append((packet, time_s))
            if time_s is not None and not is_second:
                self.num_late += time_s < settled_s
                self.timeline.add(time_s, is_key=packet.is_keyframe)
                self._note_end(packet, time_s)
                settled_s = max(settled_s, self._choice.advance(self.timeline))
            yield from self._release(settled_s)
            if settled_s == float("inf"):
                return
            self.timeline.forget(settled_s)
        self.has_ended = True
        self.timeline.finish(self._last_s + self._last_length_s)
        if self.timeline.times:
            self._choice.advance(self.timeline)
            yield from self._release(float("inf"))

    def _note_end(self, packet: P, time_s: float) -> None:
        if time_s >= self._last_s:
            ticks = packet.duration or 0
            length_s = self._time_of(ticks) - self._time_of(0)
            self._last_length_s = length_s if ticks > 0 else time_s - self._last_s
            self._last_s = time_s

    def _release(self, settled_s: float) -> Iterator[Planned[P]]:
        """The packets at the head of the queue whose pictures are decided."""
        while self._waiting and (self._waiting[0][1] is None or self._waiting[0][1] < settled_s):
            packet, time_s = self._waiting.popleft()
            is_second = packet.pts is None and not packet.is_discard
            entry = self._entry_of(packet) if packet.is_keyframe and not is_second else None
            if entry and not entry.is_gradual:
                self._begin_group(time_s)
            if time_s is not None and self._dropped_until is not None and time_s < self._dropped_until:
                continue  # it refers to the group before, of which nothing is there
            if not is_second:
                self._is_wanted = time_s in self.timeline.wanted
            is_wanted, is_fresh = self._is_wanted, False
            if entry and self._has_gap:
                self._has_gap, is_fresh = False, not entry.is_closed
            self._held.append(Planned(packet, is_wanted, is_fresh))
            self._held_bytes += packet.size
            if is_wanted or self._held_bytes > HELD_BYTES:
                yield from self._held
                self._let_go()

    def _begin_group(self, key_s: float | None) -> None:
        """At a key frame, what was held back is not needed, unless a wanted picture is shown before the key frame."""
        self._dropped_until = None
        for packet, time_s in self._waiting:
            if packet.is_keyframe or key_s is None:
                break
            if time_s is not None and time_s < key_s and time_s in self.timeline.wanted:
                return
        if key_s is not None:
            if self._held:
                self._dropped_until = key_s
                self._has_gap = True
            self._let_go()

    def _let_go(self) -> None:
        self._held, self._held_bytes = [], 0
