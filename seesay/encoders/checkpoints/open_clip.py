"""open_clip's names: OpenAI's for its plain models; for SigLIP and PE-Core timm's image tower beside them.

The latter are what open_clip calls `CustomTextCLIP`: `visual.trunk.*`, `text.*`.
"""

from collections.abc import Mapping
from typing import Any

from seesay.base.errors import BundleError
from seesay.encoders.checkpoints import openai
from seesay.encoders.checkpoints.keymap import Layout, prefixed, refuse, rule
from seesay.models import variants
from seesay.models.variants import VARIANTS, Variant

_TIMM_BLOCK = (
    rule("attention_norm.{kind}", "norm1.{kind}"),
    rule("qkv.{kind}", "attn.qkv.{kind}"),
    rule("attention_out.{kind}", "attn.proj.{kind}"),
    rule("mlp_norm.{kind}", "norm2.{kind}"),
    rule("mlp_in.{kind}", "mlp.fc1.{kind}"),
    rule("mlp_out.{kind}", "mlp.fc2.{kind}"),
)

_TIMM_VIT = (
    rule("patch_embedding.{kind}", "patch_embed.proj.{kind}"),
    rule("class_embedding", "cls_token", "vector", 2),
    rule("position_embedding", "pos_embed", "matrix", 1),
    rule("first_norm.{kind}", "norm_pre.{kind}"),
    *prefixed(_TIMM_BLOCK, "blocks.{n}.", "blocks.{n}."),
    rule("last_norm.{kind}", "norm.{kind}"),
    rule("pool.probe", "attn_pool.latent", "vector", 2),
    rule("pool.query.{kind}", "attn_pool.q.{kind}"),
    rule(("pool.key.{kind}", "pool.value.{kind}"), "attn_pool.kv.{kind}"),
    rule("pool.attention_out.{kind}", "attn_pool.proj.{kind}"),
    rule("pool.norm.{kind}", "attn_pool.norm.{kind}"),
    rule("pool.mlp_in.{kind}", "attn_pool.mlp.fc1.{kind}"),
    rule("pool.mlp_out.{kind}", "attn_pool.mlp.fc2.{kind}"),
)


def layout(config: Mapping[str, Any]) -> Layout:
    """The names that open_clip 2 and 3 write.

    Raises:
        UsageError: a model that open_clip has not.
    """
    if config["image"].get("pooling") != "attention":
        plain = openai.layout(config)
        return Layout("open_clip", plain.rules, ignored=plain.ignored, renamed=_without_wrappers)
    if config["image"]["tower"] != "vit" or config["text"]["tower"] != "transformer":
        raise refuse("open_clip", config)
    if config["text_projection"] == "linear":
        projection = rule("text_projection.weight", "text.text_projection", "transposed")
    else:
        projection = rule("text_projection.{kind}", "text.text_projection.{kind}")
    rules = (
        *prefixed(_TIMM_VIT, "image_tower.", "visual.trunk."),
        rule("image_projection.{kind}", "visual.trunk.head.{kind}"),
        *prefixed(openai.TEXT, "text_tower.", "text."),
        projection,
        *openai.SCALE,
    )
    return Layout("open_clip", rules, ignored=openai.IGNORED, renamed=_without_module)


def _without_module(name: str) -> str:
    return name.removeprefix("module.")  # of a run on several devices


def _without_wrappers(name: str) -> str:
    """A plain model can also be written as a `CustomTextCLIP`, whose text tower is a module of its own."""
    return _without_module(name).removeprefix("text.")


_SIGLIP_SIZES = {768: "base", 1024: "large", 1152: "so400m", 1536: "giantopt"}
_PE_SIZES = {192: "tiny", 384: "small", 768: "base", 1024: "large", 1536: "gigantic"}

# what a model_cfg leaves out means, from open_clip's CLIPVisionCfg and CLIPTextCfg
_IMAGE: dict[str, Any] = {
    "image_size": 224,
    "patch_size": 16,
    "width": 768,
    "layers": 12,
    "head_width": 64,
    "mlp_ratio": 4.0,
}
_TEXT: dict[str, Any] = {
    "context_length": 77,
    "vocab_size": 49_408,
    "width": 512,
    "layers": 12,
    "heads": 8,
    "mlp_ratio": 4.0,
    "no_causal_mask": False,
    "pool_type": "argmax",
    "eos_id": 2,
    "proj_type": "linear",
    "proj_bias": False,
    "norm_kwargs": {},
    "act_kwargs": {},
}
_TIMM = {"image_size", "timm_model_name", "timm_pool", "timm_proj"}
# said in a config, and nothing that a vector depends on
_NEUTRAL = {
    "timm_model_pretrained",
    "timm_drop",
    "timm_drop_path",
    "patch_dropout",
    "hf_tokenizer_name",
    "tokenizer_kwargs",
    "tokenizer_mode",
    "output_tokens",
}


