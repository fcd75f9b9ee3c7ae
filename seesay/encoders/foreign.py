"""A bundle as a folder of other people's making: what stands beside the weights, so that it loads there as it is.

`transformers` reads the folders of `write_hf` with `from_pretrained`, open_clip those of `write_open_clip` as
`local-dir:PATH`. The weights' names are `seesay.encoders.checkpoints`'; this is activation, sizes, preprocessing and
tokenizer in their words. What they cannot say (another resize mode, mixed activations) is refused, never rounded.

Sources: transformers 5, configuration_clip.py and configuration_siglip.py; open_clip 3.3, model.py and model_configs/.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from seesay.base.errors import UsageError
from seesay.encoders.bundle import TOKENIZER, Bundle
from seesay.encoders.checkpoints.keymap import from_ours
from seesay.encoders.checkpoints.open_clip import timm_name
from seesay.encoders.torch import load_clip
from seesay.inputs import openai
from seesay.inputs.transform import ImageConfig
from seesay.models.variants import VARIANTS

Section = dict[str, Any]

_HF_ACTIVATIONS = {"gelu": "gelu", "quick_gelu": "quick_gelu", "gelu_tanh": "gelu_pytorch_tanh"}
_HF_RESAMPLING = {"bilinear": 2, "bicubic": 3}  # Pillow's numbers


def write_hf(bundle: Bundle, folder: Path) -> None:
    """Write a folder for transformers: weights, config, image processor, tokenizer.

    Its tokenizer does less cleaning than ours; see `seesay.inputs.openai`.

    Args:
        bundle: a CLIP with a ViT, or a SigLIP.
        folder: made if it is not there; files of the same names are replaced.

    Raises:
        UsageError: transformers has no such architecture or preprocessing.
    """
    is_siglip = bundle.model["has_bias"]
    weights = from_ours("hf_siglip" if is_siglip else "hf_clip", load_clip(bundle).state_dict(), bundle.model)
    _refuse_our_own(bundle, "transformers")
    files = {
        "config.json": _hf_siglip_config(bundle) if is_siglip else _hf_clip_config(bundle),
        "preprocessor_config.json": _hf_processor(bundle.image, "Siglip" if is_siglip else "CLIP"),
        **_hf_tokenizer(bundle),
    }
    _write(folder, files, weights, "model.safetensors")


def write_open_clip(bundle: Bundle, folder: Path) -> None:
    """Write a folder for open_clip: weights and open_clip_config.json.

    Args:
        bundle: one of open_clip's architectures.
        folder: made if it is not there; files of the same names are replaced.

    Raises:
        UsageError: open_clip has no such architecture or preprocessing.
    """
    weights = from_ours("open_clip", load_clip(bundle).state_dict(), bundle.model)
    _refuse_our_own(bundle, "open_clip")
    is_plain = bundle.model["image"].get("pooling") != "attention"
    image = bundle.image
    config = {
        "model_cfg": _open_clip_plain(bundle) if is_plain else _open_clip_timm(bundle),
        "preprocess_cfg": {
            "mean": list(image.mean),
            "std": list(image.std),
            "interpolation": image.interpolation,
            "resize_mode": image.resize,
        },
    }
    files = {"open_clip_config.json": config, **_hf_tokenizer(bundle)}
    _write(folder, files, weights, "open_clip_model.safetensors")


def _refuse_our_own(bundle: Bundle, program: str) -> None:
    """What only we have has no name there, and would be lost without a word."""
    cure = "export it with `--to onnx`"
    for side in ("image", "text"):
        if bundle.model[f"{side}_projection"] == "mlp":
            raise UsageError(
                f"{program} has no projection with a hidden layer, as this model's {side} side has; {cure}"
            )
    if bundle.image.interpolation not in _HF_RESAMPLING:
        known = " and ".join(_HF_RESAMPLING)
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


def _hf_clip_config(bundle: Bundle) -> Section:
    end_id = bundle.model["text"]["end_id"]
    if end_id == 2:
        raise UsageError("transformers takes the end token 2 for a mistake of old files and would look for another")
    # it pads with the end token; the first one counts
    ids = {"bos_token_id": end_id - 1, "eos_token_id": end_id, "pad_token_id": end_id}
    return {
        "architectures": ["CLIPModel"],
        "model_type": "clip",
        "projection_dim": bundle.dim,
        "text_config": {"model_type": "clip_text_model", **_hf_text(bundle.model["text"]), **ids},
        "vision_config": {"model_type": "clip_vision_model", **_hf_image(bundle.model["image"])},
    }


def _hf_siglip_config(bundle: Bundle) -> Section:
    ids = {"bos_token_id": None, "eos_token_id": bundle.model["text"]["end_id"], "pad_token_id": bundle.text.pad_id}
    text = {**_hf_text(bundle.model["text"]), "projection_size": bundle.dim, **ids}
    return {
        "architectures": ["SiglipModel"],
        "model_type": "siglip",
        "text_config": {"model_type": "siglip_text_model", **text},
        "vision_config": {"model_type": "siglip_vision_model", **_hf_image(bundle.model["image"])},
    }


def _hf_processor(image: ImageConfig, family: str) -> Section:
    square = {"height": image.size_px, "width": image.size_px}
    if image.resize == "longest":
        raise UsageError("transformers' image processors cannot resize by the longest side; export to open_clip")
    is_cropped = image.resize == "shortest"
    return {
        "image_processor_type": "CLIPImageProcessor" if is_cropped else f"{family}ImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "size": {"shortest_edge": image.size_px} if is_cropped else square,
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
    if content == json.loads(openai.tokenizer_json()):
        special = {"bos_token": openai.START, **dict.fromkeys(("eos_token", "unk_token", "pad_token"), openai.END)}
        settings = {"tokenizer_class": "CLIPTokenizer", "clean_up_tokenization_spaces": True, **special}
        content = json.loads(openai.tokenizer_json(cleans=True))
    else:
        tokens = {added["id"]: added["content"] for added in content.get("added_tokens", ())}
        settings = {"tokenizer_class": "PreTrainedTokenizerFast"}
        if bundle.text.pad_id in tokens:
            settings["pad_token"] = tokens[bundle.text.pad_id]
    length = {"model_max_length": bundle.text.context_length}
    return {"tokenizer.json": content, "tokenizer_config.json": {**settings, **length}}


def _open_clip_plain(bundle: Bundle) -> Section:
    image, text = bundle.model["image"], bundle.model["text"]
    if image.get("activation", text["activation"]) != text["activation"] or text["activation"] == "gelu_tanh":
        raise UsageError("open_clip has one activation for both towers, GELU or QuickGELU; this model has another")
    if text["end_id"] != text["vocabulary_size"] - 1:
        raise UsageError("open_clip reads a text at its largest token, and this model's end token is not the last one")
    words = _open_clip_words(text) | {"mlp_ratio": _ratio(text)}
    if image["tower"] == "resnet":
        sizes = {"layers": list(image["num_blocks"]), "width": image["width"], "patch_size": None}
    else:
        sizes = {"layers": image["num_layers"], "width": image["width"], "patch_size": image["patch_size"]}
        sizes |= {"head_width": image["width"] // image["num_heads"], "mlp_ratio": _ratio(image)}
    return {
        "embed_dim": bundle.dim,
        "quick_gelu": text["activation"] == "quick_gelu",
        "vision_cfg": {"image_size": image["image_size"], **sizes},
        "text_cfg": words,
    }


def _open_clip_timm(bundle: Bundle) -> Section:
    """SigLIP and PE-Core: open_clip takes their image towers from timm, by a name that stands for every number."""
    variant = next((variant for variant in VARIANTS.values() if variant.model == bundle.model), None)
    if variant is None:
        raise UsageError(
            "open_clip has image towers with an attention pool only as timm knows them, and this is none of them; "
            "export to hf"
        )
    image, text = bundle.model["image"], bundle.model["text"]
    words = _open_clip_words(text)
    trunk = {"timm_model_name": timm_name(variant), "timm_model_pretrained": False, "timm_pool": "map"}
    if variant.family == "pe":
        trunk["timm_proj"], rest = None, {}
    else:
        trunk["timm_proj"], rest = "none", {"init_logit_bias": -10}
        words |= _open_clip_siglip_text(bundle)
    return {
        "embed_dim": bundle.dim,
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


def _open_clip_siglip_text(bundle: Bundle) -> Section:
    text = bundle.model["text"]
    return {
        "mlp_ratio": _ratio(text),
        "hf_tokenizer_name": bundle.name,  # of a local folder open_clip takes the folder's own
        "tokenizer_kwargs": {"clean": bundle.text.cleaner},
        "no_causal_mask": True,
        "proj_type": "none" if bundle.model["text_projection"] == "none" else "linear",
        "proj_bias": bundle.model["text_projection"] == "affine",
        "pool_type": "last",
        "norm_kwargs": {"eps": text["norm_eps"]},
        "act_kwargs": {"approximate": "tanh"} if text["activation"] == "gelu_tanh" else {},
    }
