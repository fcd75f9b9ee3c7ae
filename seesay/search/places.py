"""Where a search looks: the paths that a person names, as the library stores them.

The library stores a path as it was given to `seesay index`, with its links. A person may name the same folder through
a link, or by the place that the link leads to. Both are compared here.
"""

import os
import re
from collections.abc import Iterator, Sequence

from seesay.base.errors import UsageError
from seesay.base.paths import show
from seesay.search.arguments import absolute
from seesay.search.store import Store

MOST_NAMED = 5  # roots in an error
_SHOWN_BYTE = re.compile(r"\\x([89a-f][0-9a-f])")


def find_places(store: Store, paths: Sequence[str | bytes | os.PathLike[str]]) -> tuple[bytes, ...]:
    """The stored paths that some paths mean.

    Args:
        store: an open library.
        paths: files and folders: absolute, relative, with `~`, `..` or a slash at the end, through links or not.

    Returns:
        Absolute paths, as stored, of files and folders at or below which there is something, or which are roots.

    Raises:
        UsageError: the library has nothing at or below one of them.
    """
    roots = list(store.roots())
    found: dict[bytes, None] = {}
    for path in paths:
        readings = (_readings(each, roots) for each in (path, *_as_shown(path)))  # what is really called so comes first
        held = ([place for place in places if _holds(store, place, roots)] for places in readings)
        places = next(filter(None, held), [])
        if not places:
            raise UsageError(f"{show(os.fsencode(path))}: nothing of the library is there; {_said(roots)}")
        found.update(dict.fromkeys(places))
    return tuple(found)


def _readings(path: str | bytes | os.PathLike[str], roots: Sequence[bytes]) -> list[bytes]:
    """Every stored path that a path can mean: as it is written, without its links, and through a root that is one."""
    (given,) = absolute([path])
    real = os.path.realpath(given)
    return list(dict.fromkeys([given, real, *_through(real, roots)]))


def _as_shown(path: str | bytes | os.PathLike[str]) -> Iterator[str]:
    r"""The name that is not UTF-8 where the path has `\xNN` for each such byte, as answers show it."""
    if isinstance(path, str) and _SHOWN_BYTE.search(path):
        yield _SHOWN_BYTE.sub(lambda match: chr(0xDC00 + int(match[1], 16)), path)


def _through(real: bytes, roots: Sequence[bytes]) -> Iterator[bytes]:
    """A place without links, as it is called below each root that leads there; and roots that lead to below it."""
    for root in roots:
        leads_to = os.path.realpath(root)
        if leads_to == root:
            continue
        if is_at_or_below(real, leads_to):
            yield os.path.normpath(os.path.join(root, os.path.relpath(real, leads_to)))
        elif is_at_or_below(leads_to, real):
            yield root


def _holds(store: Store, place: bytes, roots: Sequence[bytes]) -> bool:
    return any(is_at_or_below(root, place) for root in roots) or store.items.has_files_at(place)


def is_at_or_below(path: bytes, folder: bytes) -> bool:
    """Whether a path is a folder or something in it, by their letters."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def _said(roots: Sequence[bytes]) -> str:
    if not roots:
        return "nothing was indexed yet"
    named = ", ".join(show(_near(root)) for root in roots[:MOST_NAMED])
    more = f" and {len(roots) - MOST_NAMED} more" if len(roots) > MOST_NAMED else ""
    return f"it holds: {named}{more}"


def _near(path: bytes) -> bytes:
    """The path as one would type it here: relative when it is below the current folder."""
    here = os.path.join(os.getcwdb(), b"")
    return path.removeprefix(here)
