"""The transformer block that every image and text tower here is made of, and the attention it rests on.

CLIP's ViT, SigLIP, PE-Core and all their text towers share this one block: normalise, attend, add;
normalise, widen, narrow, add. What differs between them is data in a tower's config.

Only what a tower reads out is computed: where one token of the last block becomes the vector (the class
token, the end token), `Block.update` leaves the others out, which is exact and saves most of that block.

Shape legend: B batch, L tokens, R tokens that are read out, D width, H heads, K head width, P positions.

Source: An Image is Worth 16x16 Words, arXiv:2010.11929, section 3.1; the sizes of CLIP, arXiv:2103.00020.
"""

from collections.abc import Callable
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Activation = Literal["gelu", "gelu_tanh", "quick_gelu"]


def quick_gelu(x: Tensor) -> Tensor:
    """OpenAI's approximation of GELU, x * sigmoid(1.702 x): off by up to 0.02, so never to be swapped silently."""
    return x * torch.sigmoid(1.702 * x)


def _gelu_tanh(x: Tensor) -> Tensor:
    return F.gelu(x, approximate="tanh")  # what JAX calls gelu; SigLIP was trained with it


ACTIVATIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    "gelu": F.gelu,
    "gelu_tanh": _gelu_tanh,
    "quick_gelu": quick_gelu,
}


class Rotation(NamedTuple):
    """How much each pair of numbers of each patch's queries and keys is turned."""

    cos: Tensor
    """(P, K), the same twice for each pair."""
    sin: Tensor
    """(P, K)."""
    num_prefix: int
    """Tokens before the patches (the class token), which have no place and are not turned."""


def attend(
    queries: Tensor,
    keys: Tensor,
    values: Tensor,
    num_heads: int,
    *,
    allowed: Tensor | None = None,
    is_causal: bool = False,
    rotation: Rotation | None = None,
) -> Tensor:
    """Multi-head attention without its projections.

    Args:
        queries: (B, R, D).
        keys: (B, L, D).
        values: (B, L, D).
        num_heads: H, which divides D.
        allowed: bool, broadcast to (B, H, R, L); what may be looked at, everything by default.
        is_causal: token i looks at tokens 0 to i; then R must be L.
        rotation: turns of queries and keys; then R must be L.

    Returns:
        (B, R, D), the heads side by side.
    """
    q_BHRK, k_BHLK, v_BHLK = (_split_heads(x, num_heads) for x in (queries, keys, values))
    if rotation is not None:
        q_BHRK, k_BHLK = rotate(q_BHRK, rotation), rotate(k_BHLK, rotation)
    y_BHRK = F.scaled_dot_product_attention(q_BHRK, k_BHLK, v_BHLK, attn_mask=allowed, is_causal=is_causal)
    return y_BHRK.transpose(1, 2).flatten(2)


def _split_heads(tokens: Tensor, num_heads: int) -> Tensor:
    return tokens.view(*tokens.shape[:2], num_heads, -1).transpose(1, 2)


def rotate(tokens: Tensor, rotation: Rotation) -> Tensor:
    """Turn the pairs (x0, x1), (x2, x3), ... of every patch; (B, H, L, K) -> (B, H, L, K), the prefix as it was.

    Source: RoFormer, arXiv:2104.09864, equation 34.
    """
    prefix, patches_BHPK = tokens[:, :, : rotation.num_prefix], tokens[:, :, rotation.num_prefix :]
    turned_BHPK = torch.stack([-patches_BHPK[..., 1::2], patches_BHPK[..., ::2]], dim=4).flatten(3)
    # the tables are fp32, because a bf16 angle of 24 patches would be off by a tenth of a radian
    patches_BHPK = (patches_BHPK * rotation.cos + turned_BHPK * rotation.sin).to(tokens.dtype)
    return torch.cat([prefix, patches_BHPK], dim=2)


