"""open_clip's names: OpenAI's for its plain models; for SigLIP and PE-Core timm's image tower beside them.

The latter are what open_clip calls `CustomTextCLIP`: `visual.trunk.*`, `text.*`.
"""

from collections.abc import Mapping
from typing import Any

from seesay.base.errors import BundleError
from seesay.encoders import recipes
from seesay.encoders.checkpoints import openai
from seesay.encoders.checkpoints.fields import check, square, triple
from seesay.encoders.checkpoints.keymap import Layout, prefixed, refuse, rule
from seesay.inputs.transform import ImageConfig
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
        return Layout("open_clip", plain.rules, ignored=plain.ignored, renamed=_without_text)
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
    return Layout("open_clip", rules, ignored=openai.IGNORED)


def _without_text(name: str) -> str:
    """A plain model can also be written as a `CustomTextCLIP`, whose text tower is a module of its own."""
    return name.removeprefix("text.")


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
    "norm_kwargs": None,
    "act_kwargs": None,
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
    "norm_kwargs": None,
    "act_kwargs": None,
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
    check(settings, "model_cfg", name="model_cfg")
    image, text = settings["vision_cfg"], settings["text_cfg"]
    if not isinstance(image, Mapping) or not isinstance(text, Mapping):
        raise BundleError("its model_cfg must have the fields of a vision_cfg and of a text_cfg")
    activation = "quick_gelu" if settings.get("quick_gelu") else "gelu"
    words = _text_from(text, activation)
    ours = _image_from(image, activation)
    config = variants.clip(settings["embed_dim"], ours, words)
    if ours.get("pooling") == "attention":
        config["image_projection"] = "none" if image.get("timm_proj") == "none" else "affine"
    if text.get("proj_type") in ("none", ""):
        config["text_projection"] = "none"
    elif text.get("proj_bias"):
        config["text_projection"] = "affine"
    return config | {"has_bias": settings.get("init_logit_bias") is not None}


def image_config(settings: Mapping[str, Any], *, image_size: int, statistics: str | None) -> ImageConfig:
    """What the `preprocess_cfg` of an open_clip_config.json asks for.

    Args:
        settings: the section; what it leaves out is open_clip's default, whatever the family.
        image_size: side of the square that the image tower takes.
        statistics: mean and deviation where the section says none; a name in `recipes.STATISTICS`.

    Raises:
        BundleError: it asks for something that we have not.
    """
    check(settings, "preprocess_cfg", name="preprocess_cfg")
    usual = recipes.image_config("clip", image_size, statistics=statistics)
    resize = settings.get("resize_mode") or usual.resize
    interpolation = settings.get("interpolation") or usual.interpolation
    if interpolation == "random":  # of training; open_clip then takes bicubic
        interpolation = "bicubic"
    if resize == "longest" and settings.get("fill_color"):
        raise BundleError(f"its preprocess_cfg fills with the colour {settings['fill_color']!r}; we fill with black")
    for key, value, known in (
        ("resize_mode", resize, ("shortest", "longest", "squash")),
        ("interpolation", interpolation, ("bicubic", "bilinear")),
    ):
        if value not in known:
            raise BundleError(f"its preprocess_cfg asks for {key}={value!r}; open_clip has {', '.join(known)}")
    mean, std = (
        triple(settings.get(key) or values, name=f"preprocess_cfg: {key}")
        for key, values in (("mean", usual.mean), ("std", usual.std))
    )
    return ImageConfig(size_px=image_size, resize=resize, interpolation=interpolation, mean=mean, std=std)


def _image_from(image: Mapping[str, Any], activation: str) -> dict[str, Any]:
    if image.get("timm_model_name"):
        check(image, "vision_cfg of timm", name="vision_cfg")
        return _timm_from(image)
    check(image, "vision_cfg", name="vision_cfg")
    image = _IMAGE | dict(image)
    image_size = square(image["image_size"], name="vision_cfg: image_size")
    if isinstance(image["layers"], list):
        first, second, third, fourth = image["layers"]
        resnet = variants.resnet(image_size, image["width"], (first, second, third, fourth))
        return resnet | {"num_heads": image["width"] * 32 // image["head_width"]}
    vit = variants.vit(
        image_size,
        square(image["patch_size"], name="vision_cfg: patch_size"),
        image["width"],
        image["layers"],
        image["width"] // image["head_width"],
        mlp_dim=int(image["width"] * image["mlp_ratio"]),
    )
    return vit | _block_habits(image, activation, name="vision_cfg")


def _timm_from(image: Mapping[str, Any]) -> dict[str, Any]:
    towers = {timm_name(v): v.model["image"] for v in VARIANTS.values() if v.family != "clip"}
    if image["timm_model_name"] not in towers:
        raise BundleError(f"its image tower is timm's {image['timm_model_name']!r}, which we have not")
    tower = dict(towers[image["timm_model_name"]])
    image_size = square(image.get("image_size", _IMAGE["image_size"]), name="vision_cfg: image_size")
    if image_size != tower["image_size"]:
        raise BundleError(
            f"its image_size is {image_size}, and timm's {image['timm_model_name']} takes {tower['image_size']} pixels"
        )
    return tower


def _text_from(text: Mapping[str, Any], activation: str) -> dict[str, Any]:
    check(text, "text_cfg", name="text_cfg")
    text = _TEXT | dict(text)
    if text["proj_type"] not in ("linear", "none", ""):
        raise BundleError(f"its text_cfg asks for proj_type={text['proj_type']!r}, which we have not")
    words = variants.text(text["width"], text["layers"], context_length=text["context_length"])
    return words | {
        "vocabulary_size": text["vocab_size"],
        "num_heads": text["heads"],
        "mlp_dim": int(text["width"] * text["mlp_ratio"]),
        **_block_habits(text, activation, name="text_cfg"),
        **_reading(text),
    }


def _reading(text: Mapping[str, Any]) -> dict[str, Any]:
    """Where a text is read."""
    if text["no_causal_mask"] and text["pool_type"] == "last":
        return variants.SIGLIP_READING
    if text["no_causal_mask"] or text["pool_type"] not in ("argmax", "eos"):
        raise BundleError(
            f"its text tower reads texts as we cannot: pool_type is {text['pool_type']!r}, "
            f"no_causal_mask {text['no_causal_mask']}"
        )
    if text["pool_type"] == "eos":
        return {"end_id": text["eos_id"]}
    if text["vocab_size"] == variants.CLIP_VOCABULARY:
        return {"end_id": variants.CLIP_END_ID}  # the largest number of the vocabulary, and of every text
    return {"pooling": "largest", "end_id": text["vocab_size"] - 1}


def _block_habits(section: Mapping[str, Any], activation: str, *, name: str) -> dict[str, Any]:
    """Activation and epsilon of a section, under our names."""
    act, norm = section["act_kwargs"] or {}, section["norm_kwargs"] or {}
    is_tanh = act.get("approximate") == "tanh"
    plain = {"approximate": act.get("approximate", "none")} if activation == "gelu" else {}
    if act and (act != plain or act["approximate"] not in ("tanh", "none")):
        raise BundleError(f"its {name} asks for act_kwargs={act!r} with {activation}, which we have not")
    if norm.keys() - {"eps"}:
        raise BundleError(f"its {name} asks for norm_kwargs={norm!r}, of which we have eps only")
    return {"activation": "gelu_tanh" if is_tanh else activation, "norm_eps": float(norm.get("eps", 1e-5))}
