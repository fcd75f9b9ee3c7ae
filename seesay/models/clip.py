r"""CLIP: an image tower and a text tower that meet in one space.

    image -> image tower -> projection -> unit vector \
                                                        scale * cosine (+ bias)
    text  -> text tower  -> projection -> unit vector /

A variant is data, not code: `build` turns the "model" section of a bundle's config.json into a `Clip`,
with the towers looked up in the tables of `seesay.models`. Files, tokens and losses are not known here.

Shape legend: B batch, S picture side in pixels, P patches a side, L tokens, D tower width, E embedding.

Source: Learning Transferable Visual Models From Natural Language Supervision, arXiv:2103.00020;
the bias from SigLIP, arXiv:2303.15343.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesay.base.errors import UsageError
from seesay.base.tables import resolve
from seesay.models import IMAGE_TOWERS, TEXT_TOWERS
from seesay.models.config import from_dict
from seesay.models.text import TextTransformer

Projection = Literal["none", "linear", "affine", "mlp"]
HIDDEN_FACTOR = 8  # of an `Mlp`: its hidden layer is so many times as wide as the tower


class ImageTower(Protocol):
    """What `Clip` asks of an image tower; it is an `nn.Module` with a frozen `config_type`."""

    width: int

    def __call__(self, images: Tensor, /) -> Tensor:
        """(B, 3, S, S) -> (B, D) features."""
        ...

    def with_patches(self, images: Tensor, /) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) -> (B, D) features and (B, P, P, D) patch features in the same space."""
        ...