def timm_name(variant: Variant) -> str:
    """What timm calls the image tower of a SigLIP or PE-Core."""
    image = variant.model["image"]
    width, patch_size, image_size = (image[key] for key in ("width", "patch_size", "image_size"))
    if variant.family == "pe":
        return f"vit_pe_core_{_PE_SIZES[width]}_patch{patch_size}_{image_size}"
    return f"vit_{_SIGLIP_SIZES[width]}_patch{patch_size}_siglip_{image_size}"


def config_from(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture that the `model_cfg` of an open_clip_config.json describes.

    Raises:
        BundleError: it asks for something that we have not, such as another tower.
    """
    image, text = settings["vision_cfg"], settings["text_cfg"]
    activation = "quick_gelu" if settings.get("quick_gelu") else "gelu"
    words = _text_from(text, activation)
    ours = _image_from(image, activation)
    config = variants.clip(settings["embed_dim"], ours, words)
    if ours.get("pooling") == "attention":
        config["image_projection"] = "none" if image.get("timm_proj") == "none" else "affine"
    if text.get("proj_type") == "none":
        config["text_projection"] = "none"
    elif text.get("proj_bias"):
        config["text_projection"] = "affine"
    return config | {"has_bias": settings.get("init_logit_bias") is not None}


def _image_from(image: Mapping[str, Any], activation: str) -> dict[str, Any]:
    known = _TIMM if "timm_model_name" in image else set(_IMAGE)
    _refuse_others(image, known, "vision_cfg")
    if "timm_model_name" in image:
        towers = {timm_name(v): v.model["image"] for v in VARIANTS.values() if v.family != "clip"}
        if image["timm_model_name"] not in towers:
            raise BundleError(f"its image tower is timm's {image['timm_model_name']!r}, which we have not")
        return dict(towers[image["timm_model_name"]])
    image = _IMAGE | dict(image)
    if isinstance(image["layers"], list):
        first, second, third, fourth = image["layers"]
        return variants.resnet(image["image_size"], image["width"], (first, second, third, fourth))
    return variants.vit(
        image["image_size"],
        image["patch_size"],
        image["width"],
        image["layers"],
        image["width"] // image["head_width"],
        mlp_dim=int(image["width"] * image["mlp_ratio"]),
        activation=activation,
    )


def _text_from(text: Mapping[str, Any], activation: str) -> dict[str, Any]:
    _refuse_others(text, set(_TEXT), "text_cfg")
    text = _TEXT | dict(text)
    if text["act_kwargs"].get("approximate") == "tanh":
        activation = "gelu_tanh"
    # argmax: the largest id, which is the last of the vocabulary
    end_id = text["eos_id"] if text["pool_type"] == "eos" else text["vocab_size"] - 1
    habits: dict[str, Any] = {"end_id": end_id}
    if text["no_causal_mask"] and text["pool_type"] == "last":
        habits = variants.SIGLIP_READING
    elif text["no_causal_mask"] or text["pool_type"] not in ("argmax", "eos"):
        raise BundleError(f"its text tower reads texts as we cannot: pool_type is {text['pool_type']!r}")
    words = variants.text(text["width"], text["layers"], context_length=text["context_length"], activation=activation)
    return words | {
        "vocabulary_size": text["vocab_size"],
        "num_heads": text["heads"],
        "mlp_dim": int(text["width"] * text["mlp_ratio"]),
        "norm_eps": float(text["norm_kwargs"].get("eps", 1e-5)),
        **habits,
    }


def _refuse_others(section: Mapping[str, Any], known: set[str], name: str) -> None:
    others = [f"{key}={value!r}" for key, value in section.items() if value and key not in known | _NEUTRAL]
    if others:
        raise BundleError(f"its {name} asks for {', '.join(others)}, which we have not")
