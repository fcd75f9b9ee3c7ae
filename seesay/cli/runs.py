"""`seesay runs`: what training runs did."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seesay.base.errors import DataError
from seesay.cli.console import NOTHING_FOUND, JsonOption, check_png, say, write, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from seesay.training.curves import Run

runs = typer.Typer(help="Look at training runs: their numbers and their curves.", no_args_is_help=True)

_HEADER = ("run", "recipe", "steps", "loss", "best", "time")


@runs.command("show")
def show_runs(
    folders: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    out: Annotated[Path | None, typer.Option(help="The PNG file; by default curves.png in the first run.")] = None,
    as_json: JsonOption = False,
) -> None:
    r"""Draw the curves of one or more runs into a PNG, and print their last numbers.

    Loss, rate, scale, images/s, waiting, and each number of the evaluations. Works while a run runs. Needs the extra:
    pip install 'seesay\[plots]'
    """
    from seesay.training.curves import draw, read_run

    path = out or folders[0] / "curves.png"
    found = [read_run(folder) for folder in folders]
    check_png(path)
    print_runs(found, as_json=as_json)
    draw(found, path)
    say(f"curves: {path}")


@runs.command("list")
def list_runs(
    folder: Annotated[Path, typer.Argument(help="Where to look: the folder, what is in it, and one below.")] = Path(),
    as_json: JsonOption = False,
) -> None:
    """List the runs in a folder with their last numbers."""
    from seesay.training.curves import find_runs, read_run

    found = []
    for each in find_runs(folder):
        try:
            found.append(read_run(each))
        except DataError as error:
            say(f"seesay: {error}")
    if not found:
        say(f"no run in {folder}")
        raise typer.Exit(NOTHING_FOUND)
    print_runs(found, as_json=as_json)


def print_runs(found: "Sequence[Run]", *, as_json: bool) -> None:
    """A table of runs, or an object a line."""
    if as_json:
        for run in found:
            write_json(_as_dict(run))
        return
    rows = [_HEADER, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if place in (2, 3) else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        write("  ".join(cells).rstrip())


def _as_dict(run: "Run") -> dict[str, Any]:
    name, value, step = run.best or (None, None, None)
    return {
        "run": run.name,
        "recipe": run.config.recipe if run.config else None,
        "step": run.step,
        "steps": run.config.steps if run.config else None,
        "loss": run.loss,
        "best": {"name": name, "value": value, "step": step} if run.best else None,
        "seconds": round(run.seconds, 3),
    }


def _row(run: "Run") -> tuple[str, ...]:
    best = f"{run.best[0]} {run.best[1]:.4f} at {run.best[2]:,}" if run.best else ""
    return (
        run.name,
        run.config.recipe if run.config else "",
        f"{run.step:,}" + (f"/{run.config.steps:,}" if run.config else ""),
        f"{run.loss:.4f}" if run.loss is not None else "",
        best,
        duration(run.seconds),
    )


def duration(seconds: float) -> str:
    """`42 s`, `7 min`, `3 h 20 min`."""
    minutes = round(seconds / 60)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
