"""The transformer as a text tower: CLIP's, which reads left to right, and SigLIP's, which reads both ways.

Knows tensors only; tokens come from `inputs`. Shape legend: B batch, L tokens, D width.

Sources: arXiv:2103.00020 (CLIP), section 2.4; arXiv:2303.15343 (SigLIP).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesay.models.reading import Pooling, read_places
from seesay.models.transformer import Activation, Block


@dataclass(frozen=True, kw_only=True, slots=True)
class TextTransformerConfig:
    """The shape of a text tower."""

    vocabulary_size: int
    context_length: int
    """How many positions were learned, counting start and end tokens."""
    width: int
    num_layers: int
    num_heads: int
    mlp_dim: int
    activation: Activation
    """OpenAI's and a few later models need "quick_gelu"; the wrong one costs points and raises no error."""
    norm_eps: float
    """Added to the variance: 1e-5 in CLIP and PE-Core, 1e-6 in SigLIP."""
    attention: Literal["causal", "full"]
    """"causal": a token looks at those before it, so padding after the end changes nothing (CLIP).

    "full": a token looks at all, padding included, so texts must be padded to the context length (SigLIP).
    """
    pooling: Pooling
    """Where the vector is read; see `seesay.models.reading`."""
    end_id: int
    """The token that ends a text; in OpenAI's vocabulary it is the largest id too."""


class TextTransformer(nn.Module):
    """The text tower: token and position embeddings, blocks, one vector a text."""

    config_type: ClassVar[type[TextTransformerConfig]] = TextTransformerConfig

    def __init__(self, config: TextTransformerConfig) -> None:
        super().__init__()
        self.width = config.width
        self.config = config
        self.token_embedding = nn.Embedding(config.vocabulary_size, config.width)
        self.position_embedding = nn.Parameter(torch.empty(config.context_length, config.width))
        self.blocks = nn.ModuleList(
            Block(
                width=config.width,
                num_heads=config.num_heads,
                mlp_dim=config.mlp_dim,
                activation=config.activation,
                norm_eps=config.norm_eps,
            )
            for _ in range(config.num_layers)
        )
        self.last_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self._initialise()

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Texts to their features.

        Args:
            tokens: (B, L) int64 ids, L at most the context length; for a "full" tower exactly that.
            mask: (B, L) not needed: what stands after the end is not seen by a "causal" tower, and a "full"
                one was trained to look at the padding.

        Returns:
            (B, D) features, not normalised.
        """
        num_tokens = tokens.shape[1]
        x_BLD = self.token_embedding(tokens) + self.position_embedding[:num_tokens]
        for block in self.blocks[:-1]:
            x_BLD = block(x_BLD, is_causal=self.config.attention == "causal")
        place_B1 = read_places(tokens, pooling=self.config.pooling, end_id=self.config.end_id)[:, None]
        row_B1D = x_BLD.gather(1, place_B1.unsqueeze(2).expand(-1, -1, self.width))
        allowed_B11L = None
        if self.config.attention == "causal":
            allowed_B11L = (torch.arange(num_tokens, device=tokens.device) <= place_B1)[:, None, None]
        row_B1D = cast(Block, self.blocks[-1]).update(row_B1D, x_BLD, allowed=allowed_B11L)
        return cast(Tensor, self.last_norm(row_B1D))[:, 0]

    def read_packs(self, tokens: Tensor, positions: Tensor, allowed: Tensor, ends: Tensor) -> Tensor:
        """Many texts at once, each beginning that they share computed once; for "causal" towers.

        A token's keys and values depend on the tokens before it only. So texts that begin alike are laid out
        as one tree in a row: the shared tokens once, then each continuation, which looks at its own beginning
        and not at its neighbours. See `seesay.encoders.packing`.

        Args:
            tokens: (B, T) int64 ids; T may be more than the context length.
            positions: (B, T) int64, the place that each token has in its own text.
            allowed: (B, T, T) bool, what each token looks at: itself and those before it in its text.
            ends: (B, R) int64, where in the row each of its texts ends.

        Returns:
            (B, R, D) features, not normalised.
        """
        x_BTD = self.token_embedding(tokens) + F.embedding(positions, self.position_embedding)
        for block in self.blocks[:-1]:
            x_BTD = block(x_BTD, allowed=allowed.unsqueeze(1))
        end_BRD = x_BTD.gather(1, ends.unsqueeze(2).expand(-1, -1, self.width))
        seen_BRT = allowed.gather(1, ends.unsqueeze(2).expand(-1, -1, tokens.shape[1]))
        end_BRD = cast(Block, self.blocks[-1]).update(end_BRD, x_BTD, allowed=seen_BRT.unsqueeze(1))
        return cast(Tensor, self.last_norm(end_BRD))

    def _initialise(self) -> None:
        """The paper's start: deviations from width and depth, so that the sum over blocks keeps its size.

        Source: section 2.5 names the idea, OpenAI's `CLIP.initialize_parameters` the numbers.
        """
        width = self.config.width
        nn.init.normal_(self.token_embedding.weight, std=0.02)
        nn.init.normal_(self.position_embedding, std=0.01)
        residual_std = width**-0.5 * (2 * self.config.num_layers) ** -0.5
        for block in self.blocks:
            assert isinstance(block, Block)
            nn.init.normal_(block.qkv.weight, std=width**-0.5)
            nn.init.normal_(block.attention_out.weight, std=residual_std)
            nn.init.normal_(block.mlp_in.weight, std=(2 * width) ** -0.5)
            nn.init.normal_(block.mlp_out.weight, std=residual_std)
