"""CLIP's ResNet as an image tower: a stem of three convolutions, strides without aliasing, attention pooling.

The projection after the pool's attention is the model's image projection (`Clip.image_projection`), so the
tower ends in the attended values. A patch for dense tasks is its own value, MaskCLIP's reading.

Shape legend: B batch, H and W height and width, C channels, P patches a side, L tokens, D width of the pool.

Sources: arXiv:2103.00020, section 2.4; ResNet-D, arXiv:1812.01187, figure 2; blur pooling,
arXiv:1904.11486; MaskCLIP, arXiv:2112.01071, section 3.2.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesay.models.transformer import attend, resize_positions

EXPANSION = 4  # a block's channels over those of its 3 x 3 convolution
STRIDE = 32  # pixels a patch


@dataclass(frozen=True, kw_only=True, slots=True)
class ModifiedResNetConfig:
    """The shape of a ResNet."""

    image_size: int
    """Side in pixels that the pool's positions were learned for; pictures may have another."""
    width: int
    """Channels after the stem; the pool sees 32 times as many."""
    num_blocks: tuple[int, int, int, int]
    """Blocks of the four stages."""
    num_heads: int
    """Heads of the attention pool."""


class ConvNorm(nn.Module):
    """A convolution without bias, batch normalisation, and mostly ReLU."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1, linear: bool = False) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
        self.norm = nn.BatchNorm2d(outputs)
        self.linear = linear

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        y_BCHW = self.norm(self.conv(maps))
        return y_BCHW if self.linear else F.relu(y_BCHW)


class Bottleneck(nn.Module):
    """Narrow, look around, widen; added to the input. It shrinks by averaging, never by skipping pixels."""

    def __init__(self, inputs: int, channels: int, *, stride: int) -> None:
        super().__init__()
        outputs = channels * EXPANSION
        self.narrow = ConvNorm(inputs, channels)
        self.look = ConvNorm(channels, channels, kernel=3)
        self.shrink = nn.AvgPool2d(stride) if stride > 1 else nn.Identity()
        self.widen = ConvNorm(channels, outputs, linear=True)
        is_same = stride == 1 and inputs == outputs
        self.shortcut = None if is_same else ConvNorm(inputs, outputs, linear=True)
        nn.init.zeros_(self.widen.norm.weight)  # every block starts as the identity

    def forward(self, maps: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        y_BCHW = self.widen(self.shrink(self.look(self.narrow(maps))))
        same_BCHW = maps if self.shortcut is None else self.shortcut(self.shrink(maps))
        return F.relu(same_BCHW + y_BCHW)


class ResNetPool(nn.Module):
    """The mean over patches asks, all patches answer: attention without the projection behind it."""

    def __init__(self, *, width: int, num_heads: int, side: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.position_embedding = nn.Parameter(torch.empty(1 + side * side, width))
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        for parameter in (self.position_embedding, self.query.weight, self.key.weight, self.value.weight):
            nn.init.normal_(parameter, std=width**-0.5)

    def forward(self, patches: Tensor) -> Tensor:
        """(B, P, P, D) -> (B, D)."""
        grid = (patches.shape[1], patches.shape[2])
        x_BLD = patches.flatten(1, 2)
        x_BLD = torch.cat([x_BLD.mean(dim=1, keepdim=True), x_BLD], dim=1)
        x_BLD = x_BLD + resize_positions(self.position_embedding, grid, num_prefix=1).to(x_BLD.dtype)
        return attend(self.query(x_BLD[:, :1]), self.key(x_BLD), self.value(x_BLD), self.num_heads)[:, 0]


class ModifiedResNet(nn.Module):
    """The image tower: a map of patches 32 times smaller than the picture, and what the pool makes of it."""

    config_type: ClassVar[type[ModifiedResNetConfig]] = ModifiedResNetConfig

    def __init__(self, config: ModifiedResNetConfig) -> None:
        super().__init__()
        channels = config.width
        self.width = channels * 32
        self.stem = nn.Sequential(
            ConvNorm(3, channels // 2, kernel=3, stride=2),
            ConvNorm(channels // 2, channels // 2, kernel=3),
            ConvNorm(channels // 2, channels, kernel=3),
            nn.AvgPool2d(2),
        )
        stages = []
        for stage, num_blocks in enumerate(config.num_blocks):
            blocks = []
            for block in range(num_blocks):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(Bottleneck(channels, config.width * 2**stage, stride=stride))
                channels = config.width * 2**stage * EXPANSION
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.pool = ResNetPool(width=self.width, num_heads=config.num_heads, side=config.image_size // STRIDE)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised pixels -> (B, D) features, not normalised; S may be any, and sides may differ."""
        pooled: Tensor = self.pool(self._patches(images))
        return pooled

    def with_patches(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures and their patches.

        Args:
            images: (B, 3, S, S) normalised pixels.

        Returns:
            (B, D) what `forward` returns, and (B, P, P, D) patches in the same space, rows top to bottom.
        """
        patches_BPPD = self._patches(images)
        return self.pool(patches_BPPD), self.pool.value(patches_BPPD)

    def _patches(self, images: Tensor) -> Tensor:
        patches: Tensor = self.stages(self.stem(images)).permute(0, 2, 3, 1)
        return patches
