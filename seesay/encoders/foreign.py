"""A bundle as a folder of other people's making: what stands beside the weights, so that it loads there as it is.

`transformers` reads the folders of `write_hf` with `from_pretrained`, open_clip those of `write_open_clip` as
`local-dir:PATH`. The weights' names are `seesay.encoders.checkpoints`'; this is activation, sizes, preprocessing and
tokenizer in their words. What they cannot say (another resize mode, mixed activations) is refused, never rounded.
A folder gets its name only when our own reader has read it back and its vectors are the bundle's.

Sources: transformers 5, configuration_clip.py and configuration_siglip.py; open_clip 3.3, model.py and model_configs/.
"""

import dataclasses
import json
import re
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.torch import save_file
from torch import Tensor

from seesay.base.errors import BundleError, UsageError
from seesay.encoders import selftest
from seesay.encoders.bundle import TOKENIZER, Bundle
from seesay.encoders.checkpoints.convert import convert
from seesay.encoders.checkpoints.hf_clip import LEGACY_END_ID
from seesay.encoders.checkpoints.keymap import from_ours
from seesay.encoders.checkpoints.open_clip import timm_name
from seesay.encoders.checkpoints.processor import FILTERS
from seesay.encoders.ready import BundleEncoder
from seesay.encoders.torch import TorchBackend, load_clip
from seesay.inputs import openai
from seesay.inputs.cleaners import PUNCTUATION
from seesay.inputs.transform import ImageConfig
from seesay.models.transformer import resize_positions
from seesay.models.variants import VARIANTS

Section = dict[str, Any]

_HF_ACTIVATIONS = {"gelu": "gelu", "quick_gelu": "quick_gelu", "gelu_tanh": "gelu_pytorch_tanh"}
_HF_RESAMPLING = {name: number for number, name in FILTERS.items()}
_OPEN_CLIP_RESAMPLING = ("bilinear", "bicubic")
_NEAR = 1e-5
"""Largest difference of one number of a unit vector between a bundle and its export, read back: the same code computes
both in float32, so that only the order of a few operations may differ."""


class _Model(NamedTuple):
    """What is exported: a bundle's model as it is used."""

    config: Section
    state: Mapping[str, Tensor]


def write_hf(bundle: Bundle, folder: Path) -> None:
    """Write a folder for transformers: weights, config, image processor, tokenizer.

    Its tokenizer does less cleaning than ours; see `seesay.inputs.openai`. Where what is cut from a picture is odd, its
    image processor may begin the middle one pixel earlier; see `ImageConfig.crop_rounding`.

    Args:
        bundle: a CLIP with a ViT, or a SigLIP.
        folder: made if it is not there; files of the same names are replaced.

    Raises:
        UsageError: transformers has no such architecture or preprocessing.
        BundleError: read back, the folder gives other vectors; nothing is left of it.
    """
    model = _at_its_size(bundle)
    is_siglip = model.config["has_bias"]
    weights = from_ours("hf_siglip" if is_siglip else "hf_clip", model.state, model.config)
    _refuse_our_own(bundle, "transformers", tuple(_HF_RESAMPLING))
    files = {
        "config.json": _hf_siglip_config(bundle, model.config) if is_siglip else _hf_clip_config(bundle, model.config),
        "preprocessor_config.json": _hf_processor(bundle.image, "Siglip" if is_siglip else "CLIP"),
        **_hf_tokenizer(bundle),
    }
    is_cropped = files["preprocessor_config.json"]["do_center_crop"]
    image = dataclasses.replace(bundle.image, crop_rounding="down" if is_cropped else bundle.image.crop_rounding)
    there = dataclasses.replace(
        bundle, image=image
    )  # as transformers cuts, which is the one thing that it cannot be told
    _keep(there, folder, lambda scratch: _write(scratch, files, weights, "model.safetensors"))


