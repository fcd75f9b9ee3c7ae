"""A contact sheet has a place for each picture, and a text never leaves its place."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from seesay.inputs.sheet import TILE_PX, Tile, draw_sheet, thumbnail, wrap

PEN = ImageDraw.Draw(Image.new("RGB", (1, 1)))


def test_every_picture_is_in_its_place():
    colours = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]
    sheet = draw_sheet([Tile(Image.new("RGB", (40, 20), colour), "one") for colour in colours], columns=3)
    row_px = sheet.height // 2
    assert sheet.width == 3 * TILE_PX
    for place, colour in enumerate(colours):
        middle = (place % 3 * TILE_PX + TILE_PX // 2, place // 3 * row_px + TILE_PX // 2)
        assert sheet.getpixel(middle) == colour


def test_a_place_without_picture_says_its_text():
    sheet = np.asarray(draw_sheet([Tile(None, "a cat"), Tile(Image.new("RGB", (9, 9), "white"))]))
    assert sheet[:, :TILE_PX].min() < 100
    assert sheet[:, TILE_PX:].min() == 255


def test_a_thumbnail_keeps_the_ratio_of_sides():
    small = thumbnail(Image.new("RGB", (1000, 500)))
    assert (small.width, small.height) == (172, 86)


@given(st.text(max_size=300), st.integers(1, 4))
def test_lines_are_few_and_fit(text, lines):
    wrapped = wrap(PEN, text, width_px=170, font_px=11, lines=lines).split("\n")
    assert len(wrapped) <= lines
    assert all(len(line) <= 1 or PEN.textlength(line, font_size=11) <= 170 for line in wrapped)
    whole = " ".join(text.split())
    if not wrapped[-1].endswith("…"):
        assert "".join(wrapped).replace(" ", "") == whole.replace(" ", "")


def test_what_does_not_fit_ends_with_an_ellipsis():
    wrapped = wrap(PEN, "a very long caption of a picture " * 9, width_px=170, font_px=11, lines=3)
    assert wrapped.count("\n") == 2
    assert wrapped.endswith("…")
