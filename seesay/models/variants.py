"""The published architectures by name: each is the "model" section of a bundle's config, made from a line of data.

Names are open_clip's, because that is what people type. A name is an architecture with its activation, never
a set of weights. Preprocessing and tokenizers belong to whoever trained the weights and are not known here;
`family` says whose habits a variant's weights follow.

Sources: table 1 and appendix F of arXiv:2103.00020 (CLIP's nine); the files model_configs/*.json of open_clip
3.3 (all others), with timm 1.0 for the image towers of SigLIP and PE-Core.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

Family = Literal["clip", "siglip", "siglip_i18n", "siglip2", "pe"]
Section = dict[str, Any]

CLIP_VOCABULARY, CLIP_END_ID = 49_408, 49_407
_SIGLIP_VOCABULARIES: dict[Family, int] = {"siglip": 32_000, "siglip_i18n": 250_000, "siglip2": 256_000}


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One published architecture."""

    model: Mapping[str, Any]
    """As `seesay.models.clip.build` takes it."""
    family: Family
    """Whose preprocessing and tokenizer go with it."""


def vit(
    image_size: int,
    patch_size: int,
    width: int,
    num_layers: int,
    num_heads: int,
    *,
    mlp_dim: int | None = None,
    activation: str = "gelu",
) -> Section:
    """CLIP's image tower; the hidden numbers of a block are four times its width unless told."""
    return {
        "tower": "vit",
        "image_size": image_size,
        "patch_size": patch_size,
        "width": width,
        "num_layers": num_layers,
        "num_heads": num_heads,
        "mlp_dim": mlp_dim or 4 * width,
        "activation": activation,
        "norm_eps": 1e-5,
        "has_class_token": True,
        "has_first_norm": True,
        "rotary_grid": 0,
        "pooling": "class",
        "pool_num_heads": 0,
        "pool_mlp_dim": 0,
    }


def resnet(image_size: int, width: int, num_blocks: tuple[int, int, int, int]) -> Section:
    """CLIP's ResNet; the pool has a head for 64 of its 32 * width numbers."""
    return {
        "tower": "resnet",
        "image_size": image_size,
        "width": width,
        "num_blocks": list(num_blocks),
        "num_heads": width // 2,
    }


def text(width: int, num_layers: int = 12, *, context_length: int = 77, activation: str = "gelu") -> Section:
    """CLIP's text tower: causal, read at the end token, a head for 64 numbers."""
    return {
        "tower": "transformer",
        "vocabulary_size": CLIP_VOCABULARY,
        "context_length": context_length,
        "width": width,
        "num_layers": num_layers,
        "num_heads": width // 64,
        "mlp_dim": 4 * width,
        "activation": activation,
        "norm_eps": 1e-5,
        "attention": "causal",
        "pooling": "end",
        "end_id": CLIP_END_ID,
    }


def clip(dim: int, image: Section, text: Section) -> Section:
    """A CLIP with its two linear projections; a ResNet's is affine, being the end of its attention pool."""
    return {
        "dim": dim,
        "image_projection": "affine" if image["tower"] == "resnet" else "linear",
        "text_projection": "linear",
        "has_bias": False,
        "image": image,
        "text": text,
    }


def siglip_vit(
    image_size: int, patch_size: int, width: int, num_layers: int, num_heads: int, mlp_dim: int, activation: str
) -> Section:
    """SigLIP's image tower: no class token, no norm before the blocks, an attention pool as wide as a block."""
    return vit(image_size, patch_size, width, num_layers, num_heads, mlp_dim=mlp_dim, activation=activation) | {
        "norm_eps": 1e-6,
        "has_class_token": False,
        "has_first_norm": False,
        "pooling": "attention",
        "pool_num_heads": num_heads,
        "pool_mlp_dim": mlp_dim,
    }


def pe_vit(image_size: int, patch_size: int, width: int, num_layers: int, num_heads: int) -> Section:
    """PE-Core's image tower: CLIP's, with rotary positions and an attention pool of eight heads."""
    return vit(image_size, patch_size, width, num_layers, num_heads) | {
        "rotary_grid": image_size // patch_size,
        "pooling": "attention",
        "pool_num_heads": 8,
        "pool_mlp_dim": 4 * width,
    }