def write_open_clip(bundle: Bundle, folder: Path) -> None:
    """Write a folder for open_clip: weights and open_clip_config.json.

    Args:
        bundle: one of open_clip's architectures.
        folder: made if it is not there; files of the same names are replaced.

    Raises:
        UsageError: open_clip has no such architecture or preprocessing.
        BundleError: read back, the folder gives other vectors; nothing is left of it.
    """
    model, image = _at_its_size(bundle), bundle.image
    weights = from_ours("open_clip", model.state, model.config)
    _refuse_our_own(bundle, "open_clip", _OPEN_CLIP_RESAMPLING)
    if image.resize == "none" or image.resize_px is not None:
        raise UsageError("open_clip cuts nothing from a picture but what makes it a square; export to hf")
    image = dataclasses.replace(image, crop_rounding="even")  # the one thing that open_clip cannot be told
    is_plain = model.config["image"].get("pooling") != "attention"
    tokens = _open_clip_tokens(bundle)
    config = {
        "model_cfg": _open_clip_plain(model.config, tokens) if is_plain else _open_clip_timm(model.config, tokens),
        "preprocess_cfg": {
            "mean": list(image.mean),
            "std": list(image.std),
            "interpolation": image.interpolation,
            "resize_mode": image.resize,
        },
    }
    files = {"open_clip_config.json": config, **_hf_tokenizer(bundle)}
    there = dataclasses.replace(bundle, image=image)
    _keep(there, folder, lambda scratch: _write(scratch, files, weights, "open_clip_model.safetensors"))


def _at_its_size(bundle: Bundle) -> _Model:
    """The model for the pictures that it is used with.

    Ours resizes the learned positions whenever a picture comes; theirs are stored for one size. One resize now gives
    the same numbers.
    """
    state, config = load_clip(bundle).state_dict(), dict(bundle.model)
    image, size_px = dict(config["image"]), bundle.image.size_px
    if image.get("image_size", size_px) == size_px:
        return _Model(config, state)
    if image["tower"] == "resnet":
        name, side, num_prefix = "image_tower.pool.position_embedding", size_px // 32, 1
    else:
        name, side = "image_tower.position_embedding", size_px // image["patch_size"]
        num_prefix = int(image["has_class_token"])
    resized = resize_positions(state[name], (side, side), num_prefix=num_prefix)
    return _Model(config | {"image": image | {"image_size": size_px}}, state | {name: resized})


