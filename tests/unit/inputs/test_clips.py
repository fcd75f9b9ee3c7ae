"""Moments of a video and the squares it is looked at in."""

import numpy as np
import pytest
from clips import draw_clip, write_video
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seesay.base.errors import InputError, UsageError
from seesay.inputs.clips import crops, frame_files, middle_places, random_places, read_frames, view_places


@given(st.integers(1, 40), st.integers(0, 1000))
def test_there_is_one_moment_in_each_of_the_equal_parts(num_frames, seed):
    for places in (middle_places(num_frames), random_places(num_frames, np.random.default_rng(seed))):
        assert [int(place * num_frames) for place in places] == list(range(num_frames))


@given(st.integers(1, 20), st.integers(1, 12))
def test_views_together_are_as_many_middles(num_frames, num_views):
    every = sorted(place for view in view_places(num_frames, num_views) for place in view)
    np.testing.assert_allclose(every, middle_places(num_frames * num_views))


def test_one_view_is_the_middle():
    assert view_places(8, 1) == [middle_places(8)]


def write_frames(folder, count, suffix=".png"):
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (20, 10), (number * 10,) * 3).save(folder / f"img_{number + 1}{suffix}")
    return folder


def levels(frames):
    return [frame.getpixel((0, 0))[0] // 10 for frame in frames]


def test_a_folder_is_read_in_the_order_of_its_numbers(tmp_path):
    folder = write_frames(tmp_path / "clip", 12)
    assert [path.name for path in frame_files(folder)][:3] == ["img_1.png", "img_2.png", "img_3.png"]
    assert levels(read_frames(folder, middle_places(12))) == list(range(12))
    assert levels(read_frames(folder, middle_places(3))) == [2, 6, 10]


def test_a_short_video_repeats_its_frames(tmp_path):
    assert levels(read_frames(write_frames(tmp_path / "clip", 2), middle_places(4))) == [0, 0, 1, 1]
    assert levels(read_frames(write_frames(tmp_path / "one", 1), middle_places(4))) == [0] * 4


def test_a_file_and_its_frames_in_a_folder_are_read_alike(tmp_path):
    frames = draw_clip("moving right", num_frames=16)
    video = write_video(tmp_path / "clip.mp4", frames)
    (tmp_path / "clip").mkdir()
    for number, frame in enumerate(frames):
        frame.save(tmp_path / "clip" / f"{number:03}.png")
    for places in (middle_places(8), middle_places(5)):
        of_file, of_folder = (read_frames(path, places) for path in (video, tmp_path / "clip"))
        for one, other in zip(of_file, of_folder, strict=True):
            # H.264 at a high quality: a frame too early or too late would differ by far more at the square's edges
            assert np.abs(np.asarray(one, float) - np.asarray(other, float)).mean() < 3


def test_an_empty_folder_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no frames"):
        read_frames(tmp_path, middle_places(2))


@pytest.mark.parametrize("size", [(50, 20), (20, 50), (30, 30)])
def test_three_crops_are_squares_that_cover_the_picture_and_the_second_is_the_middle(size):
    picture = Image.fromarray(np.arange(size[0] * size[1], dtype=np.uint16).reshape(size[::-1]) % 251).convert("L")
    cut = crops(picture, 3)
    assert [one.size for one in cut] == [(min(size), min(size))] * 3
    pixels = np.asarray(picture)
    side = min(size)
    np.testing.assert_array_equal(np.asarray(cut[0]), pixels[:side, :side])
    np.testing.assert_array_equal(np.asarray(cut[2]), pixels[-side:, -side:])
    left, top = (round((length - side) / 2) for length in size)
    np.testing.assert_array_equal(np.asarray(cut[1]), pixels[top : top + side, left : left + side])


def test_other_numbers_of_crops_are_refused():
    with pytest.raises(UsageError, match="1 crop or 3"):
        crops(Image.new("RGB", (4, 4)), 2)
