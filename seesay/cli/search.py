"""`seesay search`: find pictures by text, by picture, or by sums of both."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seesay.cli.console import NOTHING_FOUND, OK, JsonOption, LibraryOption, say, write, write_paths

if TYPE_CHECKING:
    from seesay.search.library import Hit


def search(
    query: Annotated[
        list[str],
        typer.Argument(help='A text, a picture\'s path, or a sum: "a beach" - "people" + 2:"sunset"'),
    ],
    library: LibraryOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many results.")] = 10,
    under: Annotated[Path | None, typer.Option(help="Only pictures at or below this folder.")] = None,
    as_json: JsonOption = False,
    paths: Annotated[bool, typer.Option("--paths", help="Only the paths, one a line.")] = False,
    null: Annotated[
        bool, typer.Option("-0", "--null", help="Only the paths, each ended by a zero byte, for xargs -0.")
    ] = False,
) -> int:
    """Find pictures by what is in them. The best come first; the score is a cosine."""
    from seesay.search.library import Library
    from seesay.search.query import parse_query

    with Library.open(library, create=False) as opened:
        hits = opened.search(parse_query(query), limit=limit, under=under)
    if null or paths:
        write_paths((hit.path for hit in hits), end=b"\0" if null else b"\n")
    elif as_json:
        for hit in hits:
            write(json.dumps(_as_json(hit)))
    else:
        for hit in hits:
            write(f"{hit.score:.3f}  {hit.path}")
    if not hits:
        say("nothing found")
    return OK if hits else NOTHING_FOUND


def _as_json(hit: "Hit") -> dict[str, str | float]:
    found = {
        "path": hit.path,
        "score": round(hit.score, 6),
        "kind": hit.kind,
        "start_s": hit.start_s,
        "end_s": hit.end_s,
    }
    return {key: value for key, value in found.items() if value is not None}
