"""Tux Paint's stamps: photographs and drawings on a plain ground, each with a sentence, as Debian packages them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from seesay.data.packages import Package
from seesay.data.public.found import Found, PublicSet
from seesay.data.public.titles import clean_title

_STAMPS = "usr/share/tuxpaint/stamps"


def read_tuxpaint(folders: Sequence[Path]) -> Iterator[Found]:
    """Each stamp with its English sentence; mirrored ones have none of their own and stay out."""
    stamps = folders[0] / _STAMPS
    for picture in sorted(stamps.rglob("*.png")):
        text = picture.with_suffix(".txt")
        if not text.is_file():
            continue
        # the first line is English; the others begin with a locale
        title = clean_title(text.read_text("utf-8", errors="replace").split("\n")[0])
        if title:
            yield Found("-".join(picture.relative_to(stamps).with_suffix("").parts), picture, (title,))


TUXPAINT = PublicSet(
    packages=(Package(registry="debian", name="tuxpaint-stamps-default"),),
    read=read_tuxpaint,
    terms="Tux Paint stamps, copyright 2002-2022 Bill Kendrick and contributors, GNU General Public License 2.",
    licences=("usr/share/doc/tuxpaint-stamps-default/copyright",),
)
