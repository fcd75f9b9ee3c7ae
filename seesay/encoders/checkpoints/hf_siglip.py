"""The names of transformers' `SiglipModel`, which holds SigLIP and SigLIP 2 of fixed size."""

from collections.abc import Mapping
from typing import Any

from seesay.base.errors import BundleError
from seesay.encoders.checkpoints import hf_clip
from seesay.encoders.checkpoints.fields import check
from seesay.encoders.checkpoints.keymap import Layout, prefixed, refuse, rule
from seesay.models import variants

_VIT = (
    rule("patch_embedding.{kind}", "embeddings.patch_embedding.{kind}"),
    rule("position_embedding", "embeddings.position_embedding.weight"),
    *prefixed(hf_clip.BLOCK, "blocks.{n}.", "encoder.layers.{n}."),
    rule("last_norm.{kind}", "post_layernorm.{kind}"),
    rule("pool.probe", "head.probe", "vector", 2),
    rule((f"pool.{part}.{{kind}}" for part in ("query", "key", "value")), "head.attention.in_proj_{kind}"),
    rule("pool.attention_out.{kind}", "head.attention.out_proj.{kind}"),
    rule("pool.norm.{kind}", "head.layernorm.{kind}"),
    rule("pool.mlp_in.{kind}", "head.mlp.fc1.{kind}"),
    rule("pool.mlp_out.{kind}", "head.mlp.fc2.{kind}"),
)


def layout(config: Mapping[str, Any]) -> Layout:
    """The names of `SiglipModel`.

    Raises:
        UsageError: another kind of model.
    """
    image, text = config["image"], config["text"]
    is_siglip = (
        image["tower"] == "vit"
        and image["pooling"] == "attention"
        and not (image["has_class_token"] or image["has_first_norm"] or image["rotary_grid"])
        and config["image_projection"] == "none"
        and text["tower"] == "transformer"
        and config["text_projection"] == "affine"
        and config["has_bias"]
    )
    if not is_siglip:
        raise refuse("transformers' SiglipModel", config)
    rules = (
        *prefixed(_VIT, "image_tower.", "vision_model."),
        *prefixed(hf_clip.TEXT, "text_tower.", "text_model."),
        rule("text_projection.{kind}", "text_model.head.{kind}"),
        rule("log_scale", "logit_scale", "scalar", 1),
        rule("bias", "logit_bias", "scalar", 1),
    )
    return Layout("transformers' SiglipModel", rules, ignored=hf_clip.IGNORED)


# what a config.json leaves out means, from transformers' SiglipTextConfig and SiglipVisionConfig
_BLOCKS = {
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "hidden_act": "gelu_pytorch_tanh",
    "layer_norm_eps": 1e-6,
}
_TEXT = _BLOCKS | {"vocab_size": 32_000, "max_position_embeddings": 64}
_IMAGE = _BLOCKS | {"image_size": 224, "patch_size": 16}


def config_from(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture that a `SiglipModel`'s config.json describes.

    Raises:
        BundleError: it asks for something that we have not, such as an image tower without its pool.
    """
    check(settings, "siglip", name="config.json")
    text, image = hf_clip.sections(settings, "siglip", _TEXT, _IMAGE)
    sizes, habits = hf_clip.block_sizes(image), hf_clip.block_habits(image)
    if text.get("projection_size") not in (None, sizes["width"]):
        raise BundleError(
            f"its text tower ends in {text['projection_size']} numbers, and its image tower in {sizes['width']}"
        )
    ours = variants.siglip_vit(*hf_clip.image_sizes(image), **sizes, activation=habits["activation"])
    words = variants.text(text["hidden_size"]) | hf_clip.block_sizes(text) | hf_clip.block_habits(text)
    words |= variants.SIGLIP_READING | {
        "vocabulary_size": text["vocab_size"],
        "context_length": text["max_position_embeddings"],
    }
    return variants.clip(sizes["width"], ours | habits, words) | variants.SIGLIP_HEAD
