"""Tables: plain dictionaries from a name to "module:attribute", imported on first use.

A room that has kinds of a thing (losses, tokenizers, commands) keeps one such dictionary in its
`__init__`. Adding a kind is one file and one line; nothing is imported until it is asked for.
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from seesay.base.arguments import kind_of
from seesay.base.errors import UnknownNameError, UsageError


def resolve(table: Mapping[str, str], name: str, *, kind: str) -> Any:
    """Import and return what `table` holds under `name`.

    Args:
        table: name -> "module:attribute".
        name: the entry to import.
        kind: what the table lists, in the singular, for the message.

    Raises:
        UsageError: the name is no text.
        UnknownNameError: the table has no such name; the nearest are offered.
    """
    if not isinstance(name, str):
        raise UsageError(f"a {kind} is named by a text, got {kind_of(name)}")
    if name not in table:
        raise UnknownNameError(kind, name, table)
    module, _, attribute = table[name].partition(":")
    return getattr(import_module(module), attribute)
