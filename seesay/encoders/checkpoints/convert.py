"""From a checkpoint of other people's making to a bundle of ours.

What a checkpoint says of itself (its config, its image processor) wins over what its family usually does;
what it does not say must be told, because an activation or a resize mode cannot be seen in weights.
"""

import dataclasses
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from seesay.base.errors import BundleError, UnknownNameError, UsageError
from seesay.encoders import recipes
from seesay.encoders.bundle import Bundle, write_bundle
from seesay.encoders.checkpoints import actionclip, hf_clip, hf_siglip, open_clip, openai, processor, words
from seesay.encoders.checkpoints.fields import check
from seesay.encoders.checkpoints.files import read_tensors
from seesay.encoders.checkpoints.folder import find_weights, read_json
from seesay.encoders.checkpoints.keymap import to_ours
from seesay.encoders.checkpoints.torchscript import is_torchscript
from seesay.encoders.weights import Storage
from seesay.inputs.tokenizer import TextConfig
from seesay.inputs.transform import ImageConfig
from seesay.models.variants import CLIP_VOCABULARY, VARIANTS

HF_CONFIG, OPEN_CLIP_CONFIG = "config.json", "open_clip_config.json"
_HF_TYPES = {"clip": hf_clip.config_from, "metaclip_2": hf_clip.config_from, "siglip": hf_siglip.config_from}
_HF_NAMES = {
    "vision-text-dual-encoder": "transformers' VisionTextDualEncoder, an image tower and a text tower of any kind; of "
    "these we read none, so train a CLIP of ours on its pairs, or take its towers one by one to a CLIP",
    "siglip2": "SigLIP 2 for pictures of any shape (NaFlex); we read those of a fixed size",
}
"""What else people bring, for the message."""
_UNSEEN = ("activation", "norm_eps", "num_heads", "pool_num_heads", "pooling", "attention", "rotary_grid", "end_id")
_SIGLIP_FAMILIES = {250_000: "siglip_i18n", 256_000: "siglip2"}  # by vocabulary


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Checkpoint:
    """A checkpoint, read."""

    state: Mapping[str, Tensor]
    """Under their names."""
    source: str
    """Whose names they are; one of `SOURCES`."""
    model: Mapping[str, Any]
    """The architecture, as `seesay.models.clip.build` takes it."""
    family: str
    """A name in `recipes.RECIPES`."""
    image: ImageConfig
    folder: Path | None
    """Where the files beside the weights lie; None for a single file."""
    is_hf: bool
    """Whether the weights are named as transformers names them."""


class _Said(NamedTuple):
    """What a checkpoint says of itself."""

    model: Mapping[str, Any]
    family: str
    certain: tuple[str, ...] = _UNSEEN
    """What of it no weight shows, and the checkpoint vouches for."""


def convert(
    source: Path,
    out: Path,
    *,
    name: str | None = None,
    licence: str = "LicenseRef-unknown",
    variant: str | None = None,
    statistics: str | None = None,
    tokenizer: bytes | None = None,
    storage: Storage = "float32",
) -> Bundle:
    """Make a bundle of a checkpoint; graphs and self-test are added by `seesay.encoders.export.export`.

    Args:
        source: a folder (transformers' CLIP and SigLIP, open_clip's) or a file (open_clip's, OpenAI's archives; of
            ActionCLIP's the bundle is a video model).
        out: the bundle's folder; one that is there is replaced.
        name: the bundle's name; by default that of `out`.
        licence: SPDX expression that covers the weights.
        variant: the architecture, a name of `VARIANTS`, where the checkpoint does not say it.
        statistics: mean and deviation, a name in `recipes.STATISTICS`, where neither checkpoint nor family says them.
        tokenizer: content of tokenizer.json; by default OpenAI's, or the checkpoint's own.
        storage: how matrices are stored.

    Raises:
        BundleError: the checkpoint is missing, damaged, holds code, or is of another architecture than it or you say.
        UnknownNameError: no such variant.
        UsageError: the checkpoint does not say what it is, and no variant is given.
    """
    if (content := actionclip.read_actionclip(source)) is not None:
        return actionclip.convert_actionclip(content, out, path=source, name=name, licence=licence, storage=storage)
    checkpoint = read_checkpoint(source, variant=variant, statistics=statistics)
    state = to_ours(checkpoint.source, checkpoint.state, checkpoint.model)
    bias = state.pop("bias", None)
    text, tokenizer = read_words(checkpoint, tokenizer)
    words.check_reading(checkpoint.model, tokenizer)
    bundle = Bundle(
        folder=out,
        name=name or out.name,
        licence=licence,
        dim=checkpoint.model["dim"],
        model=checkpoint.model,
        image=checkpoint.image,
        text=text,
        logit_scale=math.exp(float(state.pop("log_scale"))),
        logit_bias=None if bias is None else float(bias),
        calibration=None,
        files={},
    )
    weights = {key: np.asarray(tensor.numpy()) for key, tensor in state.items()}
    return write_bundle(bundle, weights, tokenizer, {"": storage})


