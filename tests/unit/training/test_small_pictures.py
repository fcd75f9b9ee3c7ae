"""A tower that is taught sees in small pictures more of what it saw in large ones, and forgets little of those."""

import io

import numpy as np
import pytest
import torch
from pictures import photo
from PIL import Image

from seesay.inputs.transform import ImageConfig, ImageTransform
from seesay.models.clip import build
from seesay.training.compositions import part
from seesay.training.small_pictures import SmallPicturesConfig, shrink, teach_small_pictures

SIDE = 32
CONFIG = SmallPicturesConfig(
    steps=60, batch_size=16, lr=1e-4, warmup_steps=5, sizes_px=(4, 12), share_jpeg=0.0, share=1.0
)
TRANSFORM = ImageTransform(
    ImageConfig(size_px=SIDE, resize="shortest", interpolation="bicubic", mean=(0.5,) * 3, std=(0.5,) * 3)
)
MODEL = {
    "dim": 8,
    "image_projection": "affine",
    "text_projection": "linear",
    "has_bias": False,
    "image": {"tower": "efficientnet_lite", "channel_factor": 0.25, "depth_factor": 0.5, "head_dim": 32},
    "text": {
        "tower": "bert",
        "vocabulary_size": 10,
        "context_length": 4,
        "width": 8,
        "num_layers": 1,
        "num_heads": 2,
        "mlp_dim": 8,
        "norm_eps": 1e-6,
        "pooling": "mean",
    },
}


@pytest.fixture
def pictures():
    """Fine stripes and checks, of which little is left at three pixels."""
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (n, n, 3), dtype=np.uint8) for n in (4, 8, 16, 32)]
    textures = [Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.NEAREST) for pixels in noise]
    return [*textures, *(part(photo(), random, SIDE, (0.2, 1.0)) for _ in range(8))]


@pytest.fixture
def clip(pictures):
    """Made for the pictures, as after a training: with norms of their statistics, and away with what they share."""
    torch.manual_seed(0)
    clip = build(MODEL)
    for module in clip.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the mean of all that it sees
    with torch.no_grad():
        clip.train().embed_images(images(pictures))
        mean = clip.eval().image_tower(images(pictures)).mean(dim=0)
        clip.image_projection.bias.copy_(-clip.image_projection.weight @ mean)
    return clip


def images(pictures):
    pixels = np.stack([TRANSFORM(picture) for picture in pictures])
    return torch.from_numpy(pixels).permute(0, 3, 1, 2) / 127.5 - 1


def vectors(clip, pictures):
    with torch.inference_mode():
        return clip.embed_images(images(pictures)).numpy()


def test_small_pictures_come_nearer_to_themselves(clip, pictures):
    small = [picture.resize((5, 5), Image.Resampling.BOX) for picture in pictures]
    whole, before = vectors(clip, pictures), vectors(clip, small)
    losses = teach_small_pictures(clip, pictures, TRANSFORM, CONFIG)
    assert len(losses) == CONFIG.steps
    assert np.mean(losses[-10:]) < np.mean(losses[:10])
    apart_before, apart = (1 - (whole * found).sum(axis=1).mean() for found in (before, vectors(clip, small)))
    assert apart < 0.7 * apart_before
    assert (whole * vectors(clip, pictures)).sum(axis=1).mean() > 0.8


def test_only_the_weights_of_the_image_tower_change(clip, pictures):
    before = {name: tensor.clone() for name, tensor in clip.state_dict().items()}
    teach_small_pictures(clip, pictures, TRANSFORM, CONFIG)
    changed = {name for name, tensor in clip.state_dict().items() if not torch.equal(before[name], tensor)}
    assert changed
    assert {name.partition(".")[0] for name in changed} == {"image_tower"}
    assert not any("running" in name for name in changed)
    assert all(parameter.grad is None for parameter in clip.parameters())


def test_the_same_seed_teaches_the_same(clip, pictures):
    start = {name: tensor.clone() for name, tensor in clip.state_dict().items()}
    few = SmallPicturesConfig(steps=3, batch_size=4, sizes_px=(3, 12))
    first = teach_small_pictures(clip, pictures, TRANSFORM, few)
    clip.load_state_dict(start)
    np.testing.assert_allclose(teach_small_pictures(clip, pictures, TRANSFORM, few), first, rtol=1e-4)


def test_sides_and_traces_are_drawn_as_asked_for():
    random, picture = np.random.default_rng(0), photo(64, 64)
    config = SmallPicturesConfig(sizes_px=(6, 24), share_jpeg=0.0)
    sides = [shrink(picture, random, config).width for _ in range(200)]
    assert (min(sides), max(sides)) == (6, 24)
    assert 80 < sum(side < 12 for side in sides) < 120  # half of them below the geometric mean
    stored = SmallPicturesConfig(sizes_px=(16, 16), share_jpeg=1.0, qualities=(5, 6))
    plain = {np.asarray(shrink(picture, random, SmallPicturesConfig(sizes_px=(16, 16), share_jpeg=0.0))).tobytes()}
    assert np.asarray(shrink(picture, random, stored)).tobytes() not in plain


def test_a_picture_that_was_stored_is_independent_of_its_file():
    random = np.random.default_rng(0)
    small = shrink(photo(64, 64), random, SmallPicturesConfig(share_jpeg=1.0))
    assert small.mode == "RGB"
    small.save(io.BytesIO(), "PNG")
