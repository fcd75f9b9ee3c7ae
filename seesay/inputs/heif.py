"""What the boxes of a HEIC or AVIF file say of its main picture: whether it is turned, and what its numbers mean.

Decoders do not tell: pi_heif forgets the orientation of the EXIF data, Pillow's AVIF writes another one over it, and
both leave the meaning of the numbers out. It reads boxes alone and decodes nothing.

Source: ISO/IEC 14496-12 (the boxes of `meta`), ISO/IEC 23008-12 (`ipma`, `irot`, `imir`, Exif items).
"""

import struct
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from seesay.inputs.cicp import Cicp

_MOST_BYTES = 16 << 20  # of a `meta` box: those of phones have some kilobytes, and a large one is no picture's
_UNSAID = 2  # in H.273
_DAMAGED = (struct.error, LookupError, ValueError, OSError, SyntaxError)


class Said(NamedTuple):
    """What the boxes say of the main picture."""

    is_turned: bool = False
    """There is a property that turns or mirrors it, which the decoder has carried out."""
    cicp: Cicp | None = None
    has_profile: bool = False
    is_deep: bool = False
    """It has more than 8 bits a channel."""
    orientation: int = 1
    """As the EXIF data have it."""

    @property
    def meaning(self) -> Cicp | None:
        """What its numbers mean, where a colour profile does not say it: of high dynamic range ours says it better."""
        return None if self.cicp is None or (self.has_profile and not self.cicp.is_hdr) else self.cicp

    @property
    def may_be_hdr(self) -> bool:
        """Deep, and the boxes say that its range is high or leave that to the stream inside."""
        return self.is_deep and (self.cicp.is_hdr if self.cicp else not self.has_profile)


class _Place(NamedTuple):
    """Where an item's first piece is."""

    is_in_meta: bool
    offset: int
    length: int


def read_heif(file: BinaryIO) -> Said:
    """What the boxes of an open file say; of damaged ones nothing, since the decoder will say what is wrong."""
    try:
        meta = _find(file, b"meta")[4:]
        return _read_meta(file, dict(_boxes(meta)))
    except _DAMAGED:
        return Said()


def _read_meta(file: BinaryIO, meta: dict[bytes, bytes]) -> Said:
    primary = int.from_bytes(meta[b"pitm"][4 : 6 if meta[b"pitm"][0] == 0 else 8], "big")
    properties = _properties(meta[b"iprp"], primary)
    cicp, has_profile = None, False
    for kind, content in properties:
        if kind == b"colr" and content[:4] == b"nclx":
            numbers = struct.unpack_from(">HH", content, 4)
            if cicp is None and numbers != (_UNSAID, _UNSAID):
                cicp = Cicp(*numbers)
        elif kind == b"colr":
            has_profile = True
    is_turned = any(kind in (b"irot", b"imir") for kind, _ in properties)
    is_deep = any(_is_deep(kind, content) for kind, content in properties)
    return Said(is_turned, cicp, has_profile, is_deep, _orientation(file, meta))


def _is_deep(kind: bytes, content: bytes) -> bool:
    if kind == b"pixi":
        return any(bits > 8 for bits in content[5:])
    if kind == b"av1C":
        return bool(content[2] & 0x40)
    return kind == b"hvcC" and content[17] & 7 > 0


def read_deep(file: BinaryIO, size: tuple[int, int]) -> tuple[NDArray[np.uint16], Cicp] | None:
    """The main picture with all its bits, as it lies in the file, and what the stream says that they mean.

    Pillow gives 8 bits of an AVIF, which are too few for the dark half of PQ.

    Args:
        file: open.
        size: width and height of the picture, perhaps turned; one of several tiles has another.

    Returns:
        (H, W, 3) up to 65535, and their meaning; None where FFmpeg cannot read it, or reads something else.
    """
    import av

    from seesay.inputs.video.picture import to_rgb_16

    file.seek(0)
    try:
        with av.open(file, "r", format="mov") as container:
            frame = next(container.decode(video=0))
    except (av.FFmpegError, StopIteration, IndexError):
        return None
    if (frame.width, frame.height) not in (size, size[::-1]):
        return None
    return to_rgb_16(frame), Cicp(int(frame.color_primaries), int(frame.color_trc))


