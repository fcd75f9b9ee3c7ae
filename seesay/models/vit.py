"""The vision transformer as an image tower: CLIP's, SigLIP's and PE-Core's, told apart by data.

                 class token   before the blocks   positions            the vector is
    CLIP         yes           a norm              learned              the class token
    SigLIP       no            nothing             learned              an attention pool over patches
    PE-Core      yes, not G    a norm              learned and rotary   an attention pool over all tokens

Patches for dense tasks (detection, segmentation) are read where the vector is made: in the last attention
each patch looks at itself only. For a class token that is MaskCLIP's value path through the last block, for
an attention pool what the pool makes of the patch alone. The usual output of the last block is not used,
because with a class token no loss ever looked at it.

Shape legend: B batch, S picture side in pixels, P patches a side, L tokens, D width, K head width.

Sources: arXiv:2103.00020 (CLIP), arXiv:2303.15343 (SigLIP), arXiv:2504.13181 (PE-Core), arXiv:2112.01071
(MaskCLIP), arXiv:2104.09864 (rotary positions).
"""

from dataclasses import dataclass
from typing import ClassVar, Literal, cast

import torch
from torch import Tensor, nn

from seesay.base.errors import UsageError
from seesay.models.transformer import Activation, AttentionPool, Block, Rotation, resize_positions


@dataclass(frozen=True, kw_only=True, slots=True)
class ViTConfig:
    """The shape of a vision transformer."""

    image_size: int
    """Side in pixels that the positions were learned for; pictures may have another, at some cost in accuracy."""
    patch_size: int
    """Side of a patch in pixels; what is left over at the right and the bottom is not seen."""
    width: int
    num_layers: int
    num_heads: int
    mlp_dim: int
    activation: Activation
    """OpenAI's and a few later models need "quick_gelu"; the wrong one costs points and raises no error."""
    norm_eps: float
    """Added to the variance: 1e-5 in CLIP and PE-Core, 1e-6 in SigLIP."""
    has_class_token: bool
    has_first_norm: bool
    """Normalise before the first block (CLIP, PE-Core); without it patches have a bias instead (SigLIP)."""
    rotary_grid: int
    """Side, in patches, of the grid that rotary positions were trained on; 0 without rotary positions."""
    pooling: Literal["class", "attention"]
    pool_num_heads: int
    """Heads of the attention pool; 0 without one."""
    pool_mlp_dim: int
    """Hidden numbers of the attention pool's feed-forward network; 0 without a pool."""


