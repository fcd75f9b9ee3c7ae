"""From the vectors of a video's frames to one vector: what ActionCLIP calls visual prompts after the image tower.

Every head starts as the mean over the frames, but for a positive factor: what it adds is zero until it is trained. So
an untrained video model gives CLIP's own zero-shot answer, and weights between the two (WiSE-FT) mean something.

Towers and texts are not known here; what happens before and inside the image tower is `temporal_towers`.

Shape legend: B videos, T frames, E embedding.

Source: ActionCLIP, arXiv:2109.08472, and its code (modules/Visual_Prompt.py). Two things differ from that. Its
convolution reads (B, T, E) memory as if it were (B, E, T), which mixes frames and numbers; here the axes are swapped.
And its heads start from random weights; here from those of the mean.
"""

import math
from dataclasses import dataclass
from typing import Literal, cast

import torch
from torch import Tensor, nn

from seesay.base.errors import UsageError
from seesay.base.tables import resolve
from seesay.models import TEMPORAL_HEADS
from seesay.models.transformer import Activation, Block

Head = Literal["mean", "convolution", "lstm", "transformer", "class_transformer"]
FrameTower = Literal["frames", "shift", "joint"]


@dataclass(frozen=True, kw_only=True, slots=True)
class TemporalConfig:
    """How a CLIP sees several frames."""

    num_frames: int
    """T, how many frames of a video it was trained on."""
    tower: FrameTower
    """"frames": each alone; "shift": a part of each block's input comes from the neighbours; "joint": the patches of
    all frames are one sequence, which gives one vector, so that the head is "mean"."""
    head: Head
    """What makes one vector of the frames'."""
    num_layers: int
    """Of a transformer; 0 without one."""
    num_heads: int
    """Of a transformer; 0 without one."""
    num_positions: int
    """Frames that a transformer has positions for; 0 without one."""
    activation: Activation
    norm_eps: float
    has_unit_frames: bool
    """Whether the head gets frames as unit vectors, as the mean of a zero-shot answer does and stored vectors are;
    ActionCLIP's checkpoints were trained on vectors of any length."""


def make_config(
    dim: int, *, num_frames: int, tower: FrameTower = "frames", head: Head = "mean", num_layers: int = 6
) -> TemporalConfig:
    """The shape ActionCLIP uses: six layers, a head of attention for 64 numbers.

    Args:
        dim: E.
        num_frames: T.
        tower: see `TemporalConfig`.
        head: see `TemporalConfig`.
        num_layers: of a transformer.
    """
    has_layers = head in ("transformer", "class_transformer")
    return TemporalConfig(
        num_frames=num_frames,
        tower=tower,
        head=head,
        num_layers=num_layers if has_layers else 0,
        num_heads=max(1, dim // 64) if has_layers else 0,
        num_positions=max(77, num_frames) if has_layers else 0,
        activation="quick_gelu",
        norm_eps=1e-5,
        has_unit_frames=True,
    )


def build_head(config: TemporalConfig, dim: int) -> nn.Module:
    """A fresh head: (B, T, E) -> (B, E), not normalised.

    Raises:
        UnknownNameError: no such head.
        UsageError: a head that takes frames behind a tower that gives one vector.
    """
    if config.num_frames < 1:
        raise UsageError(f"a video needs one frame at least, got num_frames={config.num_frames}")
    if config.tower == "joint" and config.head != "mean":
        raise UsageError(f'the tower "joint" gives one vector a video, so the head must be "mean", not {config.head!r}')
    head: nn.Module = resolve(TEMPORAL_HEADS, config.head, kind="temporal head")(config, dim)
    return head


class Mean(nn.Module):
    """Frames in any order."""

    def __init__(self, config: TemporalConfig, dim: int) -> None:
        super().__init__()

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, E) -> (B, E)."""
        return frames.mean(dim=1)


class Convolution(nn.Module):
    """Each number is blended with itself in the frames before and after, added to the frames, and averaged.

    Being linear and averaged over all frames, it sees of the order only what stands at the two ends: within, every
    frame meets each of the three weights once.
    """

    def __init__(self, config: TemporalConfig, dim: int) -> None:
        super().__init__()
        self.blend = nn.Conv1d(dim, dim, kernel_size=3, padding=1, groups=dim, bias=False)
        with torch.no_grad():
            self.blend.weight.zero_()
            self.blend.weight[:, 0, 1] = 1.0

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, E) -> (B, E)."""
        blended_BTE = self.blend(frames.transpose(1, 2)).transpose(1, 2)
        return cast(Tensor, (frames + blended_BTE).mean(dim=1))


