"""The shapes in which known clients send things to embed, each read as a text or the bytes of a picture.

    OpenAI     "input": "a dog" | ["a dog", ...]
    infinity   "input": [data url, ...], "modality": "image"
    jina       "input": [{"text": ...}, {"image": base64 or data url}]
    vLLM       "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data url}}]}]

It looks at one thing after the other and stops at the first that is wrong: whoever sends a million numbers by mistake
costs no more than the first. Nothing is fetched from elsewhere. Must not know the model.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from seesay.serve.errors import RefusedError

MOST_INPUTS = 2048  # as OpenAI
MOST_CHARACTERS = 122_880  # of one text, as infinity
MODALITIES = ("text", "image")
_WHITE = re.compile(r"\s+")
_NEEDS_TEXT = (
    "numbers (a vector, or token ids of another tokenizer) cannot be embedded; send the text "
    "(LangChain's OpenAIEmbeddings: check_embedding_ctx_length=False)"
)
_NOT_FETCHED = "send the picture itself as data:image/...;base64,...; addresses are not fetched"


@dataclass(frozen=True, slots=True)
class Upload:
    """The content of a picture's file."""

    content: bytes


Sent = str | Upload


def read_input(given: Any, modality: str | None) -> Iterator[Sent]:
    """Read the field `input`, one thing after the other.

    Args:
        given: what JSON made of it.
        modality: what infinity's clients say that all of it is.

    Raises:
        RefusedError: a thing has a shape that no client is known to send, is too long, or is of another modality.
    """
    if modality is not None and modality not in MODALITIES:
        raise _refused(f"modality must be one of {', '.join(MODALITIES)}, got {_short(modality)}", param="modality")
    things = given if isinstance(given, list) else [given]
    if not 1 <= len(things) <= MOST_INPUTS:
        raise _refused(f"input must have from 1 to {MOST_INPUTS} entries, got {len(things):,}")
    for thing in things:
        yield _thing(thing, modality)


def read_messages(given: Any) -> Sent:
    """Read the field `messages` as vLLM takes it: a conversation that is one text or one picture.

    Raises:
        RefusedError: it has neither, or several: this model has no vector for a mixture.
    """
    parts: list[Any] = []
    for message in given if isinstance(given, list) else [given]:
        content = message.get("content") if isinstance(message, dict) else None
        parts += content if isinstance(content, list) else [content]
        if len(parts) > MOST_INPUTS:
            break
    said = [part for part in parts if not _is_empty(part)]
    if len(said) != 1:
        raise _refused(
            f"messages must hold one text or one picture, got {len(said)}: one vector cannot stand for several; "
            "send them one by one, or as a list in input",
            param="messages",
        )
    return _thing(said[0], None, param="messages")


def _is_empty(part: Any) -> bool:
    """Whether a part of a message says nothing: vLLM's own clients put an empty text beside a picture."""
    return part in (None, "") or (isinstance(part, dict) and part.get("type") == "text" and not part.get("text"))


def _thing(given: Any, modality: str | None, *, param: str = "input") -> Sent:
    if isinstance(given, str):
        if modality == "image" or (modality is None and given[:5].lower() == "data:"):
            return Upload(decode(given, param=param))
        return _text(given, param=param)
    if isinstance(given, int | float | list):
        raise _refused(_NEEDS_TEXT, param=param)
    if not isinstance(given, dict):
        raise _refused(f"an entry must be a text or an object, got {_short(given)}", param=param)
    said = {name: value for name, value in given.items() if name not in ("type", "uuid") and value is not None}
    if len(said) != 1 or not said.keys() <= {"text", "image", "image_url"}:
        names = ", ".join(sorted(map(_short, said))) or "none"
        raise _refused(f"an object must have one of text, image and image_url, got {names}", param=param)
    ((name, value),) = said.items()
    if name == "image_url" and isinstance(value, dict):
        value = value.get("url")
    if not isinstance(value, str):
        raise _refused(f"{name} must be a text, got {_short(value)}", param=param)
    if (name == "text") == (modality == "image") and modality is not None:
        raise _refused(f"modality is {modality}, and an entry has {name}; send one of them alone", param="modality")
    return _text(value, param=param) if name == "text" else Upload(decode(value, param=param))


def _text(given: str, *, param: str) -> str:
    if len(given) > MOST_CHARACTERS:
        raise _refused(
            f"a text of {len(given):,} characters; the service takes {MOST_CHARACTERS:,} at most, and the model reads "
            "only its beginning: send that",
            param=param,
        )
    return given


def decode(given: str, *, param: str = "input") -> bytes:
    """The bytes of `data:image/...;base64,...`, whatever its letters' case, or of base64 alone, also in lines.

    Raises:
        RefusedError: it is an address, sound, or no base64.
    """
    head, comma, content = given.partition(",") if given[:5].lower() == "data:" else ("", ",", given)
    kind, *settings = (part.strip().lower() for part in head[5:].split(";"))
    if head and not (comma and "base64" in settings):
        raise _refused(_NOT_FETCHED, param=param)
    if kind.partition("/")[0] in ("audio", "video", "text"):
        raise _refused(f"a data: URL of {kind[:40]}; this service embeds texts and pictures", param=param)
    if not head and "://" in given[:40]:
        raise _refused(_NOT_FETCHED, param=param)
    try:
        return base64.b64decode(_WHITE.sub("", content), validate=True)
    except (binascii.Error, ValueError) as error:
        raise _refused("the picture's base64 is damaged, or it is no base64: " + _NOT_FETCHED, param=param) from error


def _refused(message: str, *, param: str = "input") -> RefusedError:
    return RefusedError(message, param=param)


def _short(value: Any) -> str:
    """What was sent, as JSON names it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return "a number"
    if isinstance(value, str):
        return repr(value[:40])
    return "an array" if isinstance(value, list) else "an object"