class TextTower(Protocol):
    """What `Clip` asks of a text tower; it is an `nn.Module` with a frozen `config_type`."""

    width: int

    def __call__(self, tokens: Tensor, mask: Tensor, /) -> Tensor:
        """(B, L) ids and mask -> (B, D) features."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class HeadConfig:
    """How the towers are joined."""

    dim: int
    """E, the length of the vectors of both sides."""
    image_projection: Projection
    """"linear" in CLIP; "none" where the tower ends in E already (SigLIP); "affine" adds a bias; "mlp" is `Mlp`."""
    text_projection: Projection
    has_bias: bool
    """Whether a learned bias is added to the scaled cosines (SigLIP)."""


class ClipOutput(NamedTuple):
    """Everything that a contrastive loss needs."""

    images: Tensor
    """(B, E) unit rows."""
    texts: Tensor
    """(B, E) unit rows; row i belongs to image i."""
    scale: Tensor
    """() positive, what the cosines are multiplied by."""
    bias: Tensor | None
    """() what is then added, where the model has one."""


class Mlp(nn.Module):
    """An affine map, and beside it a layer of its own for what is not linear.

    For a tower that stays as it was trained for something else: the affine part can be solved for in closed form,
    and the other starts at nothing.

    Args:
        width: D, of the tower.
        dim: E, of the joint space.
    """

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.affine = nn.Linear(width, dim)
        self.up = nn.Linear(width, HIDDEN_FACTOR * width)
        self.down = nn.Linear(HIDDEN_FACTOR * width, dim, bias=False)
        nn.init.normal_(self.affine.weight, std=width**-0.5)
        nn.init.zeros_(self.affine.bias)
        nn.init.zeros_(self.down.weight)

    def forward(self, features: Tensor) -> Tensor:
        """(..., D) -> (..., E), not normalised."""
        return cast(Tensor, self.affine(features) + self.down(F.gelu(self.up(features))))


class Clip(nn.Module):
    """Two towers, a projection for each, and the scale of their cosines.

    Attributes:
        dim: E, the length of the vectors.
        log_scale: () the learned logarithm of the scale; starts at ln(1 / 0.07) as in the paper, with a bias
            at ln(10) as in SigLIP.
        bias: () the learned bias, or None; starts at -10 as in SigLIP.
    """

    def __init__(self, image_tower: ImageTower, text_tower: TextTower, config: HeadConfig) -> None:
        super().__init__()
        self.dim = config.dim
        self.image_tower = image_tower
        self.text_tower = text_tower
        self.image_projection = _projection(config.image_projection, image_tower.width, config.dim)
        self.text_projection = _projection(config.text_projection, text_tower.width, config.dim)
        self.log_scale = nn.Parameter(torch.tensor(math.log(10 if config.has_bias else 1 / 0.07)))
        self.bias = nn.Parameter(torch.tensor(-10.0)) if config.has_bias else None

    def embed_images(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised pixels -> (B, E) unit rows."""
        return F.normalize(self.project_images(images), dim=-1)

    def embed_texts(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, L) ids and (B, L) mask, 1 for a token -> (B, E) unit rows."""
        return F.normalize(self.project_texts(tokens, mask), dim=-1)

    def project_images(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) normalised pixels -> (B, E), not normalised."""
        return cast(Tensor, self.image_projection(self.image_tower(images)))

    def project_images_and_features(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 3, S, S) normalised pixels -> (B, E) vectors and (B, D) features, behind the projection and before it.

        The latter is what a linear probe reads (appendix A.3); without a projection the two are the same.
        """
        features_BD = self.image_tower(images)
        return self.image_projection(features_BD), features_BD

    def project_images_and_patches(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Pictures and their patches in the joint space, not normalised; costs more than the pictures alone.

        Args:
            images: (B, 3, S, S) normalised pixels.

        Returns:
            (B, E) pictures and (B, P, P, E) patches, rows top to bottom.
        """
        pooled_BD, patches_BPPD = self.image_tower.with_patches(images)
        return self.image_projection(pooled_BD), self.image_projection(patches_BPPD)

    def project_texts(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """(B, L) ids and (B, L) mask, 1 for a token -> (B, E), not normalised."""
        return cast(Tensor, self.text_projection(self.text_tower(tokens, mask)))

    def project_packs(self, tokens: Tensor, positions: Tensor, allowed: Tensor, ends: Tensor) -> Tensor:
        """Packed texts, as `TextTransformer.read_packs` takes them -> (B, R, E), not normalised.

        Raises:
            UsageError: the text tower is not causal, so that its texts share nothing.
        """
        tower = self.text_tower
        if not isinstance(tower, TextTransformer) or tower.config.attention != "causal":
            raise UsageError("only a causal text tower reads packed texts; give this one whole rows of tokens")
        return cast(Tensor, self.text_projection(tower.read_packs(tokens, positions, allowed, ends)))

    def forward(self, images: Tensor, tokens: Tensor, mask: Tensor) -> ClipOutput:
        """One batch of pairs.

        Args:
            images: (B, 3, S, S) normalised pixels.
            tokens: (B, L) int64 ids; row i describes image i.
            mask: (B, L) 1 for a token, 0 for padding.
        """
        return ClipOutput(self.embed_images(images), self.embed_texts(tokens, mask), self.log_scale.exp(), self.bias)


def build(config: Mapping[str, Any]) -> Clip:
    """Make a `Clip` with fresh weights from the "model" section of a bundle's config.

        {"dim": 384, "image_projection": "affine", "text_projection": "affine", "has_bias": false,
         "image": {"tower": "efficientnet_lite", ...}, "text": {"tower": "bert", ...}}

    Raises:
        UnknownNameError: no such tower.
        UsageError: a field is missing, unknown or of the wrong type.
    """
    head = {name: value for name, value in config.items() if name not in ("image", "text")}
    return Clip(
        _build_tower(config, "image", IMAGE_TOWERS),
        _build_tower(config, "text", TEXT_TOWERS),
        from_dict(HeadConfig, head, where="the model"),
    )


def normalize_pixels(pixels: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """(..., S, S, 3) uint8 -> (..., 3, S, S) float; `mean` and `std` are (3,), of RGB in [0, 1]."""
    return ((pixels.to(mean.dtype) / 255 - mean) / std).movedim(-1, -3)


def _build_tower(config: Mapping[str, Any], side: str, table: Mapping[str, str]) -> Any:
    fields = config.get(side)
    if not isinstance(fields, Mapping) or not isinstance(fields.get("tower"), str):
        raise UsageError(f'the model\'s config has no {side!r} section that names its "tower": got {fields!r}')
    tower = resolve(table, fields["tower"], kind=f"{side} tower")
    own = {name: value for name, value in fields.items() if name != "tower"}
    return tower(from_dict(tower.config_type, own, where=f"the {side} tower {fields['tower']}"))


def _projection(kind: Projection, width: int, dim: int) -> nn.Module:
    if kind == "none":
        if width != dim:
            raise UsageError(f'a tower without projection must end in {dim} numbers, got {width}; use "linear"')
        return nn.Identity()
    if kind == "mlp":
        return Mlp(width, dim)
    layer = nn.Linear(width, dim, bias=kind == "affine")
    nn.init.normal_(layer.weight, std=width**-0.5)  # the paper's initialisation of both projections
    if kind == "affine":
        nn.init.zeros_(layer.bias)
    return layer
