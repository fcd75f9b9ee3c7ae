"""From sentences to the whole numbers that a text tower takes.

A tokenizer is a Hugging Face `tokenizer.json` inside a model's bundle and a few facts about the model that the
file does not hold (`TextConfig`). This file must not know any model or any one vocabulary.
Shape legend: N texts, L tokens of the longest row.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

import numpy as np
import tokenizers
from numpy.typing import NDArray

from seesay.base.arguments import list_of_strings
from seesay.base.errors import BundleError, InputError, reason
from seesay.base.tables import resolve
from seesay.inputs import CLEANERS
from seesay.inputs.fields import check_fields

Padding: TypeAlias = Literal["longest", "fixed"]

_SURROGATES = re.compile("[\ud800-\udfff]")  # halves of UTF-16 pairs: what a broken file name or JSON leaves in a str


@dataclass(frozen=True, kw_only=True, slots=True)
class TextConfig:
    """How a model wants its texts: the section `text` of a bundle's config.json."""

    context_length: int
    """The most tokens a text may have, start and end tokens counted."""

    pad_id: int
    """The token that fills short rows up."""

    padding: Padding
    """`longest`: rows are as long as the longest of the batch, for towers that mask or are causal.

    `fixed`: rows always have `context_length` tokens, for towers that were trained to look at the padding (SigLIP).
    """

    cleaner: str
    """A name in `CLEANERS`: what is done to a text before tokenizer.json's own normaliser; mostly `none`."""

    def __post_init__(self) -> None:
        """Refuse what no model can mean."""
        for name, least in (("context_length", 1), ("pad_id", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise BundleError(f"text.{name} must be a whole number, at least {least}; got {value!r}")
        for name, kinds in (("padding", get_args(Padding)), ("cleaner", tuple(CLEANERS))):
            if getattr(self, name) not in kinds:
                raise BundleError(f"text.{name} must be one of {', '.join(kinds)}; got {getattr(self, name)!r}")

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "TextConfig":
        """Read the section `text` of a bundle's config.json.

        Raises:
            BundleError: a key is missing or unknown, or a value is impossible; it names the key.
        """
        check_fields(cls, data, section="text")
        return cls(**data)

    def to_dict(self) -> dict[str, Any]:
        """What `from_dict` reads."""
        return asdict(self)


class Tokens(NamedTuple):
    """A batch of tokenized texts."""

    ids: NDArray[np.int64]
    """(N, L) token numbers, each row padded at its end."""

    mask: NDArray[np.int64]
    """(N, L) 1 where there is a token, 0 where there is padding."""


class Tokenizer:
    """Sentences to tokens for one model; safe to share between threads."""

    def __init__(self, path: str | Path, config: TextConfig) -> None:
        """Read a tokenizer.json.

        Args:
            path: the file `tokenizer.json` of a bundle.
            config: what the file does not say.

        Raises:
            BundleError: the file is missing or is no tokenizer, or the context has no room for words.
        """
        self.config = config
        self._backend = _read_backend(Path(path))
        self._clean: Callable[[str], str] = resolve(CLEANERS, config.cleaner, kind="cleaner")
        num_special = self._backend.num_special_tokens_to_add(is_pair=False)
        if config.context_length <= num_special:
            raise BundleError(
                f"text.context_length is {config.context_length}, and the tokenizer adds {num_special} tokens of its "
                "own to every text; a context must hold at least one more"
            )

    @property
    def backend(self) -> tokenizers.Tokenizer:
        """The library's own object, with the vocabulary."""
        return self._backend

    def __call__(
        self, texts: Sequence[str], *, truncate: bool = False, on_cut: Callable[[str], None] | None = None
    ) -> Tokens:
        """Tokenize a batch: `pad(rows(texts))`.

        Returns:
            ids and mask, (N, L) each; L is the longest row or the context length, as `config.padding` says.

        Raises:
            InputError: a text has no words, or more tokens than the context while `truncate` is False.
            UsageError: not a list of strings.
        """
        return self.pad(self.rows(texts, truncate=truncate, on_cut=on_cut))

    def rows(
        self, texts: Sequence[str], *, truncate: bool = False, on_cut: Callable[[str], None] | None = None
    ) -> list[list[int]]:
        """The tokens of each text, its start and end tokens with them.

        Args:
            texts: N sentences. A surrogate pair becomes its character, half a pair U+FFFD.
            truncate: cut a text that is longer than the context, keeping its end token, instead of refusing it.
            on_cut: told of each text that was cut, in a sentence.

        Raises:
            InputError: a text has no words, or more tokens than the context while `truncate` is False.
            UsageError: not a list of strings.
        """
        texts = list_of_strings("texts", texts)
        # One by one: the library's own batching starts threads, which warn on stderr in a process that forks later,
        # as a data loader does.
        return [
            self._row(text, index, len(texts), truncate=truncate, on_cut=on_cut) for index, text in enumerate(texts)
        ]

    def pad(self, rows: Sequence[Sequence[int]]) -> Tokens:
        """N rows of any length as (N, L) ids and mask; L as `config.padding` says."""
        longest = max(map(len, rows), default=0)
        length = self.config.context_length if self.config.padding == "fixed" else longest
        ids = np.full((len(rows), length), self.config.pad_id, dtype=np.int64)
        mask = np.zeros((len(rows), length), dtype=np.int64)
        for index, row in enumerate(rows):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        return Tokens(ids=ids, mask=mask)

    def _row(
        self, text: str, index: int, num_texts: int, *, truncate: bool, on_cut: Callable[[str], None] | None
    ) -> list[int]:
        name = "the text" if num_texts == 1 else f"text {index} of {num_texts}"
        cleaned = self._clean(_join_surrogates(text))
        if not cleaned.strip():
            raise InputError(f"{name} is empty; write at least one word")
        encoding = self._backend.encode(cleaned)
        ids: list[int] = encoding.ids
        if all(encoding.special_tokens_mask):
            raise InputError(f"{name}, {_excerpt(text)}, has nothing that this model's tokenizer knows as a word")
        context = self.config.context_length
        if len(ids) <= context:
            return ids
        if not truncate:
            raise InputError(
                f"{name}, {_excerpt(text)}, has {len(ids)} tokens, and the model's context is {context}; "
                "shorten it or pass truncate=True"
            )
        if on_cut is not None:
            on_cut(
                f"the text {_excerpt(text)} has {len(ids)} tokens, and the model's context is {context}; "
                "its end was cut"
            )
        # The tower reads its answer off the end token, or was trained with it: cut the words, keep what closes them.
        num_closing = encoding.special_tokens_mask[::-1].index(0)
        return ids[: context - num_closing] + ids[len(ids) - num_closing :]


def leave(text: str) -> str:
    """The cleaner `none`: the text as it is."""
    return text


def _join_surrogates(text: str) -> str:
    if _SURROGATES.search(text) is None:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _excerpt(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")


def _read_backend(path: Path) -> tokenizers.Tokenizer:
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise BundleError(f"{path.name} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise BundleError(f"{path.name} is not JSON: {reason(error)}") from error
    backend = parse_tokenizer(content, name=path.name)
    backend.no_padding()  # ours, because the file's may be fixed to another length than the model's
    backend.no_truncation()  # ours, because the library's is silent
    return backend


def parse_tokenizer(content: str, *, name: str) -> tokenizers.Tokenizer:
    """A tokenizer of the library from the content of a tokenizer.json.

    Raises:
        BundleError: it is not JSON, or no tokenizer.
    """
    try:
        json.loads(content)
    except ValueError as error:
        raise BundleError(f"{name} is not JSON: {reason(error)}") from error
    try:
        return tokenizers.Tokenizer.from_str(content)
    except Exception as error:  # the library raises bare Exception for everything that it does not understand
        raise BundleError(f"{name} is not a tokenizer that this version of `tokenizers` reads: {error}") from error
