"""Time inside the image tower: what ActionCLIP calls in-network and pre-network visual prompts.

"shift": before each block's attention, an eighth of the numbers of each patch comes from the next frame and an eighth
from the one before (TSM). Only what attention reads is shifted, not what it is added to: TSM's residual shift, which
keeps the picture; ActionCLIP shifts both, twelve times over. At the ends the frame itself is repeated where TSM has
zeros, so that a video in which nothing moves is exactly its picture.

"joint": the patches of all frames, each with the embedding of its time, are one sequence with one class token.
ActionCLIP's own version cannot run: its tower uses a T and a `rearrange` that are nowhere defined.

Shape legend: B videos, T frames, P patches of a frame, L tokens of a frame, D width.

Sources: TSM, arXiv:1811.08383; ActionCLIP, arXiv:2109.08472, and its code (clip/model.py, modules/temporal_shift.py).
"""

from typing import cast

import torch
from torch import Tensor, nn

from seesay.base.errors import UsageError
from seesay.models.transformer import Block, resize_positions
from seesay.models.vit import ViT

SHARE = 8
"""One in so many numbers comes from each neighbour; source: TSM, which shifts a quarter in all."""


def shift(tokens: Tensor, num_frames: int, num_prefix: int) -> Tensor:
    """Move an eighth of the numbers of every patch one frame back, and an eighth one frame on.

    Args:
        tokens: (B * T, L, D).
        num_frames: T.
        num_prefix: tokens before the patches, which belong to a frame and stay.

    Returns:
        (B * T, L, D).
    """
    prefix = tokens[:, :num_prefix]
    num_rows, num_tokens, width = tokens.shape
    patches = tokens[:, num_prefix:].reshape(num_rows // num_frames, num_frames, num_tokens - num_prefix, width)
    share = width // SHARE
    later = torch.cat([patches[:, 1:, :, :share], patches[:, -1:, :, :share]], dim=1)
    earlier = torch.cat([patches[:, :1, :, share : 2 * share], patches[:, :-1, :, share : 2 * share]], dim=1)
    moved = torch.cat([later, earlier, patches[..., 2 * share :]], dim=3)
    return torch.cat([prefix, moved.flatten(0, 1)], dim=1)


class ShiftedNorm(nn.LayerNorm):
    """A block's first normalisation, followed by the shift; its weights are those of the norm it stands for."""

    def __init__(self, norm: nn.LayerNorm, num_prefix: int) -> None:
        super().__init__(norm.normalized_shape, eps=norm.eps)
        self.weight, self.bias = norm.weight, norm.bias
        self.num_frames = 1
        self._num_prefix = num_prefix

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - PyTorch's name
        """(B * T, L, D) -> (B * T, L, D); a picture alone, and a class token alone, are not shifted."""
        tokens = super().forward(input)
        return shift(tokens, self.num_frames, self._num_prefix) if self.num_frames > 1 else tokens


def add_shift(tower: nn.Module) -> list[ShiftedNorm]:
    """Put the shift into every block of an image tower, in place; `set_frames` then says how many belong together.

    Raises:
        UsageError: the tower is no ViT.
    """
    tower = _require_vit(tower, "shift")
    norms = []
    for block in tower.blocks:
        assert isinstance(block, Block)
        block.attention_norm = ShiftedNorm(block.attention_norm, tower.num_prefix)
        norms.append(block.attention_norm)
    return norms


def set_frames(norms: list[ShiftedNorm], num_frames: int) -> None:
    """Say how many neighbouring rows of a batch are one video."""
    for norm in norms:
        norm.num_frames = num_frames


class JointTime(nn.Module):
    """The embedding of each frame's time, and the way of all frames through the image tower as one sequence."""

    def __init__(self, tower: nn.Module, num_frames: int) -> None:
        super().__init__()
        vit = _require_vit(tower, "joint")
        if vit.config.rotary_grid:
            raise UsageError('rotary positions are of one picture; the tower "joint" goes with learned ones')
        # as long as the embedding of a place, as in ActionCLIP: shorter ones take long to be noticed
        self.time_embedding = nn.Parameter(torch.randn(num_frames, vit.width) * vit.width**-0.5)

    def forward(self, tower: ViT, videos: Tensor) -> Tensor:
        """(B, T, 3, S, S) normalised pixels -> (B, D) features.

        Raises:
            UsageError: another number of frames than times were learned for.
        """
        num_videos, num_frames = videos.shape[:2]
        if num_frames != len(self.time_embedding):
            raise UsageError(f"this model sees {len(self.time_embedding)} frames at once, got {num_frames}")
        map_ = tower.patch_embedding(videos.flatten(0, 1))
        positions = resize_positions(
            tower.position_embedding, (map_.shape[2], map_.shape[3]), num_prefix=tower.num_prefix
        ).to(map_.dtype)
        x_BTPD = map_.flatten(2).transpose(1, 2).reshape(num_videos, num_frames, -1, tower.width)
        x_BTPD = x_BTPD + positions[tower.num_prefix :] + self.time_embedding[:, None].to(map_.dtype)
        x_BLD = x_BTPD.flatten(1, 2)
        if tower.class_embedding is not None:
            token_D = tower.class_embedding.to(map_.dtype) + positions[0]
            x_BLD = torch.cat([token_D.expand(num_videos, 1, -1), x_BLD], dim=1)
        return _through_blocks(tower, tower.first_norm(x_BLD))


def _through_blocks(tower: ViT, tokens: Tensor) -> Tensor:
    for block in tower.blocks[:-1]:
        tokens = block(tokens)
    last = cast(Block, tower.blocks[-1])
    if tower.pool is not None:
        return cast(Tensor, tower.pool(tower.last_norm(last(tokens))))
    return cast(Tensor, tower.last_norm(last.update(tokens[:, :1], tokens)))[:, 0]


def _require_vit(tower: nn.Module, kind: str) -> ViT:
    if not isinstance(tower, ViT):
        raise UsageError(
            f'the tower "{kind}" needs a vision transformer, and this one is {type(tower).__name__}; '
            'a head such as "transformer" goes with every tower'
        )
    return tower
