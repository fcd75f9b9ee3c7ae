"""`seesay search`: find pictures and moments of videos by text, by picture, by sums of both, or in sequence."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seesay.cli.console import NOTHING_FOUND, JsonOption, LibraryOption, load_encoder, plural, say, write, write_paths

if TYPE_CHECKING:
    from seesay.search.hit import Hit

_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]


def search(
    query: Annotated[
        list[str],
        typer.Argument(
            help='A text, a picture\'s path, a sum: "a beach" - "people" + 2:"sunset", '
            'or a sequence: "a door opens" then "a dog runs in"'
        ),
    ],
    library: LibraryOption = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many results.")] = 10,
    under: Annotated[Path | None, typer.Option(help="Only files at or below this path.")] = None,
    after: Annotated[
        datetime | None, typer.Option(formats=_DATES, metavar="DATE", help="Only files changed then or later.")
    ] = None,
    before: Annotated[
        datetime | None, typer.Option(formats=_DATES, metavar="DATE", help="Only files changed earlier.")
    ] = None,
    only: Annotated[Literal["image", "video"] | None, typer.Option(help="Only pictures, or only videos.")] = None,
    within: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Of a sequence: the most between two steps.")
    ] = None,
    weak: Annotated[
        bool, typer.Option("--weak", help="Show what comes nearest, even if probably nothing matches.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option(help="Write clips, a contact sheet, WebVTT and JSON into this new folder.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model that made the library, where that is a folder.")] = None,
    as_json: JsonOption = False,
    paths: Annotated[bool, typer.Option("--paths", help="Only the paths, one a line.")] = False,
    null: Annotated[
        bool, typer.Option("-0", "--null", help="Only the paths, each ended by a zero byte, for xargs -0.")
    ] = False,
) -> None:
    """Find pictures and moments of videos by what is in them. The best come first; the score is a cosine.

    Of a video, moments that belong together are one result, and there are at most three, but where --under names it.
    """
    from seesay.search.library import Library
    from seesay.search.query import parse

    asked = parse(query, within_s=within)
    encoder = load_encoder(model) if model is not None else None
    with Library.open(library, encoder=encoder, create=False, load=load_encoder) as opened:
        hits = opened.search(asked, limit=limit, under=under, after=after, before=before, only=only, weak=weak)
    if null or paths:
        write_paths(dict.fromkeys(hit.path for hit in hits), end=b"\0" if null else b"\n")
    elif as_json:
        for hit in hits:
            write(json.dumps(hit.to_dict()))
    else:
        for hit in hits:
            write(_line(hit))
    if not hits:
        say("nothing here matches" + ("" if weak else "; --weak shows what comes nearest"))
        raise typer.Exit(NOTHING_FOUND)
    if export is not None:
        _export(hits, export, " ".join(query))


def _line(hit: "Hit") -> str:
    """Score, path, and of a moment the range and the frame that fits best."""
    from seesay.search.hit import clock

    line = f"{hit.score:.3f}  {_near(hit.path)}"
    if hit.start_s is not None and hit.end_s is not None and hit.time_s is not None:
        at = ", then ".join(clock(time) for time in hit.steps_s or (hit.time_s,))
        line += f"  {clock(hit.start_s)}-{clock(hit.end_s)}  at {at}"
        line += f"  track {hit.track + 1}" if hit.track else ""
    if hit.box is not None:
        left, top, right, bottom = (round(100 * side) for side in hit.box)
        line += f"  in {left}-{right}% x {top}-{bottom}%"
    return line


def _near(path: str) -> str:
    """The path as one would type it here: relative when it is below the current folder."""
    here = str(Path.cwd()) + os.sep
    return path.removeprefix(here)


def _export(hits: "list[Hit]", folder: Path, query: str) -> None:
    from seesay.search.export import export

    done = export(hits, folder, query=query)
    for problem in done.problems:
        say(problem)
    say(f"{plural(len(done.files), 'file')} in {folder}")
