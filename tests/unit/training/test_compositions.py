"""Pictures that are made: as many as asked for, the same for the same seed, what is transparent shows the ground."""

import numpy as np
import pictures
import pytest
from PIL import Image

from seesay.training.compositions import compose, compositions, leave_out_huge, part

RED, GREEN = (255, 0, 0), (0, 255, 0)


@pytest.fixture
def drawing(tmp_path):
    """A red square in the middle of nothing."""
    picture = Image.new("RGBA", (60, 40), (0, 0, 255, 0))
    picture.paste((*RED, 255), (20, 10, 40, 30))
    picture.save(tmp_path / "drawing.png")
    return tmp_path / "drawing.png"


@pytest.fixture
def photo():
    return pictures.photo(90, 60)


def made(drawing, photo, **changes):
    settings = {"count": 40, "size_px": 48, "share_photos": 0.5, "seed": 0} | changes
    return [np.asarray(picture) for picture in compositions([drawing], [photo], **settings)]


def has_red(pixels):
    return bool((pixels == RED).all(axis=-1).any())


def test_so_many_squares_come(drawing, photo):
    squares = made(drawing, photo)
    assert {picture.shape for picture in squares} == {(48, 48, 3)}
    assert len(squares) == 40
    assert len({picture.tobytes() for picture in squares}) == 40


def test_the_same_seed_makes_the_same_pictures(drawing, photo):
    first, again, other = (made(drawing, photo, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


@pytest.mark.parametrize(("share", "num_drawings"), [(1.0, 0), (0.0, 40)])
def test_the_share_of_photographs_is_kept(drawing, photo, share, num_drawings):
    assert sum(has_red(pixels) for pixels in made(drawing, photo, share_photos=share)) == num_drawings


def test_what_is_transparent_shows_the_ground(drawing):
    ground = Image.new("RGB", (48, 48), GREEN)
    with Image.open(drawing) as opened:
        pixels = np.asarray(compose(opened, ground, np.random.default_rng(0)))
    assert has_red(pixels)
    assert (pixels[0, 0] == GREEN).all()
    assert not (pixels == (0, 0, 255)).all(axis=-1).any()
    assert np.asarray(ground)[24, 24].tolist() == list(GREEN)  # the ground itself stays


def test_a_part_is_as_large_as_was_asked_for_and_within_the_photograph(photo):
    random = np.random.default_rng(0)
    for _ in range(20):
        square = part(photo, random, 30, (0.1, 1.0))
        assert square.size == (30, 30)
    whole = part(Image.new("RGB", (8, 8), RED), random, 30, (1.0, 1.0))
    assert (np.asarray(whole) == RED).all()


def test_huge_drawings_are_left_out(tmp_path, drawing, monkeypatch):
    sides = {"large": 2000, "larger": 2001, "bomb": 2200}
    for name, side in sides.items():
        Image.new("1", (side, 2000)).save(tmp_path / f"{name}.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 2_150_000)  # what has twice as many is refused when it is opened
    paths = [drawing, *(tmp_path / f"{name}.png" for name in sides)]
    assert leave_out_huge(paths) == paths[:2]
