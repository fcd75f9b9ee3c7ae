"""What is wrong with a request, in the API's own words: pydantic speaks of Python's types, and of ours inside.

A sentence names the field as the client wrote it, says what it must be, and what it was.
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

_MOST_SENTENCES = 3
_SHORT = 60  # characters of what was sent
_NUMBER, _DATE = "must be a number", "must be a date, as in 2026-07-01 or 2026-07-01T10:00:00"
_MUST = {
    "string_type": "must be a text",
    "string_unicode": "must be a text",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "float_type": _NUMBER,
    "float_parsing": _NUMBER,
    "finite_number": "must be a finite number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "literal_error": "must be {expected}",
    "string_too_long": "must have at most {max_length:,} characters",
    "string_too_short": "must have at least {min_length:,} characters",
    "string_pattern_mismatch": "must be as an answer of this service gave it",
    "too_long": "must have at most {max_length:,} entries",
    "too_short": "must have at least {min_length:,} entries",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be {ge} or more",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be {le} or less",
    "datetime_type": _DATE,
    "datetime_parsing": _DATE,
    "datetime_from_date_parsing": _DATE,
    "datetime_object_invalid": _DATE,
    "value_error": "must be a file of a form",  # the only value that has a check of its own
}


def sentence(errors: Sequence[Mapping[str, Any]], body: Any, models: Sequence[type[BaseModel]]) -> str:
    """The first things that are wrong.

    Args:
        errors: as pydantic or FastAPI lists them.
        body: what they are found in, where it was one.
        models: whose fields a misspelt one may have meant.
    """
    by_place: dict[str, list[Mapping[str, Any]]] = {}
    for each in errors:
        by_place.setdefault(place(each, body), []).append(each)
    parts = [_of_place(where, found, models) for where, found in by_place.items()]
    return "; ".join(parts[:_MOST_SENTENCES])


def place(error: Mapping[str, Any], body: Any) -> str:
    """The field of an error as a client writes it: `terms[2].weight`; empty for the body itself."""
    first, *rest = error["loc"] or ("",)
    path = rest if first in ("body", "query", "path") else [first, *rest]
    written = ""
    for part in _real(path, body, is_body=first not in ("query", "path")):
        written += f"[{part}]" if isinstance(part, int) else f".{part}" if written else str(part)
    return written


def _real(path: Sequence[Any], body: Any, *, is_body: bool) -> Iterator[Any]:
    """Without the names of the types that a value could have been."""
    value = body
    for number, part in enumerate(path):
        is_inside = (isinstance(value, Mapping) and part in value) or (
            isinstance(value, list) and isinstance(part, int) and part < len(value)
        )
        if is_inside:
            value = value[part]
            yield part
        elif not is_body or (isinstance(value, Mapping) and number == len(path) - 1) or not number:
            yield part


def _of_place(where: str, errors: Sequence[Mapping[str, Any]], models: Sequence[type[BaseModel]]) -> str:
    kinds = [error["type"] for error in errors]
    if "json_invalid" in kinds:
        return f"the request is not JSON: {errors[0]['ctx']['error']}, at character {errors[0]['loc'][-1]}"
    if "missing" in kinds:
        return f"{where} is missing" if where else "the request has no body; send a JSON object"
    if "extra_forbidden" in kinds:
        name = where.rpartition(".")[2]
        near = difflib.get_close_matches(name, {field for model in models for field in model.model_fields}, n=1)
        offer = f"; did you mean {near[0]}?" if near else ""
        return f"{where} is not a field of this request{offer}"
    musts = dict.fromkeys(_must(error) for error in errors)
    subject = where or "the request, sent as Content-Type: application/json,"
    return f"{subject} {' or '.join(musts).replace(' or must be', ' or')}, got {as_sent(errors[0].get('input'))}"


def _must(error: Mapping[str, Any]) -> str:
    pattern = _MUST.get(error["type"], "must be something else")
    limits = {name: int(value) if _is_whole(value) else value for name, value in error.get("ctx", {}).items()}
    return pattern.format(**limits)


def _is_whole(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()


def as_sent(value: Any) -> str:
    """What was sent, as JSON names it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(value) if abs(value) < 1e15 else "a number of many digits"
    if isinstance(value, str):
        return repr(value[:_SHORT]) + ("..." if len(value) > _SHORT else "")
    if isinstance(value, list | tuple):
        return f"a list of {len(value):,}"
    return "an object" if isinstance(value, Mapping) else "something else"
