"""What training does to a clip, it does to all of its frames alike."""

import numpy as np
import pytest
from clips import draw_clip
from PIL import Image

from seesay.base.errors import UsageError
from seesay.data.clips import ClipAugmentation, augment_clip
from seesay.data.randaugment import CHANGES, change, rand_augment

PLAIN = ClipAugmentation(flip=False, colors=0.0, gray=0.0)


def noise(seed=0, size=(60, 40)):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    return Image.fromarray(pixels)


def augment(pictures, how, seed):
    return augment_clip(pictures, 32, how, np.random.default_rng(seed))


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_the_same_for_every_frame_and_does_something(name):
    changed = [change(name, [noise()] * 3, 15, np.random.default_rng(seed)) for seed in range(8)]
    for clip in changed:
        assert len(clip) == 3
        # sharpening looks at neighbours, and those of the last row of a frame are the next frame's
        inner = [np.asarray(one)[2:-2] for one in clip]
        assert all((one == inner[0]).all() for one in inner)
    if name != "auto_contrast":  # the noise has all contrast there is; a half is no change for brightness and its like
        weak = change(name, [noise()], 9, np.random.default_rng(0))[0]
        assert (np.asarray(weak) != np.asarray(noise())).any()


def test_strength_is_bounded():
    with pytest.raises(UsageError, match="0 to 30"):
        rand_augment([noise()], 2, 31, np.random.default_rng(0))


@pytest.mark.parametrize("seed", range(20))
def test_a_video_in_which_nothing_moves_stays_one(seed):
    how = ClipAugmentation(flip=True, colors=1.0, gray=0.5)
    clip = augment([noise()] * 4, how, seed)
    assert clip.shape == (4, 32, 32, 3)
    assert (clip == clip[:1]).all()


def test_the_same_draw_gives_the_same_clip_and_another_one_another():
    pictures = [noise(seed) for seed in range(3)]
    how = ClipAugmentation()
    np.testing.assert_array_equal(augment(pictures, how, 7), augment(pictures, how, 7))
    assert len({augment(pictures, how, seed).tobytes() for seed in range(10)}) == 10


def test_without_flips_left_stays_left():
    pictures = draw_clip("moving right")
    for seed in range(30):
        clip = augment(pictures, PLAIN, seed).astype(float)
        there = np.abs(clip - np.median(clip, axis=(1, 2), keepdims=True)).sum(axis=3).mean(axis=1)  # (T, columns)
        seen = [place for place, row in enumerate(there) if row.sum() > 1]
        centres = [float((there[place] * np.arange(32)).sum() / there[place].sum()) for place in seen]
        assert centres == sorted(centres)


def test_about_half_of_the_clips_are_mirrored():
    ramp = Image.fromarray(np.tile(np.arange(40, dtype=np.uint8) * 6, (40, 1))).convert("RGB")
    how = ClipAugmentation(flip=True, colors=0.0, gray=0.0)
    mirrored = [augment([ramp], how, seed)[0, 0, 0, 0] > augment([ramp], how, seed)[0, 0, -1, 0] for seed in range(200)]
    assert 70 < sum(mirrored) < 130


def test_grey_is_grey():
    clip = augment([noise()], ClipAugmentation(flip=False, colors=0.0, gray=1.0), 0)
    assert (clip[..., 0] == clip[..., 1]).all()
    assert (clip[..., 1] == clip[..., 2]).all()


def test_the_crop_is_never_smaller_than_two_thirds_of_the_shorter_side():
    ramp = Image.fromarray(np.tile(np.arange(250, dtype=np.uint8), (100, 1))).convert("RGB")
    spans = []
    for seed in range(100):
        row = augment([ramp], PLAIN, seed)[0, 16, :, 0].astype(int)
        spans.append(row[-1] - row[0])
    assert min(spans) > 0.66 * 100 * 30 / 32 - 2
    assert max(spans) <= 100
