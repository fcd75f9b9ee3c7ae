"""Values of settings: read from text or JSON by their type, and refused where they are out of range.

A field says which numbers it takes where it stands: `lr: Annotated[float, Range(0, 1)]`. Configs are not known here.
"""

import json
import math
import types
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin

from seesay.base.errors import UsageError
from seesay.base.paths import find


class Range(NamedTuple):
    """The numbers that a field takes, each of several; no field takes NaN or infinity."""

    low: float
    high: float
    without: tuple[float, ...] = ()
    """Ends that are left out."""

    def __contains__(self, value: object) -> bool:
        """Whether a number is one of them."""
        assert isinstance(value, int | float)
        return self.low <= value <= self.high and value not in self.without

    def __str__(self) -> str:
        """`from 0 to 1 (not 1)`."""
        ends = f" (not {' or '.join(f'{end:,g}' for end in self.without)})" if self.without else ""
        return f"from {_plain(self.low)} to {_plain(self.high)}{ends}"


def read(kind: Any, value: Any, path: str) -> Any:
    """A value as the field's type has it.

    Args:
        kind: the type: bool, int, float, str, a Literal, a tuple of these, or one of them or None; with its `Range`.
        value: as JSON has it, or as text. Several are a list, or text with commas between (none within braces); text
            that begins with [ is a JSON list, and text that is the path of something is one value.
        path: the field's name, for the message.

    Raises:
        UsageError: it is of another type, or out of range.
    """
    ranges: list[Range] = []
    if get_origin(kind) is Annotated:
        kind, *ranges = get_args(kind)
    if get_origin(kind) in (Union, types.UnionType):
        if value is None or str(value).strip().lower() in ("", "none"):
            return None
        kind = next(each for each in get_args(kind) if each is not type(None))
    if get_origin(kind) is tuple:
        return _several(kind, value, path, ranges)
    try:
        found = _one(kind, value)
    except (ValueError, KeyError, OverflowError):
        raise UsageError(f"{path} cannot be {_shown(value)}; it takes {_wanted(kind, ranges)}") from None
    if not all(found in each for each in ranges) or (isinstance(found, float) and not math.isfinite(found)):
        raise UsageError(f"{path} cannot be {_shown(value)}; it takes {_wanted(kind, ranges)}")
    return found


def check(kind: Any, value: Any, path: str) -> None:
    """Refuse a value that a field cannot have.

    Raises:
        UsageError: it is of another type, or out of range.
    """
    found = read(kind, list(value) if isinstance(value, tuple) else value, path)
    if found != value:
        raise UsageError(f"{path} cannot be {_shown(value)}; it takes {_wanted(kind, [])}")


def split(text: str) -> list[str]:
    """Text at its commas, but for those within braces: `a-{0,1}.tar,b` as `a-{0,1}.tar` and `b`."""
    parts, depth = [""], 0
    for letter in text:
        depth = max(0, depth + {"{": 1, "}": -1}.get(letter, 0))
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    if depth:  # a brace that is never closed is a letter of a name
        parts = text.split(",")
    return [part.strip() for part in parts] if text else []


def _one(kind: Any, value: Any) -> Any:
    text = str(value)
    if "\0" in text:  # no path and no name can hold it
        raise ValueError(text)
    if kind is bool:
        return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
    if kind in (int, float, str):
        return kind(text)
    if text not in get_args(kind):
        raise ValueError(text)
    return text


def _several(kind: Any, value: Any, path: str, ranges: list[Range]) -> tuple[Any, ...]:
    choices = get_args(kind)
    inner = Annotated[choices[0], *ranges] if ranges else choices[0]
    values = [read(inner, part, path) for part in _parts(value, path, is_text=choices[0] is str)]
    if choices[-1] is not Ellipsis and len(values) != len(choices):
        raise UsageError(f"{path} cannot be {_shown(value)}; it takes {len(choices)} values with commas between")
    return tuple(values)


def _parts(value: Any, path: str, *, is_text: bool) -> list[Any]:
    if isinstance(value, list):
        return value
    text = str(value)
    if is_text and find(text):
        return [text]
    if not text.startswith("["):
        return split(text)
    try:
        parts = json.loads(text)
    except ValueError as error:
        raise UsageError(f"{path} cannot be {_shown(value)}; it begins as a JSON list and is none: {error}") from None
    return list(parts)


def _wanted(kind: Any, ranges: list[Range]) -> str:
    if get_origin(kind) is Annotated:
        kind, *ranges = get_args(kind)
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    name = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}.get(kind, str(kind))
    return " ".join([name, *map(str, ranges)])


def _plain(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"


def _shown(value: Any) -> str:
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 100 else f"{text[:97]}..."