# dim, image size, channels after the stem, blocks a stage, width of the text tower
_RESNETS: dict[str, tuple[int, int, int, tuple[int, int, int, int], int]] = {
    "RN50": (1024, 224, 64, (3, 4, 6, 3), 512),
    "RN101": (512, 224, 64, (3, 4, 23, 3), 512),
    "RN50x4": (640, 288, 80, (4, 6, 10, 6), 640),
    "RN50x16": (768, 384, 96, (6, 8, 18, 8), 768),
    "RN50x64": (1024, 448, 128, (3, 15, 36, 10), 1024),
}

# dim; image size, patch size, width, layers, heads, hidden numbers; width and layers of the text tower
_VITS: dict[str, tuple[int, int, int, int, int, int, int, int, int]] = {
    "ViT-S-32": (384, 224, 32, 384, 12, 6, 1536, 384, 12),
    "ViT-S-16": (384, 224, 16, 384, 12, 6, 1536, 384, 12),
    "ViT-B-32": (512, 224, 32, 768, 12, 12, 3072, 512, 12),
    "ViT-B-32-256": (512, 256, 32, 768, 12, 12, 3072, 512, 12),
    "ViT-B-16": (512, 224, 16, 768, 12, 12, 3072, 512, 12),
    "ViT-B-16-plus-240": (640, 240, 16, 896, 12, 14, 3584, 640, 12),
    "ViT-L-14": (768, 224, 14, 1024, 24, 16, 4096, 768, 12),
    "ViT-L-14-336": (768, 336, 14, 1024, 24, 16, 4096, 768, 12),
    "ViT-H-14": (1024, 224, 14, 1280, 32, 16, 5120, 1024, 24),
    "ViT-H-14-378": (1024, 378, 14, 1280, 32, 16, 5120, 1024, 24),
    "ViT-g-14": (1024, 224, 14, 1408, 40, 16, 6144, 1024, 24),
    "ViT-bigG-14": (1280, 224, 14, 1664, 48, 16, 8192, 1280, 32),
}

# width, layers, heads, hidden numbers, of both towers but where told
_SIGLIP_SIZES: dict[str, tuple[int, int, int, int]] = {
    "B": (768, 12, 12, 3072),
    "L": (1024, 24, 16, 4096),
    "SO400M": (1152, 27, 16, 4304),
    "gopt": (1536, 40, 16, 6144),  # its text tower is SO400M's
}

# family; size; patch and image size; whether the image tower has the tanh form of GELU.
# Google trained all of them with it; where timm's towers have the exact form (off by 1e-3 in a vector at
# most) so do we, because that is what everybody's published numbers were measured with.
_SIGLIPS: dict[str, tuple[Family, str, int, int, bool]] = {
    "ViT-B-16-SigLIP": ("siglip", "B", 16, 224, False),
    "ViT-B-16-SigLIP-256": ("siglip", "B", 16, 256, False),
    "ViT-B-16-SigLIP-384": ("siglip", "B", 16, 384, False),
    "ViT-B-16-SigLIP-512": ("siglip", "B", 16, 512, False),
    "ViT-B-16-SigLIP-i18n-256": ("siglip_i18n", "B", 16, 256, False),
    "ViT-L-16-SigLIP-256": ("siglip", "L", 16, 256, False),
    "ViT-L-16-SigLIP-384": ("siglip", "L", 16, 384, False),
    "ViT-SO400M-14-SigLIP": ("siglip", "SO400M", 14, 224, False),
    "ViT-SO400M-14-SigLIP-378": ("siglip", "SO400M", 14, 378, False),
    "ViT-SO400M-14-SigLIP-384": ("siglip", "SO400M", 14, 384, False),
    "ViT-SO400M-16-SigLIP-i18n-256": ("siglip_i18n", "SO400M", 16, 256, True),
    "ViT-B-32-SigLIP2-256": ("siglip2", "B", 32, 256, True),
    "ViT-B-16-SigLIP2": ("siglip2", "B", 16, 224, False),
    "ViT-B-16-SigLIP2-256": ("siglip2", "B", 16, 256, False),
    "ViT-B-16-SigLIP2-384": ("siglip2", "B", 16, 384, False),
    "ViT-B-16-SigLIP2-512": ("siglip2", "B", 16, 512, False),
    "ViT-L-16-SigLIP2-256": ("siglip2", "L", 16, 256, False),
    "ViT-L-16-SigLIP2-384": ("siglip2", "L", 16, 384, False),
    "ViT-L-16-SigLIP2-512": ("siglip2", "L", 16, 512, True),
    "ViT-SO400M-14-SigLIP2": ("siglip2", "SO400M", 14, 224, False),
    "ViT-SO400M-14-SigLIP2-378": ("siglip2", "SO400M", 14, 378, False),
    "ViT-SO400M-16-SigLIP2-256": ("siglip2", "SO400M", 16, 256, True),
    "ViT-SO400M-16-SigLIP2-384": ("siglip2", "SO400M", 16, 384, True),
    "ViT-SO400M-16-SigLIP2-512": ("siglip2", "SO400M", 16, 512, True),
    "ViT-gopt-16-SigLIP2-256": ("siglip2", "gopt", 16, 256, True),
    "ViT-gopt-16-SigLIP2-384": ("siglip2", "gopt", 16, 384, True),
}

