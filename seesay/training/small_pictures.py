"""An image tower learns to see in a small picture what it sees in a large one.

A tower that was trained on sharp photographs gets a thumbnail enlarged, and takes it for a blurred photograph of
something else. Here a copy of it learns, from pictures that were made small and enlarged again, to give the vector
that it gave of the picture before; on some pictures as they are, so that it forgets little. No label is needed.

Shape legend: N pictures, B batch, S side in pixels, E embedding.

Sources: distillation of features, FitNets, arXiv:1412.6550; arXiv:1906.06423 on why the size of a picture matters to a
network; mixing the weights, WiSE-FT, arXiv:2109.01903.
"""

import io
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from seesay.inputs.transform import ImageTransform
from seesay.models.clip import Clip, normalize_pixels
from seesay.training.optimizer import warm_then_linear
from seesay.training.wise import mix

log = logging.getLogger("seesay.training.small_pictures")

_FILTERS = (Image.Resampling.BOX, Image.Resampling.BILINEAR, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)


@dataclass(frozen=True, kw_only=True, slots=True)
class SmallPicturesConfig:
    """How it is taught."""

    steps: int = 800
    batch_size: int = 32
    lr: float = 3e-4
    warmup_steps: int = 30
    sizes_px: tuple[int, int] = (24, 132)
    """Sides of the small pictures, their logarithms evenly drawn: a thumbnail, and half of what the tower wants."""
    share_whole: float = 0.2
    """How many pictures of a batch are not made small."""
    share_jpeg: float = 0.5
    """How many of those that are are stored as JPEG between, as thumbnails mostly are."""
    qualities: tuple[int, int] = (70, 97)
    """JPEG's, from the first to below the second."""
    share: float = 0.6
    """Of the weights that were learned; the rest are those before (`wise.mix`). The more, the better small pictures are
    seen and the worse large ones: of drawings kept apart, the mean cosine at 32, 64, 120 and 240 pixels was 0.77
    before, 0.886 with this share, 0.892 with 0.8 and 0.889 with all; that of the large ones 0.975, 0.961, 0.947."""
    seed: int = 0


def teach_small_pictures(
    clip: Clip, pictures: Sequence[Image.Image], transform: ImageTransform, config: SmallPicturesConfig
) -> list[float]:
    """Teach the image tower in place; the projection behind it stays, and so do the statistics of its norms.

    Args:
        clip: in its mode for use, with its image projection set.
        pictures: N square RGB pictures of S pixels.
        transform: the model's.
        config: how.

    Returns:
        The loss of every step, one minus the cosine.
    """
    random = np.random.default_rng(config.seed)
    with torch.inference_mode():
        batches = (pictures[start : start + config.batch_size] for start in range(0, len(pictures), config.batch_size))
        vectors = [_embed(clip, list(batch), transform) for batch in batches]
    targets_NE = torch.cat(vectors).clone()  # a tensor of inference cannot be learned from
    tower = cast(nn.Module, clip.image_tower)
    before = {name: tensor.clone() for name, tensor in tower.state_dict().items()}
    optimizer = torch.optim.AdamW(tower.parameters(), lr=config.lr, weight_decay=0.0)
    schedule = warm_then_linear(optimizer, steps=config.steps, warmup_steps=config.warmup_steps)
    losses = []
    for step in range(config.steps):
        rows_B = random.integers(len(pictures), size=config.batch_size)
        seen = [
            pictures[row] if random.random() < config.share_whole else shrink(pictures[row], random, config)
            for row in rows_B
        ]
        loss = 1 - (_embed(clip, seen, transform) * targets_NE[rows_B]).sum(dim=1).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if (step + 1) % 100 == 0:
            log.info("step %d of %d: loss %.3f", step + 1, config.steps, sum(losses[-100:]) / 100)
    clip.zero_grad()
    tower.load_state_dict(mix(before, tower.state_dict(), config.share))
    return losses


def shrink(picture: Image.Image, random: np.random.Generator, config: SmallPicturesConfig) -> Image.Image:
    """The same picture with few pixels, by any filter, some with JPEG's traces."""
    least, most = config.sizes_px
    side = round(least * (most / least) ** random.random())
    small = picture.resize((side, side), _FILTERS[random.integers(len(_FILTERS))])
    if random.random() >= config.share_jpeg:
        return small
    file = io.BytesIO()
    small.save(file, "JPEG", quality=int(random.integers(*config.qualities)))
    with Image.open(file) as stored:
        return stored.convert("RGB")


def _embed(clip: Clip, pictures: Sequence[Image.Image], transform: ImageTransform) -> Tensor:
    """(B, E) unit rows."""
    mean, std = (torch.tensor(values) for values in (transform.config.mean, transform.config.std))
    pixels_BSS3 = torch.from_numpy(np.stack([transform(picture) for picture in pictures]))
    return clip.embed_images(normalize_pixels(pixels_BSS3, mean, std))
