"""The names of transformers' `CLIPModel`: a ViT and a causal text tower, queries, keys and values apart.

`MetaClip2Model` has the same names, and reads a text at its end token whatever its number is.
"""

from collections.abc import Mapping
from typing import Any

from seesay.base.errors import BundleError
from seesay.encoders.checkpoints.fields import check, square
from seesay.encoders.checkpoints.keymap import Layout, prefixed, refuse, rule
from seesay.models import variants

BLOCK = (
    rule("attention_norm.{kind}", "layer_norm1.{kind}"),
    rule("qkv.{kind}", (f"self_attn.{part}_proj.{{kind}}" for part in "qkv")),
    rule("attention_out.{kind}", "self_attn.out_proj.{kind}"),
    rule("mlp_norm.{kind}", "layer_norm2.{kind}"),
    rule("mlp_in.{kind}", "mlp.fc1.{kind}"),
    rule("mlp_out.{kind}", "mlp.fc2.{kind}"),
)

_VIT = (
    rule("patch_embedding.weight", "embeddings.patch_embedding.weight"),
    rule("class_embedding", "embeddings.class_embedding"),
    rule("position_embedding", "embeddings.position_embedding.weight"),
    rule("first_norm.{kind}", "pre_layrnorm.{kind}"),  # spelt so since 2021
    *prefixed(BLOCK, "blocks.{n}.", "encoder.layers.{n}."),
    rule("last_norm.{kind}", "post_layernorm.{kind}"),
)

TEXT = (
    rule("token_embedding.weight", "embeddings.token_embedding.weight"),
    rule("position_embedding", "embeddings.position_embedding.weight"),
    *prefixed(BLOCK, "blocks.{n}.", "encoder.layers.{n}."),
    rule("last_norm.{kind}", "final_layer_norm.{kind}"),
)

IGNORED = ("embeddings.position_ids",)


def layout(config: Mapping[str, Any]) -> Layout:
    """The names of `CLIPModel`.

    Raises:
        UsageError: another kind of model; transformers has no CLIP with a ResNet.
    """
    image, text = config["image"], config["text"]
    if image["tower"] != "vit" or image["pooling"] != "class" or text["tower"] != "transformer" or config["has_bias"]:
        raise refuse("transformers' CLIPModel", config)
    rules = (
        *prefixed(_VIT, "image_tower.", "vision_model."),
        *prefixed(TEXT, "text_tower.", "text_model."),
        rule("image_projection.weight", "visual_projection.weight"),
        rule("text_projection.weight", "text_projection.weight"),
        rule("log_scale", "logit_scale", "scalar"),
    )
    return Layout("transformers' CLIPModel", rules, ignored=IGNORED)


# what a config.json leaves out means, from transformers' CLIPTextConfig and CLIPVisionConfig
_BLOCKS = {"num_hidden_layers": 12, "hidden_act": "quick_gelu", "layer_norm_eps": 1e-5}
_TEXT = _BLOCKS | {
    "vocab_size": 49_408,
    "hidden_size": 512,
    "intermediate_size": 2048,
    "num_attention_heads": 8,
    "max_position_embeddings": 77,
    "eos_token_id": 49_407,
}
_IMAGE = _BLOCKS | {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_attention_heads": 12,
    "image_size": 224,
    "patch_size": 32,
}
ACTIVATIONS = {"gelu": "gelu", "quick_gelu": "quick_gelu", "gelu_pytorch_tanh": "gelu_tanh", "gelu_new": "gelu_tanh"}


LEGACY_END_ID = 2
"""What files of a `CLIPModel` had by mistake until 2023; transformers then reads a text at its largest token number."""


def config_from(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture that the config.json of a `CLIPModel` or `MetaClip2Model` describes.

    Raises:
        BundleError: it asks for something that we have not.
    """
    check(settings, "clip", name="config.json")
    text, image = sections(settings, "clip", _TEXT, _IMAGE)
    ours = variants.vit(*image_sizes(image), **block_sizes(image)) | block_habits(image)
    words = variants.text(text["hidden_size"]) | block_sizes(text) | block_habits(text)
    words |= {
        "vocabulary_size": text["vocab_size"],
        "context_length": text["max_position_embeddings"],
        **_reading(text, is_clip=settings.get("model_type", "clip") == "clip"),
    }
    return variants.clip(settings.get("projection_dim", 512), ours, words)


def _reading(text: Mapping[str, Any], *, is_clip: bool) -> dict[str, Any]:
    """Where a text is read."""
    end_id = text["eos_token_id"]
    if isinstance(end_id, bool) or not isinstance(end_id, int):
        raise BundleError(f"its text_config has eos_token_id={end_id!r}, and a text is read at one token")
    if end_id != LEGACY_END_ID or not is_clip:
        return {"end_id": end_id}
    if text["vocab_size"] == variants.CLIP_VOCABULARY:
        return {"end_id": variants.CLIP_END_ID}  # the largest number of the vocabulary, and of every text
    return {"pooling": "largest", "end_id": LEGACY_END_ID}


def sections(
    settings: Mapping[str, Any], table: str, text: Mapping[str, Any], image: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two towers' sections of a config.json, checked, with their defaults.

    `text_config_dict` and `vision_config_dict` of old files win over the sections, defaults and all, as they do there.

    Raises:
        BundleError: a section asks for something that we have not.
    """
    found = []
    for kind, usual in (("text", text), ("vision", image)):
        said = dict(settings.get(f"{kind}_config") or {})
        if old := settings.get(f"{kind}_config_dict"):
            said |= {**usual, **old}
        check(said, f"{table} {kind}", name=f"{kind}_config")
        found.append({**usual, **said})
    return found[0], found[1]


def image_sizes(image: Mapping[str, Any]) -> tuple[int, int]:
    """Sides of the picture and of a patch, in pixels."""
    image_size, patch_size = (square(image[key], name=f"vision_config: {key}") for key in ("image_size", "patch_size"))
    return image_size, patch_size


def block_sizes(section: Mapping[str, Any]) -> dict[str, Any]:
    """Width, layers, heads and hidden numbers of a section of config.json, under our names."""
    return {
        "width": section["hidden_size"],
        "num_layers": section["num_hidden_layers"],
        "num_heads": section["num_attention_heads"],
        "mlp_dim": section["intermediate_size"],
    }


def block_habits(section: Mapping[str, Any]) -> dict[str, Any]:
    """Activation and epsilon of a section of config.json, under our names."""
    activation = section["hidden_act"]
    if activation not in ACTIVATIONS:
        raise BundleError(f"its config.json asks for the activation {activation!r}; we have {', '.join(ACTIVATIONS)}")
    return {"activation": ACTIVATIONS[activation], "norm_eps": float(section["layer_norm_eps"])}