# dim; image size, patch size, width, layers, heads; width, layers and context length of the text tower
_PES: dict[str, tuple[int, int, int, int, int, int, int, int, int]] = {
    "PE-Core-T-16-384": (512, 384, 16, 192, 12, 3, 512, 12, 32),
    "PE-Core-S-16-384": (512, 384, 16, 384, 12, 6, 512, 12, 32),
    "PE-Core-B-16": (1024, 224, 16, 768, 12, 12, 1024, 24, 32),
    "PE-Core-L-14-336": (1024, 336, 14, 1024, 24, 16, 1024, 24, 32),
    "PE-Core-bigG-14-448": (1280, 448, 14, 1536, 50, 16, 1280, 24, 72),
}


# how SigLIP reads a text, and how its towers are joined
SIGLIP_READING: Section = {"attention": "full", "pooling": "last", "end_id": 1}
SIGLIP_HEAD: Section = {"image_projection": "none", "text_projection": "affine", "has_bias": True}


def _clips() -> Iterator[tuple[str, Variant]]:
    for suffix, activation in (("", "gelu"), ("-quickgelu", "quick_gelu")):
        for name, (dim, image_size, width, num_blocks, text_width) in _RESNETS.items():
            image = resnet(image_size, width, num_blocks)  # of ReLU: the activation is the text tower's
            model = clip(dim, image, text(text_width, activation=activation))
            yield name + suffix, Variant(model=model, family="clip")
        for name, (dim, *sizes, mlp_dim, text_width, text_layers) in _VITS.items():
            image_size, patch_size, width, num_layers, num_heads = sizes
            image = vit(image_size, patch_size, width, num_layers, num_heads, mlp_dim=mlp_dim, activation=activation)
            model = clip(dim, image, text(text_width, text_layers, activation=activation))
            yield name + suffix, Variant(model=model, family="clip")


def _siglips() -> Iterator[tuple[str, Variant]]:
    for name, (family, size, patch_size, image_size, is_tanh) in _SIGLIPS.items():
        width, num_layers, num_heads, mlp_dim = _SIGLIP_SIZES[size]
        activation = "gelu_tanh" if is_tanh else "gelu"
        image = siglip_vit(image_size, patch_size, width, num_layers, num_heads, mlp_dim, activation)
        dim = width
        if size == "gopt":
            width, num_layers, num_heads, mlp_dim = _SIGLIP_SIZES["SO400M"]
        words = text(width, num_layers, activation="gelu_tanh" if family == "siglip2" else "gelu") | {
            "vocabulary_size": _SIGLIP_VOCABULARIES[family],
            "context_length": 16 if name == "ViT-SO400M-14-SigLIP" else 64,
            "num_heads": num_heads,
            "mlp_dim": mlp_dim,
            "norm_eps": 1e-6,
        }
        head = dict(SIGLIP_HEAD)
        if name == "ViT-SO400M-16-SigLIP-i18n-256":
            head["text_projection"] = "none"
        yield name, Variant(model=clip(dim, image, words | SIGLIP_READING) | head, family=family)


def _pes() -> Iterator[tuple[str, Variant]]:
    for name, (dim, *sizes, text_width, text_layers, context_length) in _PES.items():
        image = pe_vit(*sizes)
        if name == "PE-Core-bigG-14-448":  # the one without class token, and with a wider block than pool
            image |= {"has_class_token": False, "mlp_dim": 8960}
        model = clip(dim, image, text(text_width, text_layers, context_length=context_length))
        yield name, Variant(model=model | {"image_projection": "affine"}, family="pe")


VARIANTS: dict[str, Variant] = dict([*_clips(), *_siglips(), *_pes()])