def read_checkpoint(source: Path, *, variant: str | None = None, statistics: str | None = None) -> Checkpoint:
    """Read a checkpoint and find out what it is.

    Args:
        source: a folder or a file.
        variant: the architecture, where the checkpoint does not say it.
        statistics: mean and deviation, where neither checkpoint nor family says them.

    Raises:
        BundleError, UnknownNameError, UsageError: as `convert`.
    """
    if variant is not None and variant not in VARIANTS:
        raise UnknownNameError("variant", variant, VARIANTS, cure="see docs/models.md")
    folder = source if source.is_dir() else None
    path = find_weights(source) if folder else source
    state = read_tensors(path)
    is_hf = any(key.startswith("vision_model.") for key in state)
    if "text_model.embeddings.word_embeddings.weight" in state:  # a BERT's; of ours none has that name
        raise BundleError(f"{path} holds {_HF_NAMES['vision-text-dual-encoder']}")
    said = _say_what(path, folder, state, is_hf=is_hf, is_told=variant is not None)
    if variant is not None:
        model, family = VARIANTS[variant].model, str(VARIANTS[variant].family)
        if said is not None:
            _check_agreement(said, model, variant)
    elif said is not None:
        model, family = said.model, said.family
    else:
        raise UsageError(
            f"{path} does not say what it is: sizes can be seen in weights, but not the activation or the number of "
            f"heads; name the variant, such as {', '.join(list(VARIANTS)[5:8])}"
        )
    image = recipes.image_config(family, model["image"]["image_size"], statistics=statistics)
    if folder is not None:
        image = _image_config(folder, image, is_hf=is_hf, statistics=statistics)
    names = "open_clip"
    if is_hf:
        names = "hf_siglip" if model["has_bias"] else "hf_clip"
    return Checkpoint(state=state, source=names, model=model, family=family, image=image, folder=folder, is_hf=is_hf)


def read_words(checkpoint: Checkpoint, tokenizer: bytes | None = None) -> tuple[TextConfig, bytes]:
    """How a checkpoint reads its texts, and the content of its tokenizer.json.

    Args:
        checkpoint: as `read_checkpoint` gives it.
        tokenizer: content of tokenizer.json, where the checkpoint's own is not to be read.

    Raises:
        BundleError, UsageError: as `convert`.
    """
    folder, model, family = checkpoint.folder, checkpoint.model, checkpoint.family
    if tokenizer is not None:
        text = recipes.text_config(family, model["text"]["context_length"])
        is_own = family in ("clip", "pe") and model["text"]["vocabulary_size"] != CLIP_VOCABULARY
        return (dataclasses.replace(text, cleaner="none") if is_own else text), tokenizer
    if folder is not None and checkpoint.is_hf:
        return words.of_transformers(folder, model=model, family=family)
    if folder is not None and (folder / OPEN_CLIP_CONFIG).is_file():
        settings = (read_json(folder / OPEN_CLIP_CONFIG).get("model_cfg") or {}).get("text_cfg") or {}
        return words.of_open_clip(settings, folder, model=model, family=family)
    return words.of_family(model, family, folder)


def _say_what(
    path: Path, folder: Path | None, state: Mapping[str, Tensor], *, is_hf: bool, is_told: bool
) -> _Said | None:
    """Architecture and family, from the config beside the weights; OpenAI's archives need none."""
    config = folder / (HF_CONFIG if is_hf else OPEN_CLIP_CONFIG) if folder else None
    if config is not None and config.is_file():
        settings = read_json(config)
        try:
            model = _from_hf(settings) if is_hf else _from_open_clip(settings)
            return _Said(model, _family(model))
        except (KeyError, TypeError, ValueError, BundleError) as error:
            if is_told:  # a variant is named where a config is in words that we do not know
                return None
            raise BundleError(f"{config} describes no model that we have: {error}; name the variant") from error
    # a state dict that was taken out of an archive still has the archive's three counts
    if not is_hf and (is_torchscript(path) or "input_resolution" in state):
        return _Said(openai.infer_config(state), "clip", ("activation",))  # the heads are a rule of theirs, not a fact
    return None


def _check_agreement(said: _Said, told: Mapping[str, Any], variant: str) -> None:
    """Refuse a variant that parts from the checkpoint's own word in what no shape of a weight shows."""
    faults = [
        f"{side}.{key} is {said.model[side][key]!r}, of the variant {told[side][key]!r}"
        for side in ("image", "text")
        for key in said.certain
        if key in said.model[side] and key in told[side] and said.model[side][key] != told[side][key]
    ]
    if faults:
        raise BundleError(
            f"the checkpoint is no {variant}: by its own word its {'; its '.join(faults)}; leave the variant away, "
            "or name the right one"
        )


def _from_hf(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    kind = settings["model_type"]
    if kind not in _HF_TYPES:
        known = ", ".join(_HF_TYPES)
        raise BundleError(f"its model_type is {kind!r}, {_HF_NAMES.get(kind, 'which we have not')}; we read {known}")
    return _HF_TYPES[kind](settings)


def _from_open_clip(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    check(settings, "open_clip_config.json", name=OPEN_CLIP_CONFIG)
    return open_clip.config_from(settings["model_cfg"])


def _family(model: Mapping[str, Any]) -> str:
    image, text = model["image"], model["text"]
    if image.get("rotary_grid"):
        return "pe"
    if text["attention"] == "full":
        return _SIGLIP_FAMILIES.get(text["vocabulary_size"], "siglip")
    return "clip"


def _image_config(folder: Path, usual: ImageConfig, *, is_hf: bool, statistics: str | None) -> ImageConfig:
    """The preprocessing that the files beside the weights ask for; as usual where there are none."""
    if is_hf:
        if (found := processor.read_processor(folder)) is None:
            return usual
        config = folder / HF_CONFIG
        kind = str(read_json(config).get("model_type")) if config.is_file() else "clip"
        return processor.image_config(found[1], model_type=kind, image_size=usual.size_px, name=found[0])
    if not (folder / OPEN_CLIP_CONFIG).is_file():
        return usual
    settings = read_json(folder / OPEN_CLIP_CONFIG).get("preprocess_cfg") or {}
    return open_clip.image_config(settings, image_size=usual.size_px, statistics=statistics)
