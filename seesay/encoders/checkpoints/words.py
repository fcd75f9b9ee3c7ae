"""How a foreign checkpoint reads its texts: the tokenizer, what is done to a text before it, and where a row is read.

    what the files say                              cleaner                         tokenizer
    open_clip, no hf_tokenizer_name                 clean, or lower                 OpenAI's
    open_clip, hf_tokenizer_name                    clean, or whitespace            the folder's
    transformers, OpenAI's vocabulary               lower                           OpenAI's
    transformers, SigLIP's tokenizers               canonicalize                    the folder's
    transformers, any other                         none: tokenizer.json does it    the folder's

A tokenizer whose texts do not end as the text tower expects is refused: every text would be read at its start.

Sources: open_clip 3.3, tokenizer.py and `get_tokenizer` in factory.py; transformers 5, tokenization_siglip.py and
tokenization_siglip2.py.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from seesay.base.errors import BundleError, UsageError
from seesay.encoders import recipes
from seesay.encoders.checkpoints.fields import check
from seesay.encoders.checkpoints.folder import read_json
from seesay.inputs import CLEANERS, openai
from seesay.inputs.tokenizer import TextConfig, parse_tokenizer
from seesay.models.variants import CLIP_VOCABULARY

_SETTINGS, _TOKENIZER, _VOCABULARY = "tokenizer_config.json", "tokenizer.json", "vocab.json"
_BERT = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
_CANONICAL = ("Siglip", "T5", "Gemma")
"""Tokenizers of published SigLIPs. SiglipTokenizer takes punctuation away itself; the others stand in folders whose
program did it before (big_vision, open_clip), and every number that was published was measured so."""


def of_open_clip(
    settings: Mapping[str, Any], folder: Path, *, model: Mapping[str, Any], family: str
) -> tuple[TextConfig, bytes]:
    """From the `text_cfg` of an open_clip_config.json.

    Raises:
        BundleError: it asks for something that we have not, or the folder lacks its tokenizer.
    """
    kwargs = settings.get("tokenizer_kwargs") or {}
    check(kwargs, "tokenizer_kwargs", name="tokenizer_kwargs")
    has_own = bool(settings.get("hf_tokenizer_name"))
    cleaner = kwargs.get("clean", "whitespace" if has_own else "lower")
    known = [name for name in CLEANERS if name != "none"]  # open_clip has no such thing
    if cleaner not in known:
        raise BundleError(f"its tokenizer_kwargs ask for clean={cleaner!r}; we have {', '.join(known)}")
    usual = recipes.text_config(family, model["text"]["context_length"])
    if not has_own:
        return dataclasses.replace(usual, cleaner=cleaner, pad_id=openai.PAD_ID), openai.tokenizer_json()
    content = _own_tokenizer(folder, _settings(folder))
    return dataclasses.replace(usual, cleaner=cleaner, pad_id=_pad_id(folder, content, usual)), content


def of_transformers(folder: Path, *, model: Mapping[str, Any], family: str) -> tuple[TextConfig, bytes]:
    """From the tokenizer's files in a folder of transformers.

    Raises:
        BundleError: they ask for something that we have not, or are not there.
    """
    settings = _settings(folder)
    text = _shortened(recipes.text_config(family, model["text"]["context_length"]), settings)
    kind = str(settings.get("tokenizer_class") or "")
    if family in ("clip", "pe"):
        if _is_openai(folder, kind, model["text"]["vocabulary_size"]):
            return text, openai.tokenizer_json()
        return dataclasses.replace(text, cleaner="none"), _own_tokenizer(folder, settings)
    content = _own_tokenizer(folder, settings)
    text = dataclasses.replace(text, pad_id=_pad_id(folder, content, text))
    if kind.startswith("Siglip2"):  # lower case, and nothing else
        return dataclasses.replace(text, cleaner="none"), _lowered(content)
    if kind.startswith("Siglip") and settings.get("do_lower_case") is False:
        raise BundleError(f"its {_SETTINGS} says do_lower_case=False; we take SigLIP's punctuation away with its case")
    is_canonical = not kind or kind.startswith(_CANONICAL)
    return dataclasses.replace(text, cleaner="canonicalize" if is_canonical else "none"), content


def of_family(model: Mapping[str, Any], family: str, folder: Path | None) -> tuple[TextConfig, bytes]:
    """From nothing but the family's habits: a file of weights, or a folder without a config.

    Raises:
        UsageError: its vocabulary is not OpenAI's, and there is no folder.
        BundleError: the folder has no tokenizer.
    """
    text = recipes.text_config(family, model["text"]["context_length"])
    if family in ("clip", "pe") and model["text"]["vocabulary_size"] != CLIP_VOCABULARY:
        if folder is None:
            raise UsageError("this model has a vocabulary of its own; give its tokenizer.json")
        return dataclasses.replace(text, cleaner="none"), _own_tokenizer(folder, _settings(folder))
    return text, recipes.tokenizer_json(family, folder)


def check_reading(model: Mapping[str, Any], tokenizer: bytes) -> None:
    """Refuse a tokenizer that does not go with the text tower.

    Raises:
        BundleError: it ends no text with the token that the tower reads, or has more tokens than the tower.
    """
    text = model["text"]
    ids = parse_tokenizer(tokenizer.decode("utf-8"), name=_TOKENIZER).encode("a photo").ids
    if any(number >= text["vocabulary_size"] for number in ids):
        raise BundleError(
            f"its tokenizer makes the token {max(ids)}, and its text tower knows {text['vocabulary_size']} tokens; "
            "the two are not of one model"
        )
    if text.get("pooling") == "end" and text["end_id"] not in ids:
        raise BundleError(
            f"its text tower reads a text at the token {text['end_id']}, and its tokenizer ends a text with "
            f"{ids[-1] if ids else 'nothing'}; every text would be read at its start. The two are not of one model"
        )


def _is_openai(folder: Path, kind: str, vocabulary_size: int) -> bool:
    """Whether a folder of transformers has OpenAI's tokenizer: its words, and a class that folds case as it does."""
    if vocabulary_size != CLIP_VOCABULARY or (kind and not kind.startswith("CLIP")):
        return False
    if (folder / _TOKENIZER).is_file():
        content = read_json(folder / _TOKENIZER)
        model = content.get("model")
        words = dict(model.get("vocab") or {}) if isinstance(model, dict) else {}
        words |= {added.get("content"): added.get("id") for added in content.get("added_tokens") or ()}
    elif (folder / _VOCABULARY).is_file():
        words = read_json(folder / _VOCABULARY)
    else:
        return True  # an old folder, with weights and configs only
    return bool(words == parse_tokenizer(openai.tokenizer_json().decode("utf-8"), name=_TOKENIZER).get_vocab())


