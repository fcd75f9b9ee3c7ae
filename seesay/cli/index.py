"""`seesay index`: add folders to the library, and keep it up to date."""

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seesay.cli.console import LibraryOption, plural, say, write

if TYPE_CHECKING:
    from collections.abc import Callable

    from seesay.search.index import Progress, Summary
    from seesay.search.library import Library


def index(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders and files; none: all that were added before.")
    ] = None,
    library: LibraryOption = None,
    model: Annotated[str | None, typer.Option(help="The model for a new library, or with --rebuild.")] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make every vector again, with --model or the default.")
    ] = False,
) -> None:
    """Add pictures to the library, and bring it up to date.

    Only what is new or changed is read. Stop it at any time; the next run goes on from there.
    """
    from seesay.encoders import load
    from seesay.search.library import Library

    with Library.open(library, encoder=load(model) if model else None) as opened:
        run_with_bar(opened, lambda bar: opened.add(*(paths or []), report=bar.update, rebuild=rebuild))


class Bar:
    """A progress bar on stderr with rate and time left; silent when stderr is not a terminal."""

    def __init__(self) -> None:
        from rich import progress as rich_progress
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

        self._progress = rich_progress.Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[failed]}"),
            console=Console(stderr=True),
            transient=True,
            disable=not Console(stderr=True).is_terminal,
        )
        self._task = self._progress.add_task("looking", total=None, rate="", failed="")
        self._started = time.monotonic()
        self.last: Progress | None = None

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, progress: "Progress") -> None:
        """Show how far it is."""
        if progress.done == 0:
            self._started = time.monotonic()
        self.last = progress
        elapsed = time.monotonic() - self._started
        self._progress.update(
            self._task,
            description="reading",
            total=progress.total,
            completed=progress.done,
            rate=f"{progress.done / elapsed:.0f}/s" if progress.done and elapsed > 0 else "",
            failed=f"{progress.failed} failed" if progress.failed else "",
        )


def run_with_bar(library: "Library", work: "Callable[[Bar], Summary]") -> None:
    """Do the work under a bar, then print what it did; on Ctrl-C say that nothing is lost."""
    bar = Bar()
    try:
        with bar:
            summary = work(bar)
    except KeyboardInterrupt:
        done = f"{bar.last.done} of {bar.last.total}" if bar.last else "0"
        say(f"stopped at {done}; what was done is kept, run it again to go on")
        raise
    counts = (
        f"{summary.added:,} added, {summary.changed:,} changed, {summary.moved:,} moved, {summary.removed:,} removed, "
        f"{summary.unchanged:,} unchanged, {summary.failed:,} failed"
    )
    write(counts)
    write(f"{plural(library.num_files(), 'picture')} in the library {library.folder}")
    if summary.failed:
        say("why they failed: `seesay errors`")
