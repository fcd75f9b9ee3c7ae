"""From a plain dictionary, as a bundle's config.json holds it, to a frozen config. Knows no model."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from seesay.base.errors import UsageError

T = TypeVar("T")


def from_dict(config_type: type[T], raw: Mapping[str, Any], *, where: str) -> T:
    """Build a config dataclass; every field must be there, and nothing else.

    Leftovers are errors, because a mistyped field would otherwise mean "use the default".

    Args:
        config_type: a dataclass whose fields are plain numbers, strings, booleans, or fixed-length tuples of them.
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
    return config_type(**{name: tuple(value) if isinstance(value, list) else value for name, value in raw.items()})


def _fits(value: Any, expected: Any) -> bool:
    if expected is float:  # JSON writes 1.0 as 1 at times
        return isinstance(value, int | float) and not isinstance(value, bool)
    if expected in (int, str, bool):
        return type(value) is expected
    if get_origin(expected) is tuple:  # of a fixed length; JSON has lists only
        kinds = get_args(expected)
        return isinstance(value, list | tuple) and len(value) == len(kinds) and all(map(_fits, value, kinds))
    return value in getattr(expected, "__args__", ())  # a Literal