def _settings(folder: Path) -> dict[str, Any]:
    return read_json(folder / _SETTINGS) if (folder / _SETTINGS).is_file() else {}


def _own_tokenizer(folder: Path, settings: Mapping[str, Any]) -> bytes:
    """The folder's tokenizer.json, where nothing beside it asks for something else."""
    check(settings, "tokenizer_config.json", name=_SETTINGS)
    if settings.get("padding_side") == "left" or settings.get("truncation_side") == "left":
        raise BundleError(f"its {_SETTINGS} fills up or cuts texts at their start; we do so at their end")
    content = recipes.read_tokenizer(folder)
    normalizer = json.loads(content).get("normalizer") or {}
    if normalizer.get("type") == "BertNormalizer":  # transformers makes the file agree with what is said beside it
        for key, name in _BERT.items():
            if settings.get(key) is not None and settings[key] != normalizer.get(name):
                said = f"its {_SETTINGS} says {key}={settings[key]!r}"
                raise BundleError(f"{said}, and its {_TOKENIZER} {name}={normalizer.get(name)!r}")
    return content


def _shortened(text: TextConfig, settings: Mapping[str, Any]) -> TextConfig:
    """A tokenizer may have fewer places than the tower; one without a limit writes a huge number."""
    longest = settings.get("model_max_length")
    if isinstance(longest, bool) or not isinstance(longest, int | float) or longest < 1:
        return text
    return dataclasses.replace(text, context_length=int(min(text.context_length, longest)))


def _pad_id(folder: Path, tokenizer: bytes, usual: TextConfig) -> int:
    """What fills a row up; causal towers never look at it, and get the smallest number, which is never the largest."""
    if usual.padding != "fixed":
        return openai.PAD_ID
    token = _settings(folder).get("pad_token")
    token = token.get("content") if isinstance(token, dict) else token
    if token is None:
        return usual.pad_id
    number = parse_tokenizer(tokenizer.decode("utf-8"), name=_TOKENIZER).token_to_id(str(token))
    if number is None:
        raise BundleError(f"its {_SETTINGS} fills texts up with {token!r}, which its tokenizer.json does not have")
    return int(number)


def _lowered(tokenizer: bytes) -> bytes:
    """The same tokenizer, with texts in lower case first."""
    content = json.loads(tokenizer)
    steps = [{"type": "Lowercase"}, *([content["normalizer"]] if content.get("normalizer") else [])]
    content["normalizer"] = {"type": "Sequence", "normalizers": steps}
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8")
