"""What goes with a published model beside its weights: preprocessing, tokenizer, cleaning, by family.

The classic silent errors of CLIP tools are made here: another mean, resize mode, padding or case, and every vector
is a little wrong. So it is one table, and a checkpoint that says something else of itself wins over it.
Must not know weights or files' addresses; imports no torch.

Sources: open_clip 3.3, pretrained.py (`_pcfg`, `_slpcfg`, `_pecfg`) and the `text_cfg` of its model configurations.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from seesay.base.errors import BundleError, UnknownNameError
from seesay.encoders.checkpoints.folder import read_json
from seesay.inputs import openai
from seesay.inputs.statistics import (
    IMAGENET_MEAN,
    IMAGENET_STD,
    INCEPTION_MEAN,
    INCEPTION_STD,
    OPENAI_MEAN,
    OPENAI_STD,
    Triple,
)
from seesay.inputs.tokenizer import TextConfig
from seesay.inputs.transform import ImageConfig, Interpolation, ResizeMode

STATISTICS: dict[str, tuple[Triple, Triple]] = {
    "openai": (OPENAI_MEAN, OPENAI_STD),
    "inception": (INCEPTION_MEAN, INCEPTION_STD),
    "imagenet": (IMAGENET_MEAN, IMAGENET_STD),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """The habits of a family."""

    resize: ResizeMode
    interpolation: Interpolation
    statistics: str
    """A name in `STATISTICS`."""
    pad_id: int | None
    """What fills a text up, for towers that look at it; None for causal towers, which have OpenAI's tokenizer."""


RECIPES: dict[str, Recipe] = {
    "clip": Recipe(resize="shortest", interpolation="bicubic", statistics="openai", pad_id=None),
    "siglip": Recipe(resize="squash", interpolation="bicubic", statistics="inception", pad_id=1),
    "siglip_i18n": Recipe(resize="squash", interpolation="bicubic", statistics="inception", pad_id=1),
    "siglip2": Recipe(resize="squash", interpolation="bicubic", statistics="inception", pad_id=0),
    "pe": Recipe(resize="squash", interpolation="bilinear", statistics="inception", pad_id=None),
}


def image_config(family: str, image_size: int, *, statistics: str | None = None) -> ImageConfig:
    """How a family's pictures are prepared.

    Args:
        family: a name in `RECIPES`.
        image_size: side of the square that the model takes, in pixels.
        statistics: a name in `STATISTICS`, for the checkpoints that part from their family.

    Raises:
        UnknownNameError: no such family or statistics.
    """
    recipe = _recipe(family)
    chosen = statistics or recipe.statistics
    if chosen not in STATISTICS:
        raise UnknownNameError("set of statistics", chosen, STATISTICS, cure=f"they are {', '.join(STATISTICS)}")
    mean, std = STATISTICS[chosen]
    return ImageConfig(size_px=image_size, resize=recipe.resize, interpolation=recipe.interpolation, mean=mean, std=std)


def text_config(family: str, context_length: int) -> TextConfig:
    """How a family's texts are prepared.

    Args:
        family: a name in `RECIPES`.
        context_length: tokens that the text tower takes.

    Raises:
        UnknownNameError: no such family.
    """
    recipe = _recipe(family)
    if recipe.pad_id is None:
        return openai.text_config(context_length)
    return TextConfig(context_length=context_length, pad_id=recipe.pad_id, padding="fixed", cleaner="canonicalize")


def tokenizer_json(family: str, folder: Path | None) -> bytes:
    """The tokenizer of a family's checkpoint.

    Args:
        family: a name in `RECIPES`.
        folder: where the checkpoint's files lie; OpenAI's tokenizer needs none.

    Raises:
        UnknownNameError: no such family.
        BundleError: the folder lacks tokenizer.json, or it is broken.
    """
    if _recipe(family).pad_id is None:
        return openai.tokenizer_json()
    if folder is None:
        raise BundleError(f"a {family} model needs its own tokenizer.json; give the checkpoint's whole folder")
    return read_tokenizer(folder)


def read_tokenizer(folder: Path) -> bytes:
    """The tokenizer.json of a checkpoint's folder, adding the special tokens that its tokenizer_config.json asks for.

    transformers builds a tokenizer from both files: Gemma's, which SigLIP 2 uses, says in the second one whether a text
    gets a start and an end token, whatever the first one holds.

    Raises:
        BundleError: there is none, or it is broken.
    """
    path = folder / "tokenizer.json"
    if not path.is_file():
        spiece = next((name for name in ("spiece.model", "tokenizer.model") if (folder / name).is_file()), None)
        has = f"has only {spiece}" if spiece else "has no tokenizer"
        raise BundleError(
            f"{folder} {has}, and a tokenizer.json is needed; make one where transformers is installed: "
            f"`AutoTokenizer.from_pretrained({str(folder)!r}).save_pretrained({str(folder)!r})`"
        )
    tokenizer = read_json(path)
    settings_path = folder / "tokenizer_config.json"
    settings = read_json(settings_path) if settings_path.is_file() else {}
    asked = {key: settings.get(f"add_{key}_token") for key in ("bos", "eos")}
    if any(isinstance(value, bool) for value in asked.values()):
        around = {key: _special(settings, key, tokenizer) for key, value in asked.items() if value}
        tokenizer["post_processor"] = _template(around)
    tokenizer["truncation"] = tokenizer["padding"] = None  # ours, see `seesay.inputs.tokenizer`
    return json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def _special(settings: dict[str, Any], key: str, tokenizer: dict[str, Any]) -> tuple[str, int]:
    token = settings.get(f"{key}_token")
    content = token.get("content") if isinstance(token, dict) else token
    for added in tokenizer.get("added_tokens", ()):
        if added.get("content") == content:
            return str(content), int(added["id"])
    raise BundleError(f"tokenizer_config.json asks for the {key} token {content!r}, which tokenizer.json does not have")


def _template(around: dict[str, tuple[str, int]]) -> dict[str, Any]:
    """A TemplateProcessing: the text, with the start token before it and the end token after it if asked."""
    first = [{"SpecialToken": {"id": around["bos"][0], "type_id": 0}}] if "bos" in around else []
    last = [{"SpecialToken": {"id": around["eos"][0], "type_id": 0}}] if "eos" in around else []
    text = [{"Sequence": {"id": "A", "type_id": 0}}]
    return {
        "type": "TemplateProcessing",
        "single": [*first, *text, *last],
        "pair": [*first, *text, {"Sequence": {"id": "B", "type_id": 1}}, *last],
        "special_tokens": {
            token: {"id": token, "ids": [number], "tokens": [token]} for token, number in around.values()
        },
    }


def _recipe(family: str) -> Recipe:
    if family not in RECIPES:
        raise UnknownNameError("family", family, RECIPES, cure=f"they are {', '.join(RECIPES)}")
    return RECIPES[family]
