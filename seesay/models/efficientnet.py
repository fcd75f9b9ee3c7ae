"""EfficientNet-Lite: an image tower of inverted bottlenecks with ReLU6, made for small machines.

Nothing here knows about texts, files or pretrained weights; the key map of the published weights
stands in `training/recipes/starter.py`, the only place that reads them.

Shape legend: B batch, H and W height and width in pixels or patches, C channels, P patches a side.

Source: EfficientNet, arXiv:1905.11946; the Lite variant (no squeeze-excitation, ReLU6, stem and
head not scaled) from github.com/tensorflow/tpu, models/official/efficientnet/lite.
"""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor, nn

# repeats, kernel, stride, expansion, output channels: the baseline network B0, table 1 of the paper
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class EfficientNetConfig:
    """The size of an EfficientNet-Lite. Lite0 is 1.0, 1.0; Lite1 1.0, 1.1; Lite2 1.1, 1.2."""

    channel_factor: float
    """What the channels of every block are multiplied by (then rounded to a multiple of 8)."""
    depth_factor: float
    """What the repeats of every stage but the first and the last are multiplied by, rounded up."""
    head_dim: int
    """Channels of the last convolution, which are the pooled feature; 1280 in every published Lite."""


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow pads: ceil(size / stride) outputs, the odd pixel at the end.

    The published weights were trained so; PyTorch's symmetric padding would shift every strided layer
    by half a pixel.
    """

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int, groups: int) -> None:
        around = kernel // 2 if stride == 1 else 0  # without a stride the two agree, and this one is faster
        super().__init__(inputs, outputs, kernel, stride, padding=around, groups=groups, bias=False)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', ceil(H / stride), ceil(W / stride))."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        if stride > 1:
            height, width = (
                max((math.ceil(size / stride) - 1) * stride + kernel - size, 0) for size in x_BCHW.shape[2:]
            )
            x_BCHW = F.pad(x_BCHW, (width // 2, width - width // 2, height // 2, height - height // 2))
        return super().forward(x_BCHW)


class ConvNorm(nn.Module):
    """Convolution, batch normalisation and, unless it is linear, ReLU6."""

    def __init__(
        self, inputs: int, outputs: int, *, kernel: int = 1, stride: int = 1, groups: int = 1, linear: bool = False
    ) -> None:
        super().__init__()
        self.conv = SameConv(inputs, outputs, kernel=kernel, stride=stride, groups=groups)
        self.norm = nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01)  # TensorFlow's 0.99, from the other side
        self.linear = linear

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        x_BCHW = self.norm(self.conv(x_BCHW))
        return x_BCHW if self.linear else F.relu6(x_BCHW)


class InvertedBottleneck(nn.Module):
    """Widen, look around in every channel by itself, narrow again; a shortcut where the shape stays."""

    def __init__(self, inputs: int, outputs: int, *, kernel: int, stride: int, expansion: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = ConvNorm(inputs, hidden) if expansion > 1 else nn.Identity()
        self.depthwise = ConvNorm(hidden, hidden, kernel=kernel, stride=stride, groups=hidden)
        self.project = ConvNorm(hidden, outputs, linear=True)
        self.is_residual = stride == 1 and inputs == outputs

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H', W')."""
        y_BCHW: Tensor = self.project(self.depthwise(self.expand(x_BCHW)))
        return x_BCHW + y_BCHW if self.is_residual else y_BCHW


class EfficientNetLite(nn.Module):
    """The image tower: a feature map 32 times smaller than the picture, and its mean."""

    config_type: ClassVar[type[EfficientNetConfig]] = EfficientNetConfig

    def __init__(self, config: EfficientNetConfig) -> None:
        super().__init__()
        self.width = config.head_dim
        channels = 32  # the Lite variant scales neither stem nor head
        self.stem = ConvNorm(3, channels, kernel=3, stride=2)
        blocks = []
        for stage, (repeats, kernel, stride, expansion, outputs) in enumerate(STAGES):
            if stage not in (0, len(STAGES) - 1):
                repeats = math.ceil(repeats * config.depth_factor)
            outputs = _round_channels(outputs * config.channel_factor)
            for repeat in range(repeats):
                first = stride if repeat == 0 else 1
                blocks.append(InvertedBottleneck(channels, outputs, kernel=kernel, stride=first, expansion=expansion))
                channels = outputs
        self.blocks = nn.Sequential(*blocks)
        self.head = ConvNorm(channels, config.head_dim)

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) normalised pixels -> (B, D) the mean over patches, not normalised."""
        return self.with_patches(images)[0]

    def with_patches(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised pixels to the picture's feature and its patches'.

        Args:
            images: (B, 3, H, W) float.

        Returns:
            (B, D) the mean over patches, and (B, P, P, D) the patches, rows top to bottom; here the
            picture's feature is exactly the mean of its patches'.
        """
        patches_BPPD = self.head(self.blocks(self.stem(images))).permute(0, 2, 3, 1)
        return patches_BPPD.mean(dim=(1, 2)), patches_BPPD


def _round_channels(channels: float, multiple: int = 8) -> int:
    rounded = max(multiple, int(channels + multiple / 2) // multiple * multiple)
    # Google's rule: never lose more than a tenth
    return rounded + multiple if rounded < 0.9 * channels else rounded
