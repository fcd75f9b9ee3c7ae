"""A text tower of the BERT kind: bidirectional, normalised after each step, pooled by mean or class token.

Knows tensors only; tokens come from `inputs`. Shape legend: B batch, L tokens, D width, H heads, K head width.

Source: BERT, arXiv:1810.04805; mean pooling as in Sentence-BERT, arXiv:1908.10084, section 3.
"""

from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True, slots=True)
class BertConfig:
    """The shape of a BERT-like text tower."""

    vocabulary_size: int
    context_length: int
    """How many positions were learned, counting the two special tokens."""
    width: int
    num_layers: int
    num_heads: int
    mlp_dim: int
    norm_eps: float
    """Added to the variance; 1e-12 in the published BERTs, where PyTorch's own default is 1e-5."""
    pooling: Literal["mean", "class"]


class BertLayer(nn.Module):
    """Attention, then a feed-forward network; each is added to its input and the sum is normalised."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.num_heads = config.num_heads
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.attention_out = nn.Linear(config.width, config.width)
        self.attention_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.mlp_in = nn.Linear(config.width, config.mlp_dim)
        self.mlp_out = nn.Linear(config.mlp_dim, config.width)
        self.mlp_norm = nn.LayerNorm(config.width, eps=config.norm_eps)

    def forward(self, x_BLD: Tensor, allowed_B11L: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D); only tokens that are `allowed_B11L` are looked at."""
        q_BHLK, k_BHLK, v_BHLK = self.qkv(x_BLD).unflatten(2, (3, self.num_heads, -1)).permute(2, 0, 3, 1, 4)
        y_BHLK = F.scaled_dot_product_attention(q_BHLK, k_BHLK, v_BHLK, attn_mask=allowed_B11L)
        x_BLD = self.attention_norm(x_BLD + self.attention_out(y_BHLK.transpose(1, 2).flatten(2)))
        # the exact GELU, not its tanh form: BERT's `hidden_act` is "gelu"
        normed: Tensor = self.mlp_norm(x_BLD + self.mlp_out(F.gelu(self.mlp_in(x_BLD))))
        return normed


class Bert(nn.Module):
    """The text tower: token and position embeddings, layers, one vector a text."""

    config_type: ClassVar[type[BertConfig]] = BertConfig

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        self.width = config.width
        self.pooling = config.pooling
        self.token_embedding = nn.Embedding(config.vocabulary_size, config.width)
        # BERT's "first sentence" embedding is a constant of every token, so it lives in here
        self.position_embedding = nn.Parameter(torch.zeros(config.context_length, config.width))
        self.embedding_norm = nn.LayerNorm(config.width, eps=config.norm_eps)
        self.layers = nn.ModuleList([BertLayer(config) for _ in range(config.num_layers)])
        self.apply(_initialise)
        nn.init.normal_(self.position_embedding, std=0.02)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Texts to their features; what stands under the mask changes nothing.

        Args:
            tokens: (B, L) int64 ids, L at most the context length.
            mask: (B, L) 1 for a token, 0 for padding; every row has at least one token.

        Returns:
            (B, D) features, not normalised.
        """
        x_BLD: Tensor = self.token_embedding(tokens) + self.position_embedding[: tokens.shape[1]]
        x_BLD = self.embedding_norm(x_BLD)
        allowed_B11L = mask.bool()[:, None, None, :]
        for layer in self.layers:
            x_BLD = layer(x_BLD, allowed_B11L)
        if self.pooling == "class":
            return x_BLD[:, 0]
        weight_BL1: Tensor = mask.to(x_BLD.dtype).unsqueeze(2)
        return (x_BLD * weight_BL1).sum(dim=1) / weight_BL1.sum(dim=1)


def _initialise(module: nn.Module) -> None:
    """BERT's own start: normal with deviation 0.02, biases zero."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear):
        nn.init.zeros_(module.bias)
