"""A text tower with a memory: a BERT, and a table of known texts with what each of them looks like.

A text is answered by the anchors it is close to, so that the map from words to pictures can be as
crooked as it is, and can be solved for in one step (`seesay.training.alignment`), with no gradient.
Everything is differentiable, so it can be trained further like any other tower.

Shape legend: B batch, L tokens, D width of the BERT, M anchors, E embedding.

Source: kernel regression with a Gaussian kernel on the sphere and inducing points, as in Williams and
Seeger, "Using the Nyström method to speed up kernel machines", NIPS 2000.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesay.models.bert import Bert, BertConfig


@dataclass(frozen=True, kw_only=True, slots=True)
class AnchoredBertConfig(BertConfig):
    """The shape of the BERT, and of the memory behind it."""

    num_anchors: int
    """M, how many texts are remembered."""
    dim: int
    """E, the length of what is remembered of each; what the tower ends in."""
    sharpness: float
    """How fast an anchor loses weight with distance: its weight is exp(sharpness * (cosine - 1)). At 4, an
    unrelated text weighs 0.02, a synonym with a cosine of 0.8 weighs 0.45."""


class AnchoredBert(nn.Module):
    """The text tower: `sum over m of exp(sharpness * (cosine(text, anchor_m) - 1)) * value_m`."""

    config_type: ClassVar[type[AnchoredBertConfig]] = AnchoredBertConfig

    def __init__(self, config: AnchoredBertConfig) -> None:
        super().__init__()
        self.width = config.dim
        self.sharpness = config.sharpness
        self.bert = Bert(config)
        self.anchors = nn.Parameter(F.normalize(torch.randn(config.num_anchors, config.width), dim=1))
        self.values = nn.Parameter(torch.randn(config.num_anchors, config.dim) * config.dim**-0.5)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Texts to their features.

        Args:
            tokens: (B, L) int64 ids.
            mask: (B, L) 1 for a token, 0 for padding.

        Returns:
            (B, E) features, not normalised.
        """
        cosines_BM = F.normalize(self.bert(tokens, mask), dim=-1) @ self.anchors.T
        return torch.exp(self.sharpness * (cosines_BM - 1)) @ self.values