def _keep(bundle: Bundle, folder: Path, write: Callable[[Path], None]) -> None:
    """Write a folder beside its place, read it back, and keep it where its vectors are the bundle's."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        fresh = Path(scratch) / "new"
        write(fresh)
        _compare(bundle, convert(fresh, Path(scratch) / "back"))
        folder.mkdir(exist_ok=True)
        for path in sorted(fresh.iterdir()):
            path.replace(folder / path.name)


def _compare(bundle: Bundle, back: Bundle) -> None:
    """Refuse an export that is not the model; pictures and texts are those of the self-test."""
    ours, theirs = (BundleEncoder(one, TorchBackend(one, device="cpu"), truncate=True) for one in (bundle, back))
    pictures = selftest.pictures()
    for side, one, other in (
        ("image", ours.encode_images(pictures), theirs.encode_images(pictures)),
        ("text", ours.encode_texts(selftest.TEXTS), theirs.encode_texts(selftest.TEXTS)),
    ):
        difference = float(np.abs(one - other).max()) if one.shape == other.shape else np.inf
        if not difference <= _NEAR:
            raise BundleError(
                f"the export of {bundle.name} is not this model: read back, its {side} vectors are off by up to "
                f"{difference:.2g} (allowed {_NEAR}); it was not kept. Export it with --to onnx"
            )


def _refuse_our_own(bundle: Bundle, program: str, filters: tuple[str, ...]) -> None:
    """What only we have has no name there, and would be lost without a word."""
    cure = "export it with `--to onnx`"
    for side in ("image", "text"):
        if bundle.model[f"{side}_projection"] == "mlp":
            raise UsageError(
                f"{program} has no projection with a hidden layer, as this model's {side} side has; {cure}"
            )
    if bundle.image.interpolation not in filters:
        known = f"{', '.join(filters[:-1])} and {filters[-1]}"
        raise UsageError(f"{program} resizes with {known}, this model with {bundle.image.interpolation}; {cure}")


def _write(folder: Path, files: Mapping[str, Any], weights: Mapping[str, Any], name: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (folder / file).write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", "utf-8")
    save_file(dict(weights), folder / name, metadata={"format": "pt"})  # transformers asks for the format


def _hf_block(section: Mapping[str, Any]) -> Section:
    return {
        "hidden_size": section["width"],
        "intermediate_size": section["mlp_dim"],
        "num_hidden_layers": section["num_layers"],
        "num_attention_heads": section["num_heads"],
        "hidden_act": _HF_ACTIVATIONS[section["activation"]],
        "layer_norm_eps": section["norm_eps"],
    }


def _hf_image(section: Mapping[str, Any]) -> Section:
    return {**_hf_block(section), "image_size": section["image_size"], "patch_size": section["patch_size"]}


def _hf_text(section: Mapping[str, Any]) -> Section:
    sizes = {"vocab_size": section["vocabulary_size"], "max_position_embeddings": section["context_length"]}
    return {**_hf_block(section), **sizes}


def _hf_clip_config(bundle: Bundle, model: Section) -> Section:
    text = model["text"]
    kind, end_id = "clip", text["end_id"]
    if text["pooling"] == "largest":
        end_id = LEGACY_END_ID
    elif end_id == LEGACY_END_ID:  # which a CLIPModel takes for a mistake of old files
        kind = "metaclip_2"
    # it pads with the end token; the first one counts
    ids = {"bos_token_id": max(end_id - 1, 0), "eos_token_id": end_id, "pad_token_id": end_id}
    return {
        "architectures": ["CLIPModel" if kind == "clip" else "MetaClip2Model"],
        "model_type": kind,
        "projection_dim": bundle.dim,
        "text_config": {"model_type": f"{kind}_text_model", **_hf_text(text), **ids},
        "vision_config": {"model_type": f"{kind}_vision_model", **_hf_image(model["image"])},
    }


def _hf_siglip_config(bundle: Bundle, model: Section) -> Section:
    ids = {"bos_token_id": None, "eos_token_id": model["text"]["end_id"], "pad_token_id": bundle.text.pad_id}
    text = {**_hf_text(model["text"]), "projection_size": bundle.dim, **ids}
    return {
        "architectures": ["SiglipModel"],
        "model_type": "siglip",
        "text_config": {"model_type": "siglip_text_model", **text},
        "vision_config": {"model_type": "siglip_vision_model", **_hf_image(model["image"])},
    }


def _hf_processor(image: ImageConfig, family: str) -> Section:
    square = {"height": image.size_px, "width": image.size_px}
    if image.resize == "longest":
        raise UsageError("transformers' image processors cannot resize by the longest side; export to open_clip")
    resize_px = image.resize_px or image.size_px
    is_cropped = image.resize != "squash" or image.resize_px is not None
    size = {"height": resize_px, "width": resize_px} if image.resize == "squash" else {"shortest_edge": resize_px}
    return {
        "image_processor_type": "CLIPImageProcessor" if is_cropped else f"{family}ImageProcessor",
        "do_convert_rgb": True,
        "do_resize": image.resize != "none",
        "size": size,
        "resample": _HF_RESAMPLING[image.interpolation],
        "do_center_crop": is_cropped,
        "crop_size": square,
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": list(image.mean),
        "image_std": list(image.std),
    }


def _hf_tokenizer(bundle: Bundle) -> dict[str, Section]:
    content = json.loads((bundle.folder / TOKENIZER).read_text("utf-8"))
    if content == json.loads(openai.tokenizer_json()) and bundle.text.cleaner == "lower":
        special = {"bos_token": openai.START, **dict.fromkeys(("eos_token", "unk_token", "pad_token"), openai.END)}
        settings = {"tokenizer_class": "CLIPTokenizer", "clean_up_tokenization_spaces": True, **special}
        content = json.loads(openai.tokenizer_json(cleans=True))
    else:
        tokens = {added["id"]: added["content"] for added in content.get("added_tokens", ())}
        settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
        if bundle.text.pad_id in tokens:
            settings["pad_token"] = tokens[bundle.text.pad_id]
        content["normalizer"] = _with_cleaning(content.get("normalizer"), bundle.text.cleaner)
    length = {"model_max_length": bundle.text.context_length}
    return {"tokenizer.json": content, "tokenizer_config.json": {**settings, **length}}


def _with_cleaning(normalizer: Section | None, cleaner: str) -> Section | None:
    """A normaliser that cleans first, as far as one can: it cannot mend broken text."""
    steps: list[Section] = []
    if cleaner == "canonicalize":
        steps = [_replaced("_", " "), _replaced(f"[{re.escape(PUNCTUATION)}]", "")]
    if cleaner != "none":
        steps += [_replaced(r"\s+", " "), {"type": "Strip", "strip_left": True, "strip_right": True}]
    if cleaner in ("canonicalize", "lower"):
        steps.append({"type": "Lowercase"})
    steps += [normalizer] if normalizer else []
    return {"type": "Sequence", "normalizers": steps} if steps else None


def _replaced(pattern: str, content: str) -> Section:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


def _open_clip_plain(model: Mapping[str, Any], tokens: Section) -> Section:
    image, text = model["image"], model["text"]
    if image.get("activation", text["activation"]) != text["activation"] or text["activation"] == "gelu_tanh":
        raise UsageError("open_clip has one activation for both towers, GELU or QuickGELU; this model has another")
    words = _open_clip_words(text) | {"mlp_ratio": _ratio(text)} | tokens | _open_clip_norm(text)
    if text["pooling"] == "end" and text["end_id"] != text["vocabulary_size"] - 1:
        words |= {"pool_type": "eos", "eos_id": text["end_id"]}
    if image["tower"] == "resnet":
        sizes = {"layers": list(image["num_blocks"]), "width": image["width"], "patch_size": None}
        sizes["head_width"] = image["width"] * 32 // image["num_heads"]
    else:
        sizes = {"layers": image["num_layers"], "width": image["width"], "patch_size": image["patch_size"]}
        sizes |= {"head_width": image["width"] // image["num_heads"], "mlp_ratio": _ratio(image)}
        sizes |= _open_clip_norm(image)
    return {
        "embed_dim": model["dim"],
        "quick_gelu": text["activation"] == "quick_gelu",
        "vision_cfg": {"image_size": image["image_size"], **sizes},
        "text_cfg": words,
        **({"init_logit_bias": -10} if model["has_bias"] else {}),
    }


def _open_clip_norm(section: Mapping[str, Any]) -> Section:
    return {} if section["norm_eps"] == 1e-5 else {"norm_kwargs": {"eps": section["norm_eps"]}}


def _open_clip_tokens(bundle: Bundle) -> Section:
    """Which tokenizer, and what is done to a text before it; OpenAI's is open_clip's own."""
    cleaner = bundle.text.cleaner
    if (bundle.folder / TOKENIZER).read_bytes() == openai.tokenizer_json():
        return {} if cleaner == "lower" else {"tokenizer_kwargs": {"clean": cleaner}}
    # of a local folder open_clip takes the folder's own; it always mends a text, and the file does the rest
    clean = "canonicalize" if cleaner == "canonicalize" else "whitespace"
    return {"hf_tokenizer_name": bundle.name, "tokenizer_kwargs": {"clean": clean}}


def _open_clip_timm(model: Mapping[str, Any], tokens: Section) -> Section:
    """SigLIP and PE-Core: open_clip takes their image towers from timm, by a name that stands for every number."""
    variant = next((variant for variant in VARIANTS.values() if variant.model == model), None)
    if variant is None:
        raise UsageError(
            "open_clip has image towers with an attention pool only as timm knows them, and this is none of them; "
            "export to hf"
        )
    image, text = model["image"], model["text"]
    words = _open_clip_words(text) | tokens
    trunk = {"timm_model_name": timm_name(variant), "timm_model_pretrained": False, "timm_pool": "map"}
    if variant.family == "pe":
        trunk["timm_proj"], rest = None, {}
    else:
        trunk["timm_proj"], rest = "none", {"init_logit_bias": -10}
        words |= _open_clip_siglip_text(model)
    return {
        "embed_dim": model["dim"],
        "custom_text": True,
        "vision_cfg": {"image_size": image["image_size"], **trunk},
        "text_cfg": words,
        **rest,
    }


def _open_clip_words(text: Mapping[str, Any]) -> Section:
    return {
        "context_length": text["context_length"],
        "vocab_size": text["vocabulary_size"],
        "width": text["width"],
        "heads": text["num_heads"],
        "layers": text["num_layers"],
    }


def _ratio(section: Mapping[str, Any]) -> float:
    """What open_clip multiplies the width by, and cuts to a whole number."""
    return round(float(section["mlp_dim"] + 0.25) / float(section["width"]), 6)


def _open_clip_siglip_text(model: Mapping[str, Any]) -> Section:
    text = model["text"]
    return {
        "mlp_ratio": _ratio(text),
        "no_causal_mask": True,
        "proj_type": "none" if model["text_projection"] == "none" else "linear",
        "proj_bias": model["text_projection"] == "affine",
        "pool_type": "last",
        "norm_kwargs": {"eps": text["norm_eps"]},
        "act_kwargs": {"approximate": "tanh"} if text["activation"] == "gelu_tanh" else {},
    }
