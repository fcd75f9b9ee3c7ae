"""Order matters: what moves to the left is told from what moves to the right by those who can see order, in seconds.

The clips of a pair have the same frames; texts are two fixed directions. bench/order.py does it with photographs.
"""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from clips import LABELS, draw_clip

from seesay.models import variants
from seesay.models.clip import build
from seesay.models.temporal import make_config
from seesay.models.temporal_clip import VideoClip

NUM_TRAIN, NUM_TEST, T, E = 24, 12, 4, 32
MODEL = variants.clip(E, variants.vit(48, 16, 64, 2, 2), variants.text(64, 1, context_length=8))


@pytest.fixture(scope="module")
def clips():
    """(N, T, 3, S, S) and (N,): pairs, the last of which are not trained on."""
    drawn = [draw_clip(label, number, T) for number in range(NUM_TRAIN + NUM_TEST) for label in LABELS]
    pixels = torch.from_numpy(np.array([[np.asarray(frame) for frame in frames] for frames in drawn]))
    return pixels.movedim(-1, -3).float() / 127.5 - 1, torch.tensor([0, 1] * (NUM_TRAIN + NUM_TEST))


def train_on(clips, tower, head, steps):
    torch.manual_seed(0)
    model = VideoClip(build(MODEL), make_config(E, num_frames=T, tower=tower, head=head, num_layers=1))
    texts = torch.linalg.qr(torch.randn(E, 2))[0].T
    videos, labels = clips
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    for _ in range(steps):
        batch = torch.randint(0, 2 * NUM_TRAIN, (16,))
        loss = F.cross_entropy(14.3 * model.embed_images(videos[batch]) @ texts.T, labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.inference_mode():
        answers = (model.embed_images(videos[2 * NUM_TRAIN :]) @ texts.T).argmax(dim=1)
    return float((answers == labels[2 * NUM_TRAIN :]).float().mean())


@pytest.mark.parametrize(("tower", "head"), [("frames", "transformer"), ("shift", "mean"), ("joint", "mean")])
def test_transformer_shift_and_joint_tell_the_direction_of_what_they_have_not_seen(tower, head, clips):
    assert train_on(clips, tower, head, steps=260) > 0.9


def test_the_mean_is_at_chance_whatever_it_learned(clips):
    assert train_on(clips, "frames", "mean", steps=20) == 0.5
