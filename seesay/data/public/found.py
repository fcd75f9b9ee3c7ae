"""What a public set is: packages, how to read them, and the terms of what they hold."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, TypeAlias

from seesay.data.packages import Package


class Found(NamedTuple):
    """One picture of a package with what is said of it."""

    name: str
    """Of its file in the set, without a suffix; no two are alike."""
    picture: Path | Callable[[], bytes]
    """A picture file, or what makes the content of one."""
    captions: tuple[str, ...]
    """The title first."""
    subject: str = ""
    """What it shows, where several titles show the same: "waving hand" of "waving hand: dark skin tone". Titles of one
    subject are held out together."""


Read: TypeAlias = Callable[[Sequence[Path]], Iterator[Found]]
"""From the folders of the unpacked packages to what is in them."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicSet:
    """Pairs of pictures and captions that anybody can have."""

    packages: tuple[Package, ...]
    read: Read
    terms: str
    """Whose the pictures are and under which licence, as the set's own notice says it."""
    licences: tuple[str, ...]
    """Files to keep beside the pictures: patterns within the packages' folders."""
