"""`seesay search`: find pictures and moments of videos by text, by picture, by sums of both, or in sequence."""

import os
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seesay.cli.console import (
    NOTHING_FOUND,
    LibraryOption,
    load_encoder,
    name_unknown,
    plural,
    quoted,
    say,
    write,
    write_json,
    write_paths,
)
from seesay.cli.piped import read_piped

if TYPE_CHECKING:
    from seesay.search.hit import Hit
    from seesay.search.options import Found, Options

_DATES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"]
_WHERE, _WHICH, _SHOWN = "Where to look", "What counts as a match", "What is shown"


def search(
    query: Annotated[
        list[str],
        typer.Argument(
            help="A text, a picture's path, - for a picture that is piped in, "
            'a sum: "a beach" - "people" + 2:"sunset", or a sequence: "a door opens" then "a dog runs in"'
        ),
    ],
    library: LibraryOption = None,
    model: Annotated[str | None, typer.Option(help="The model that made the library, where that is a folder.")] = None,
    under: Annotated[
        list[str] | None,
        typer.Option(metavar="PATH", rich_help_panel=_WHERE, help="Only files at or below this path. Repeatable."),
    ] = None,
    after: Annotated[
        datetime | None,
        typer.Option(
            formats=_DATES,
            metavar="DATE",
            rich_help_panel=_WHERE,
            help="Only files taken then or later; changed, where a file does not say when it was taken.",
        ),
    ] = None,
    before: Annotated[
        datetime | None,
        typer.Option(
            formats=_DATES, metavar="DATE", rich_help_panel=_WHERE, help="Only files taken, or changed, earlier."
        ),
    ] = None,
    only: Annotated[
        Literal["image", "video"] | None, typer.Option(rich_help_panel=_WHERE, help="Only pictures, or only videos.")
    ] = None,
    within: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", rich_help_panel=_WHICH, help="Of a sequence: the most between two steps."),
    ] = None,
    weak: Annotated[
        bool,
        typer.Option(
            "--weak", rich_help_panel=_WHICH, help="Show what comes nearest, even if probably nothing matches."
        ),
    ] = False,
    min_score: Annotated[
        float | None,
        typer.Option(
            metavar="COSINE", rich_help_panel=_WHICH, help="Only results with this score or more, however sure that is."
        ),
    ] = None,
    all_files: Annotated[
        bool,
        typer.Option(
            "--all",
            rich_help_panel=_WHICH,
            help="Copies, RAW beside JPEG, and the films of Live and motion photos as results of their own.",
        ),
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, rich_help_panel=_SHOWN, help="How many results; with --paths, files.")
    ] = 10,
    offset: Annotated[
        int, typer.Option(min=0, rich_help_panel=_SHOWN, help="How many of the best to leave out: the next page.")
    ] = 0,
    sort: Annotated[
        Literal["score", "date"],
        typer.Option(rich_help_panel=_SHOWN, help="By date: of all that match, the newest first."),
    ] = "score",
    as_json: Annotated[bool, typer.Option("--json", rich_help_panel=_SHOWN, help="One JSON object a line.")] = False,
    paths: Annotated[bool, typer.Option("--paths", rich_help_panel=_SHOWN, help="Only the paths, one a line.")] = False,
    null: Annotated[
        bool,
        typer.Option(
            "-0", "--null", rich_help_panel=_SHOWN, help="Only the paths, each ended by a zero byte, for xargs -0."
        ),
    ] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            rich_help_panel=_SHOWN, help="Write clips, a contact sheet, WebVTT and JSON into this new folder."
        ),
    ] = None,
) -> None:
    """Find pictures and moments of videos by what is in them. The best come first; the score is a cosine.

    Of a video, moments that belong together are one result, and there are at most three, but where --under names it.
    Files that are one picture are one result: +2 says that two more files are.
    """
    from seesay.search.library import Library
    from seesay.search.options import Options
    from seesay.search.query import parse
    from seesay.search.ranking import PER_VIDEO

    asked = parse(query, within_s=within, piped=read_piped)
    options = Options(
        limit=limit,
        offset=offset,
        under=under,
        after=after,
        before=before,
        only=only,
        per_video=1 if paths or null else PER_VIDEO,
        weak=weak,
        sort=sort,
        min_score=min_score,
        is_grouped=not all_files,
    )
    encoder = load_encoder(model) if model is not None else None
    with Library.open(library, encoder=encoder, create=False, load=load_encoder) as opened:
        found = opened.find(asked, options)
        unknown = opened.unknown_words(asked)
    if unknown:
        say(name_unknown(unknown))
    _print(found.hits, options, as_json=as_json, end=b"\0" if null else b"\n" if paths else None)
    if not found.hits:
        say(_why_none(found))
        raise typer.Exit(NOTHING_FOUND)
    if export is not None:
        _export(found.hits, export, " ".join(query))


def _print(hits: "list[Hit]", options: "Options", *, as_json: bool, end: bytes | None) -> None:
    """The results: with an `end` paths alone, each ended so."""
    if end is not None:
        write_paths((hit.path for hit in hits), end=end)
        return
    for hit in hits:
        if as_json:
            write_json(hit.to_dict())
        else:
            write(_line(hit, is_dated=options.sort == "date"))


def _why_none(found: "Found") -> str:
    if found.why_none is None:
        return "there are no results beyond those; a smaller --offset shows them"
    return found.why_none + ("; --weak shows what comes nearest" if found.is_held_back else "")


def _line(hit: "Hit", *, is_dated: bool = False) -> str:
    """Score, date, path, of a moment the range and the frame that fits best, which page or part, how many copies."""
    from seesay.search.hit import clock

    taken = f"{hit.taken:%Y-%m-%d %H:%M}" if hit.taken else " " * 16
    line = f"{hit.score:.3f}  {f'{taken}  ' if is_dated else ''}{quoted(_near(hit.path))}"
    if hit.start_s is not None and hit.end_s is not None and hit.time_s is not None:
        at = ", then ".join(clock(time) for time in hit.steps_s or (hit.time_s,))
        line += f"  {clock(hit.start_s)}-{clock(hit.end_s)}  at {at}"
    if hit.track:
        line += f"  track {hit.track + 1}"
    if hit.page is not None:
        line += f"  page {hit.page}"
    if hit.box is not None:
        left, top, right, bottom = (round(100 * side) for side in hit.box)
        line += f"  in {left}-{right}% x {top}-{bottom}%"
    if hit.also:
        line += f"  +{len(hit.also)}"
    if hit.out_of_reach:
        line += "  (out of reach)"
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