def _properties(iprp: bytes, item: int) -> list[tuple[bytes, bytes]]:
    """The properties of an item, in their order. There may be several tables of links."""
    known = list(_boxes(dict(_boxes(iprp))[b"ipco"]))
    found = []
    for table in (content for kind, content in _boxes(iprp) if kind == b"ipma"):
        version, is_wide = table[0], table[3] & 1
        mask = 0x7FFF if is_wide else 0x7F  # the highest bit says that a reader must know the property
        (count,) = struct.unpack_from(">I", table, 4)
        place = 8
        for _ in range(count):
            (own,) = struct.unpack_from(">I" if version else ">H", table, place)
            place += 4 if version else 2
            num_links = table[place]
            numbers = struct.unpack_from(f">{num_links}{'H' if is_wide else 'B'}", table, place + 1)
            place += 1 + num_links * (2 if is_wide else 1)
            if own == item:
                found += [known[(number & mask) - 1] for number in numbers if number & mask]
    return found


def _orientation(file: BinaryIO, meta: dict[bytes, bytes]) -> int:
    """Of the first item with EXIF data; 1 where there is none or it is broken."""
    try:
        item = next(number for number, kind in _item_kinds(meta[b"iinf"]) if kind == b"Exif")
        place = next(place for number, place in _places(meta[b"iloc"]) if number == item)
        if place.is_in_meta:
            content = meta[b"idat"][place.offset : place.offset + place.length]
        else:
            file.seek(place.offset)
            content = file.read(min(place.length, _MOST_BYTES))
        start = 4 + int.from_bytes(content[:4], "big")
        exif = Image.Exif()
        exif.load(content[start:])
        return int(exif.get(ExifTags.Base.Orientation, 1))
    except (*_DAMAGED, StopIteration, TypeError):
        return 1


def _item_kinds(iinf: bytes) -> Iterator[tuple[int, bytes]]:
    for kind, entry in _boxes(iinf[6 if iinf[0] == 0 else 8 :]):
        if kind == b"infe" and entry[0] == 2:
            yield int.from_bytes(entry[4:6], "big"), entry[8:12]
        elif kind == b"infe" and entry[0] == 3:
            yield int.from_bytes(entry[4:8], "big"), entry[10:14]


def _places(iloc: bytes) -> Iterator[tuple[int, _Place]]:
    version = iloc[0]
    offset_size, length_size, base_size = iloc[4] >> 4, iloc[4] & 15, iloc[5] >> 4
    index_size = iloc[5] & 15 if version in (1, 2) else 0
    wide = 4 if version == 2 else 2
    place = 6

    def number(size: int) -> int:
        nonlocal place
        place += size
        return int.from_bytes(iloc[place - size : place], "big")

    for _ in range(number(wide)):
        item = number(wide)
        method = number(2) & 15 if version in (1, 2) else 0
        number(2)  # in which file; 0 is this one
        base = number(base_size)
        extents = []
        for _ in range(number(2)):
            number(index_size)
            extents.append((number(offset_size), number(length_size)))
        if extents and method in (0, 1):
            yield item, _Place(method == 1, base + extents[0][0], extents[0][1])


def _find(file: BinaryIO, wanted: bytes) -> bytes:
    """The content of the first box of a kind on the file's top level; the others are not read."""
    start = 0
    while True:
        file.seek(start)
        head = file.read(16)
        size, kind = struct.unpack_from(">I4s", head)
        num_head = 8
        if size == 1:
            (size,), num_head = struct.unpack_from(">Q", head, 8), 16
        if kind == wanted:
            file.seek(start + num_head)
            return file.read(min(size - num_head, _MOST_BYTES) if size else _MOST_BYTES)
        if size < num_head:  # 0: it goes on to the end of the file
            raise LookupError(wanted)
        start += size


def _boxes(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of boxes that lie one after the other."""
    start = 0
    while start + 8 <= len(content):
        size, kind = struct.unpack_from(">I4s", content, start)
        end = start + size if size else len(content)
        if size and size < 8:
            return
        yield kind, content[start + 8 : end]
        start = end