class Lstm(nn.Module):
    """Frames read one after the other; what it says after each is added to the frame."""

    def __init__(self, config: TemporalConfig, dim: int) -> None:
        super().__init__()
        self.lstm = nn.LSTM(dim, dim, batch_first=True)
        with torch.no_grad():  # a cell that takes nothing in says nothing: the third quarter of PyTorch's rows
            for parameter in self.lstm.parameters():
                parameter[2 * dim : 3 * dim] = 0.0

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, E) -> (B, E)."""
        said_BTE, _ = self.lstm(frames)
        return (frames + cast(Tensor, said_BTE)).mean(dim=1)


class TemporalTransformer(nn.Module):
    """Frames with their positions look at each other; the result is added to them and averaged."""

    def __init__(self, config: TemporalConfig, dim: int) -> None:
        super().__init__()
        self.position_embedding = nn.Parameter(_positions(config, dim))
        self.blocks = _blocks(config, dim)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, E) -> (B, E).

        Raises:
            UsageError: there are more frames than positions.
        """
        x_BTE = frames + _take(self.position_embedding, frames.shape[1])
        for block in self.blocks:
            x_BTE = block(x_BTE)
        return (frames + x_BTE).mean(dim=1)


class ClassTransformer(nn.Module):
    """A class token, which starts as the mean of the frames, looks at them and is the result.

    ActionCLIP's has PyTorch's own encoder layer, normalised after each sum, and a token that knows no frame; here
    the blocks are CLIP's, so that it can start as the mean.
    """

    def __init__(self, config: TemporalConfig, dim: int) -> None:
        super().__init__()
        self.class_embedding = nn.Parameter(torch.zeros(dim))
        self.position_embedding = nn.Parameter(_positions(config, dim))
        self.blocks = _blocks(config, dim)

    def forward(self, frames: Tensor) -> Tensor:
        """(B, T, E) -> (B, E).

        Raises:
            UsageError: there are more frames than positions.
        """
        token_B1E = frames.mean(dim=1, keepdim=True) + self.class_embedding
        x_BLE = torch.cat([token_B1E, frames + _take(self.position_embedding, frames.shape[1])], dim=1)
        for block in self.blocks[:-1]:
            x_BLE = block(x_BLE)
        return cast(Block, self.blocks[-1]).update(x_BLE[:, :1], x_BLE)[:, 0]


def _blocks(config: TemporalConfig, dim: int) -> nn.ModuleList:
    if config.num_layers < 1 or config.num_heads < 1 or dim % config.num_heads:
        raise UsageError(
            f"a temporal transformer needs layers, and heads that divide its width of {dim}; got "
            f"num_layers={config.num_layers}, num_heads={config.num_heads}"
        )
    blocks = nn.ModuleList(
        Block(
            width=dim,
            num_heads=config.num_heads,
            mlp_dim=4 * dim,
            activation=config.activation,
            norm_eps=config.norm_eps,
        )
        for _ in range(config.num_layers)
    )
    for block in blocks:
        assert isinstance(block, Block)
        for last in (block.attention_out, block.mlp_out):
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
    return blocks


def _positions(config: TemporalConfig, dim: int) -> Tensor:
    """(num_positions, E) as long as a frame's unit vector; those of the first T sum to zero and so move no mean."""
    positions = torch.randn(config.num_positions, dim) / math.sqrt(dim)
    positions[: config.num_frames] -= positions[: config.num_frames].mean(dim=0)
    return positions


def _take(positions: Tensor, num_frames: int) -> Tensor:
    if num_frames > len(positions):
        raise UsageError(f"the temporal head has positions for {len(positions)} frames, got {num_frames}; sample fewer")
    return positions[:num_frames]
