"""From a plain dictionary, as a bundle's config.json holds it, to a frozen config. Knows no model."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from seesay.base.errors import UsageError

T = TypeVar("T")


def from_dict(config_type: type[T], raw: Mapping[str, Any], *, where: str) -> T:
    """Build a config dataclass; every field must be there, and nothing else.

    Leftovers are errors, because a mistyped field would otherwise mean "use the default".

    Args:
        config_type: a dataclass whose fields are plain numbers, strings or booleans.
        raw: field name -> value.
        where: what `raw` describes, for the message: "the image tower".

    Raises:
        UsageError: a field is missing, unknown, or of another type; the message names all of them.
    """
    types = get_type_hints(config_type)
    names = [field.name for field in dataclasses.fields(config_type)]  # type: ignore[arg-type]
    missing = [name for name in names if name not in raw]
    extra = [name for name in raw if name not in names]
    if missing or extra:
        raise UsageError(f"the config of {where} lacks {missing} and has unknown {extra}; its fields are {names}")
    wrong = [f"{name}={raw[name]!r}" for name in names if not _fits(raw[name], types[name])]
    if wrong:
        raise UsageError(f"the config of {where} has a value of the wrong type: {', '.join(wrong)}")
    return config_type(**raw)


def _fits(value: Any, expected: Any) -> bool:
    if expected is float:  # JSON writes 1.0 as 1 at times
        return isinstance(value, int | float) and not isinstance(value, bool)
    if expected in (int, str, bool):
        return type(value) is expected
    return value in getattr(expected, "__args__", ())  # a Literal
