"""`seesay search`: find pictures by text, by picture, or by sums of both."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seesay.cli.console import NOTHING_FOUND, JsonOption, LibraryOption, load_encoder, say, write, write_paths

if TYPE_CHECKING:
    from seesay.search.hit import Hit


def search(
    query: Annotated[
        list[str],
        typer.Argument(help='A text, a picture\'s path, or a sum: "a beach" - "people" + 2:"sunset"'),
    ],
    library: LibraryOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many results.")] = 10,
    under: Annotated[Path | None, typer.Option(help="Only pictures at or below this folder.")] = None,
    model: Annotated[str | None, typer.Option(help="The model that made the library, where that is a folder.")] = None,
    as_json: JsonOption = False,
    paths: Annotated[bool, typer.Option("--paths", help="Only the paths, one a line.")] = False,
    null: Annotated[
        bool, typer.Option("-0", "--null", help="Only the paths, each ended by a zero byte, for xargs -0.")
    ] = False,
) -> None:
    """Find pictures by what is in them. The best come first; the score is a cosine."""
    from seesay.search.library import Library
    from seesay.search.query import parse_query

    asked = parse_query(query)
    encoder = load_encoder(model) if model is not None else None
    with Library.open(library, encoder=encoder, create=False, load=load_encoder) as opened:
        hits = opened.search(asked, limit=limit, under=under)
    if null or paths:
        write_paths((hit.path for hit in hits), end=b"\0" if null else b"\n")
    elif as_json:
        for hit in hits:
            write(json.dumps(_as_json(hit)))
    else:
        for hit in hits:
            write(f"{hit.score:.3f}  {_near(hit.path)}")
    if not hits:
        say("nothing found")
        raise typer.Exit(NOTHING_FOUND)


def _as_json(hit: "Hit") -> dict[str, str | float]:
    times = {} if hit.start_s is None or hit.end_s is None else {"start_s": hit.start_s, "end_s": hit.end_s}
    return {"path": hit.path, "score": round(hit.score, 6), "kind": hit.kind, **times}


def _near(path: str) -> str:
    """The path as one would type it here: relative when it is below the current folder."""
    here = str(Path.cwd()) + os.sep
    return path.removeprefix(here)
