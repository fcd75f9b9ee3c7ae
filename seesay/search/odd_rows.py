"""What a column holds. SQLite lets any value into any column, and a library may come from somebody else.

A reader names the kinds of the columns that it asked for, a letter each: `i` integer, `r` number, `t` text, `b` bytes;
a capital also takes null. `doctor` asks the same of every row. It knows columns and no meaning.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any

from seesay.base.errors import SchemaError
from seesay.search.database import Database

_TYPES: dict[str, tuple[type, ...]] = {"i": (int,), "r": (float, int), "t": (str,), "b": (bytes,)}
_STORED = {"i": "'integer'", "r": "'real', 'integer'", "t": "'text'", "b": "'blob'"}
_COLUMNS = {
    "state": {"model_id": "I", "generation": "i", "identity": "t", "is_rebuilding": "i"},
    "models": {"name": "t", "dim": "i"},
    "roots": {"path": "b", "detail": "T", "exclude": "T"},
    "mounts": {"point": "b", "root": "b", "identity": "t"},
    "files": {
        "folder": "b",
        "name": "b",
        "size_bytes": "i",
        "mtime_ns": "i",
        "digest": "b",
        "detail": "t",
        "position_s": "R",
        "position_track": "i",
        "taken_ns": "I",
        "reader": "i",
        "mount_id": "I",
        "items_from": "I",
        "real_path": "B",
        "width_px": "I",
        "height_px": "I",
        "duration_s": "R",
    },
    "items": {
        "file_id": "i",
        "kind": "t",
        "start_s": "R",
        "end_s": "R",
        "time_s": "R",
        "box": "T",
        "track": "i",
        "page": "I",
    },
    "vectors": {"model_id": "i", "vector": "b"},
    "errors": {"path": "b", "size_bytes": "I", "mtime_ns": "I", "reason": "t", "seen_at": "r"},
    "reading": {"path": "b", "size_bytes": "i", "mtime_ns": "i", "num_runs": "i"},
    "forgotten": {"path": "b"},
    "excluded": {"path": "b", "rule": "t"},
    "passed_over": {"root": "b", "suffix": "t", "num_files": "i"},
}


def checked(rows: Iterable[Any], kinds: str, table: str) -> Iterator[Any]:
    """Rows as they are.

    Args:
        rows: of a statement.
        kinds: of its columns, a letter each.
        table: for the message.

    Raises:
        SchemaError: a value is of another kind.
    """
    for row in rows:
        if not all(map(_fits, row, kinds)):
            raise SchemaError(
                f"a row of {table} in the library is damaged ({row!r:.80}); see `seesay doctor`, "
                "or move the library away and index again"
            )
        yield row


def _fits(value: Any, kind: str) -> bool:
    if value is None:
        return kind.isupper()
    return isinstance(value, _TYPES[kind.lower()]) and (not isinstance(value, float) or math.isfinite(value))


def odd_rows(db: Database) -> list[str]:
    """Of each table that has such rows, how many hold what their columns cannot."""
    found = []
    for table, columns in _COLUMNS.items():
        query = f"SELECT count(*) FROM {table} WHERE {' OR '.join(_odd(*column) for column in columns.items())}"
        (count,) = db.execute(query).fetchone()
        if count:
            found.append(f"{count} rows of {table} hold what their columns cannot")
    return found


def _odd(column: str, kind: str) -> str:
    kinds = _STORED[kind.lower()] + (", 'null'" if kind.isupper() else "")
    is_infinite = f" OR abs({column}) > 1e308" if kind.lower() == "r" else ""
    return f"typeof({column}) NOT IN ({kinds}){is_infinite}"