class Block(nn.Module):
    """Attention and a feed-forward network, each of the normalised tokens and added to them.

    Its fresh weights are those of PyTorch's own attention and linear layers, which is what OpenAI's code
    starts its image towers from; a tower that starts otherwise says so itself.
    """

    def __init__(self, *, width: int, num_heads: int, mlp_dim: int, activation: Activation, norm_eps: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.activation = ACTIVATIONS[activation]
        self.attention_norm = nn.LayerNorm(width, eps=norm_eps)
        self.qkv = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.mlp_norm = nn.LayerNorm(width, eps=norm_eps)
        self.mlp_in = nn.Linear(width, mlp_dim)
        self.mlp_out = nn.Linear(mlp_dim, width)
        nn.init.xavier_uniform_(self.qkv.weight)
        nn.init.zeros_(self.qkv.bias)
        nn.init.zeros_(self.attention_out.bias)

    def forward(
        self,
        tokens: Tensor,
        *,
        allowed: Tensor | None = None,
        is_causal: bool = False,
        rotation: Rotation | None = None,
    ) -> Tensor:
        """(B, L, D) -> (B, L, D): every token looks at all, at those before it, or at those it is `allowed` to."""
        q_BLD, k_BLD, v_BLD = self.qkv(self.attention_norm(tokens)).chunk(3, dim=2)
        y_BLD = attend(q_BLD, k_BLD, v_BLD, self.num_heads, allowed=allowed, is_causal=is_causal, rotation=rotation)
        return self._finish(tokens, y_BLD)

    def update(self, rows: Tensor, tokens: Tensor, *, allowed: Tensor | None = None) -> Tensor:
        """What `forward` makes of some of the tokens, at the price of those only.

        Args:
            rows: (B, R, D) the tokens to compute, as they stand in `tokens`.
            tokens: (B, L, D) all tokens, to look at.
            allowed: bool, broadcast to (B, H, R, L); what the rows may look at.

        Returns:
            (B, R, D).
        """
        width = tokens.shape[2]
        q_BRD = F.linear(self.attention_norm(rows), self.qkv.weight[:width], self.qkv.bias[:width])
        kv_BLD = F.linear(self.attention_norm(tokens), self.qkv.weight[width:], self.qkv.bias[width:])
        k_BLD, v_BLD = kv_BLD.chunk(2, dim=2)
        y_BRD = attend(q_BRD, k_BLD, v_BLD, self.num_heads, allowed=allowed)
        return self._finish(rows, y_BRD)

    def alone(self, tokens: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D): every token looks at itself only, so that attention returns its own value.

        Source: MaskCLIP, arXiv:2112.01071, section 3.2.
        """
        start = 2 * tokens.shape[2]
        v_BLD = F.linear(self.attention_norm(tokens), self.qkv.weight[start:], self.qkv.bias[start:])
        return self._finish(tokens, v_BLD)

    def _finish(self, tokens: Tensor, attended: Tensor) -> Tensor:
        x_BLD = tokens + self.attention_out(attended)
        y_BLD: Tensor = x_BLD + self.mlp_out(self.activation(self.mlp_in(self.mlp_norm(x_BLD))))
        return y_BLD


class AttentionPool(nn.Module):
    """One learned query looks at all tokens and becomes the vector: the "MAP head" of SigLIP and PE-Core.

    Source: Scaling Vision Transformers, arXiv:2106.04560, section 3.1; Set Transformer, arXiv:1810.00825.
    """

    def __init__(self, *, width: int, num_heads: int, mlp_dim: int, activation: Activation, norm_eps: float) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.activation = ACTIVATIONS[activation]
        self.probe = nn.Parameter(torch.empty(width))
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.attention_out = nn.Linear(width, width)
        self.norm = nn.LayerNorm(width, eps=norm_eps)
        self.mlp_in = nn.Linear(width, mlp_dim)
        self.mlp_out = nn.Linear(mlp_dim, width)
        std = width**-0.5
        nn.init.trunc_normal_(self.probe, std=std, a=-2 * std, b=2 * std)

    def forward(self, tokens: Tensor) -> Tensor:
        """(B, L, D) -> (B, D)."""
        q_B1D = self.query(self.probe).expand(tokens.shape[0], 1, -1)
        y_B1D = attend(q_B1D, self.key(tokens), self.value(tokens), self.num_heads)
        return self._finish(y_B1D)[:, 0]

    def alone(self, tokens: Tensor) -> Tensor:
        """(B, L, D) -> (B, L, D): what the pool makes of each token if there were no other."""
        return self._finish(self.value(tokens))

    def _finish(self, attended: Tensor) -> Tensor:
        x_BLD = self.attention_out(attended)
        y_BLD: Tensor = x_BLD + self.mlp_out(self.activation(self.mlp_in(self.norm(x_BLD))))
        return y_BLD


def resize_positions(positions: Tensor, grid: tuple[int, int], *, num_prefix: int) -> Tensor:
    """Learned positions of a square of patches for another number of patches; the learned size is left as it is.

    Args:
        positions: (num_prefix + side * side, D), rows top to bottom.
        grid: height and width wanted, in patches.
        num_prefix: positions before the patches', which are kept.

    Returns:
        (num_prefix + height * width, D).

    Source: bicubic with antialias, as open_clip's `resize_pos_embed` and timm's `resample_abs_pos_embed` do.
    """
    prefix, patches_PD = positions[:num_prefix], positions[num_prefix:]
    side = round(len(patches_PD) ** 0.5)
    if grid == (side, side):
        return positions
    map_1DPP = patches_PD.t().reshape(1, -1, side, side)
    # fp32: the filter's weights lose their sum of one in half precision
    map_1DPP = F.interpolate(map_1DPP.float(), size=grid, mode="bicubic", align_corners=False, antialias=True)
    return torch.cat([prefix, map_1DPP.flatten(2)[0].t().to(positions.dtype)])
