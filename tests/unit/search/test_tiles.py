from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seesay.search.rows import Box
from seesay.search.tiles import MAX_SQUARES, MAX_TILES, boxes, cut, decode_px, squares

sides = st.integers(100, 3000)


@given(sides, sides)
def test_tiles_are_square_and_cover_a_picture_with_some_to_spare(width, height):
    tiles = boxes(width, height, size_px=100)
    assert len(set(tiles)) == len(tiles) >= 4
    for tile in tiles:
        assert abs((tile.right - tile.left) * width - (tile.bottom - tile.top) * height) < 1e-6
        assert min(tile) >= 0
        assert max(tile) <= 1 + 1e-9
    for axis, length in ((0, width), (1, height)):
        spans = sorted({(tile[axis], tile[axis + 2]) for tile in tiles})
        assert spans[0][0] == 0
        assert abs(spans[-1][1] - 1) < 1e-9
        if len(spans) < MAX_TILES:
            pairs = pairwise(spans)
            assert all(right[0] < left[1] - 0.2 * (left[1] - left[0]) for left, right in pairs), length


def test_pictures_too_small_for_a_tile_have_none():
    assert boxes(32, 16, size_px=32) == []
    assert boxes(149, 149, size_px=224) == boxes(1, 1, size_px=224) == []
    assert len(boxes(150, 150, size_px=224)) == 4


def test_a_decoded_picture_is_large_enough_for_its_tiles():
    size = decode_px(224)
    (tile, *_) = boxes(size, size, size_px=224)
    assert cut(Image.new("RGB", (size, size)), tile).width >= 224


@given(st.tuples(*[st.floats(0, 1)] * 4))
def test_a_box_survives_being_stored(sides):
    stored = Box.from_text(Box(*sides).to_text())
    assert max(abs(left - right) for left, right in zip(stored, sides, strict=True)) < 1e-4


@given(sides, st.floats(2.01, 60))
def test_squares_of_a_long_picture_go_from_edge_to_edge_and_share_a_quarter(side, ratio):
    length = int(side * ratio) + 1
    tall = squares(side, length)
    assert 3 <= len(tall) <= MAX_SQUARES
    assert [(box.left, box.right) for box in tall] == [(0.0, 1.0)] * len(tall)
    assert tall[0].top == 0
    assert abs(tall[-1].bottom - 1) < 1e-9
    for box in tall:
        assert abs((box.bottom - box.top) * length - side) < 1e-6 * length
    if len(tall) < MAX_SQUARES:
        assert all(right.top < left.bottom - 0.25 * (left.bottom - left.top) + 1e-9 for left, right in pairwise(tall))
    assert squares(length, side) == [Box(box.top, box.left, box.bottom, box.right) for box in tall]


@given(sides, st.floats(1, 2))
def test_a_picture_that_is_not_long_has_no_squares(side, ratio):
    assert squares(side, int(side * ratio)) == squares(int(side * ratio), side) == []
