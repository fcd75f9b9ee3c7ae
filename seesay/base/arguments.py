"""Arguments of another type than was meant: a sentence, where they would fail in Python's words somewhere below."""

import operator
from collections.abc import Sequence
from typing import Any

from seesay.base.errors import UsageError


def kind_of(value: Any) -> str:
    """What something is, for a sentence."""
    return "None" if value is None else f"something of the type {type(value).__name__}"


def as_sent(value: Any) -> str:
    """A text or number as it was written; of anything else, what it is."""
    return repr(value) if isinstance(value, str | int | float) else kind_of(value)


def one_of(name: str, value: Any, allowed: Sequence[str | None]) -> None:
    """Refuse what is none of a few words; None is one where it is among them.

    Raises:
        UsageError: it is another.
    """
    if not isinstance(value, str | None) or value not in allowed:
        words = " or ".join(word for word in allowed if word is not None)
        raise UsageError(f"{name} must be {words}, got {as_sent(value)}")


def whole_number(name: str, value: Any, *, least: int) -> int:
    """A number that counts something.

    Raises:
        UsageError: it is no whole number, or below `least`.
    """
    try:
        number = operator.index(value)
    except TypeError as error:
        raise UsageError(f"{name} must be a whole number, got {kind_of(value)}") from error
    if number < least:
        raise UsageError(f"{name} must be at least {least}, got {number}")
    return number


def list_of_strings(name: str, value: Any) -> list[str]:
    """Strings in their order.

    Raises:
        UsageError: it is one string, which would be read letter by letter, or something in it is no string.
    """
    if isinstance(value, str | bytes):
        raise UsageError(f"{name} must be a list of strings, and this is one string; put it in a list")
    try:
        found = list(value)
    except TypeError as error:
        raise UsageError(f"{name} must be a list of strings, got {kind_of(value)}") from error
    for number, each in enumerate(found):
        if not isinstance(each, str):
            kind = "None" if each is None else f"of type {type(each).__name__}"
            raise UsageError(f"{name} must be a list of strings; number {number} is {kind}")
    return found
