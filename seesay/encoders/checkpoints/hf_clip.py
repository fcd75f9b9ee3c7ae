"""The names of transformers' `CLIPModel`: a ViT and a causal text tower, queries, keys and values apart."""

from collections.abc import Mapping
from typing import Any

from seesay.base.errors import BundleError
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


def config_from(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture that a `CLIPModel`'s config.json describes.

    Raises:
        BundleError: an activation that we have not.
    """
    text, image = _TEXT | settings.get("text_config", {}), _IMAGE | settings.get("vision_config", {})
    # 2 is a mistake of old files; transformers then takes the largest id of a text, which is the last of the vocabulary
    end_id = text["vocab_size"] - 1 if text["eos_token_id"] == 2 else text["eos_token_id"]
    ours = variants.vit(image["image_size"], image["patch_size"], **block_sizes(image)) | block_habits(image)
    words = variants.text(text["hidden_size"]) | block_sizes(text) | block_habits(text)
    words |= {
        "vocabulary_size": text["vocab_size"],
        "context_length": text["max_position_embeddings"],
        "end_id": end_id,
    }
    return variants.clip(settings.get("projection_dim", 512), ours, words)


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