class ViT(nn.Module):
    """The image tower: patches, blocks, one vector a picture."""

    config_type: ClassVar[type[ViTConfig]] = ViTConfig

    def __init__(self, config: ViTConfig) -> None:
        super().__init__()
        if config.rotary_grid and config.pooling == "class":
            raise UsageError("rotary positions go with attention pooling only; no published model has them without")
        self.width = config.width
        self.config = config
        self.num_prefix = int(config.has_class_token)
        self.patch_dropout = 0.0  # share of the patches that a training step does not see; set by who trains
        side = config.image_size // config.patch_size
        size, width = config.patch_size, config.width
        self.patch_embedding = nn.Conv2d(3, width, kernel_size=size, stride=size, bias=not config.has_first_norm)
        self.class_embedding = nn.Parameter(torch.empty(width)) if config.has_class_token else None
        self.position_embedding = nn.Parameter(torch.empty(self.num_prefix + side * side, width))
        self.first_norm = nn.LayerNorm(width, eps=config.norm_eps) if config.has_first_norm else nn.Identity()
        self.blocks = nn.ModuleList(
            Block(
                width=width,
                num_heads=config.num_heads,
                mlp_dim=config.mlp_dim,
                activation=config.activation,
                norm_eps=config.norm_eps,
            )
            for _ in range(config.num_layers)
        )
        self.last_norm = nn.LayerNorm(width, eps=config.norm_eps)
        self.pool = _pool(config) if config.pooling == "attention" else None
        self._initialise()

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised pixels -> (B, D) features, not normalised; S may be any, and sides may differ."""
        return self._read_image(self._encode(images))

    def with_patches(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures and their patches.

        Args:
            images: (B, 3, S, S) normalised pixels.

        Returns:
            (B, D) what `forward` returns, and (B, P, P, D) patches in the same space, rows top to bottom.
        """
        tokens_BLD = self._encode(images)
        patches_BLD = tokens_BLD[:, self.num_prefix :]
        if self.pool is None:
            patches_BLD = self.last_norm(self._last_block.alone(patches_BLD))
        else:
            patches_BLD = self.pool.alone(patches_BLD)
        height, width = (side // self.config.patch_size for side in images.shape[2:])
        return self._read_image(tokens_BLD), patches_BLD.view(images.shape[0], height, width, -1)

    def _read_image(self, tokens: Tensor) -> Tensor:
        if self.pool is not None:
            return cast(Tensor, self.pool(tokens))
        class_B1D = self._last_block.update(tokens[:, :1], tokens)
        return cast(Tensor, self.last_norm(class_B1D))[:, 0]

    def _encode(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> (B, L, D), the tokens that the vector is read from.

        With a pool those are the last ones; the class token is read while the last block runs.
        """
        map_BDPP = self.patch_embedding(images)
        grid = (map_BDPP.shape[2], map_BDPP.shape[3])
        x_BLD = map_BDPP.flatten(2).transpose(1, 2)
        if self.class_embedding is not None:
            x_BLD = torch.cat([self.class_embedding.expand(x_BLD.shape[0], 1, -1).to(x_BLD.dtype), x_BLD], dim=1)
        x_BLD = x_BLD + resize_positions(self.position_embedding, grid, num_prefix=self.num_prefix).to(x_BLD.dtype)
        x_BLD = self.first_norm(x_BLD)
        if self.training and self.patch_dropout:
            x_BLD = self._drop_patches(x_BLD)
        rotation = self._rotation(grid, images.device) if self.config.rotary_grid else None
        for block in self.blocks if self.pool is not None else self.blocks[:-1]:
            x_BLD = block(x_BLD, rotation=rotation)
        return cast(Tensor, x_BLD if self.pool is None else self.last_norm(x_BLD))

    def _drop_patches(self, tokens: Tensor) -> Tensor:
        """(B, L, D) -> (B, fewer, D): another draw of patches for each picture; source: FLIP, arXiv:2212.00794."""
        num_batch, num_tokens, width = tokens.shape
        num_patches = num_tokens - self.num_prefix
        num_kept = max(1, round(num_patches * (1 - self.patch_dropout)))
        order_BP = torch.rand(num_batch, num_patches, device=tokens.device).argsort(dim=1)
        kept_BK1 = order_BP[:, :num_kept].sort(dim=1).values[..., None] + self.num_prefix
        patches_BKD = tokens.gather(1, kept_BK1.expand(-1, -1, width))
        return torch.cat([tokens[:, : self.num_prefix], patches_BKD], dim=1)

    @property
    def _last_block(self) -> Block:
        return cast(Block, self.blocks[-1])

    def _rotation(self, grid: tuple[int, int], device: torch.device) -> Rotation:
        """Half of the pairs turn with the column, half with the row, in places of the grid that was trained on."""
        head_dim = self.config.width // self.config.num_heads
        slots = torch.arange(head_dim // 4, device=device, dtype=torch.float32)
        frequencies = 10_000 ** (-slots / (head_dim // 4))
        rows, columns = (
            # from 1, because place 0 is the class token's
            torch.arange(1, side + 1, device=device, dtype=torch.float32) / side * self.config.rotary_grid
            for side in grid
        )
        by_column = (columns[:, None] * frequencies).expand(grid[0], -1, -1)
        by_row = (rows[:, None] * frequencies)[:, None].expand(-1, grid[1], -1)
        angles_LK = torch.cat([by_column, by_row], dim=2).flatten(0, 1).repeat_interleave(2, dim=1)
        return Rotation(angles_LK.cos(), angles_LK.sin(), self.num_prefix)

    def _initialise(self) -> None:
        """OpenAI's start with a class token's vector, timm's (which open_clip trains SigLIP from) with a pool's.

        PE-Core publishes none and gets the latter.
        """
        if self.pool is None:
            std = self.config.width**-0.5
            nn.init.normal_(self.position_embedding, std=std)
        else:
            std = 0.02
            nn.init.trunc_normal_(self.position_embedding, std=std)
            for module in self.modules():
                if isinstance(module, nn.Linear):
                    nn.init.trunc_normal_(module.weight, std=std)
                    nn.init.zeros_(module.bias)
        if self.class_embedding is not None:
            nn.init.normal_(self.class_embedding, std=std)


def _pool(config: ViTConfig) -> AttentionPool:
    return AttentionPool(
        width=config.width,
        num_heads=config.pool_num_heads,
        mlp_dim=config.pool_mlp_dim,
        activation=config.activation,
        norm_eps=config.norm_eps,
    )
