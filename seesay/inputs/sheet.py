"""A contact sheet: small pictures in rows, each with a line or three under it. Pillow alone draws it.

It stands in this room because a source of training pairs, a search and the demo all draw one.
"""

from collections.abc import Sequence
from typing import NamedTuple

from PIL import Image, ImageDraw, ImageOps

TILE_PX = 180
_MARGIN_PX = 4
_LINE_PX = 14
_FONT_PX, _LARGE_PX = 11, 18


class Tile(NamedTuple):
    """One place of a sheet."""

    picture: Image.Image | None
    """RGB of any size; None for a place that only says something, in larger letters."""
    text: str = ""


def thumbnail(picture: Image.Image, side_px: int = TILE_PX) -> Image.Image:
    """A picture fitted into a square, so that a sheet of many holds little memory."""
    inner_px = max(1, side_px - 2 * _MARGIN_PX)
    return ImageOps.contain(picture, (inner_px, inner_px))


def draw_sheet(tiles: Sequence[Tile], *, columns: int = 6, tile_px: int = TILE_PX, lines: int = 3) -> Image.Image:
    """The tiles, row by row.

    Args:
        tiles: at least one.
        columns: places of a row.
        tile_px: width of a place and height of its picture.
        lines: of text under each picture; what does not fit ends with an ellipsis.

    Returns:
        An RGB picture on white.
    """
    columns = min(columns, len(tiles))
    row_px = tile_px + lines * _LINE_PX + 2 * _MARGIN_PX
    sheet = Image.new("RGB", (columns * tile_px, -(-len(tiles) // columns) * row_px), "white")
    pen = ImageDraw.Draw(sheet)
    for place, tile in enumerate(tiles):
        left, top = place % columns * tile_px, place // columns * row_px
        if tile.picture is None:
            text = wrap(pen, tile.text, width_px=tile_px - 20, font_px=_LARGE_PX, lines=tile_px // (2 * _LARGE_PX))
            pen.multiline_text((left + 10, top + tile_px // 2), text, "black", font_size=_LARGE_PX, anchor="lm")
            continue
        text = wrap(pen, tile.text, width_px=tile_px - 2 * _MARGIN_PX, font_px=_FONT_PX, lines=lines)
        small = thumbnail(tile.picture, tile_px)
        sheet.paste(small, (left + (tile_px - small.width) // 2, top + (tile_px - small.height) // 2))
        pen.multiline_text((left + _MARGIN_PX, top + tile_px), text, "black", font_size=_FONT_PX, spacing=2)
    return sheet


def wrap(pen: ImageDraw.ImageDraw, text: str, *, width_px: int, font_px: int, lines: int) -> str:
    """A text in lines of at most that width; a word that is longer than a line is broken."""
    wrapped: list[str] = []
    rest = " ".join(text.split())
    while rest:
        fitting = _fitting(pen, rest, width_px, font_px)
        if fitting < len(rest) and len(wrapped) + 1 == lines:
            end = _fitting(pen, rest, width_px - pen.textlength("…", font_size=font_px), font_px)
            return "\n".join([*wrapped, rest[:end].rstrip() + "…"])
        space = rest.rfind(" ", 0, fitting + 1) if fitting < len(rest) else len(rest)
        cut = space if space > 0 else fitting
        wrapped.append(rest[:cut].rstrip())
        rest = rest[cut:].lstrip()
    return "\n".join(wrapped)


def _fitting(pen: ImageDraw.ImageDraw, text: str, width_px: float, font_px: int) -> int:
    """How many letters fit, at least one."""
    text = text[: int(width_px)]  # no letter is narrower than a pixel
    low, high = 1, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        fits = pen.textlength(text[:middle], font_size=font_px) <= width_px
        low, high = (middle, high) if fits else (low, middle - 1)
    return low
