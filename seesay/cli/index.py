"""`seesay index`: add folders to the library, and keep it up to date."""

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seesay.base.errors import LibraryError, UsageError
from seesay.cli.console import LibraryOption, plain, plural, say, write

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from seesay.search.detail import Detail
    from seesay.search.index import Progress, Summary
    from seesay.search.library import Library


_PLACES_SHOWN = 5
_LEFT_OUT = "What to leave out"


def index(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders and files; none: all that were added before.")
    ] = None,
    library: LibraryOption = None,
    model: Annotated[str | None, typer.Option(help="The model for a new library, or with --rebuild.")] = None,
    rebuild: Annotated[
        bool, typer.Option("--rebuild", help="Make every vector again, with --model or the default.")
    ] = False,
    renew: Annotated[
        bool, typer.Option("--renew", help="Read again what an older version of seesay's decoders read.")
    ] = False,
    every: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Of videos, take a frame every so often. By default 1.")
    ] = None,
    keyframes: Annotated[
        bool, typer.Option("--keyframes", help="Of videos, take the key frames: several times as fast, less exact.")
    ] = False,
    shots: Annotated[
        bool, typer.Option("--shots", help="Of videos, take the middle of each shot, and one every 10 s of a long one.")
    ] = False,
    tiles: Annotated[
        bool, typer.Option("--tiles", help="Look at parts of pictures too: finds small things, costs nine times more.")
    ] = False,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Leave out what this pattern names, as in a .gitignore; repeat it for several. Replaces what was said "
            "before for these paths.",
            rich_help_panel=_LEFT_OUT,
        ),
    ] = None,
    no_exclude: Annotated[
        bool, typer.Option("--no-exclude", help="Take back the patterns of these paths.", rich_help_panel=_LEFT_OUT)
    ] = False,
) -> None:
    """Add pictures and videos to the library, and bring it up to date.

    Only what is new or changed is read. Stop it at any time; the next run goes on from there.

    --every, --keyframes, --shots, --tiles and --exclude are remembered for these paths; say them again to change them.

    What `.ignore` files name, folders with a `.nomedia`, recycle bins and thumbnails of network drives are left out
    too; `seesay errors --excluded` lists it. A path that is named here is always taken, and --exclude '!NAME' takes
    back a rule.
    """
    from seesay.encoders import load
    from seesay.search.library import Library

    detail = _detail(every, keyframes=keyframes, shots=shots, tiles=tiles)
    if exclude and no_exclude:
        raise UsageError(
            "--exclude replaces the patterns of these paths, --no-exclude takes them back; give one of them"
        )
    patterns: list[str] | None = [] if no_exclude else exclude or None
    with Library.open(library, encoder=load(model) if model else None) as opened:
        run_with_bar(
            opened,
            lambda bar: opened.add(
                *(paths or []), report=bar.update, rebuild=rebuild, renew=renew, detail=detail, exclude=patterns
            ),
        )


def _detail(every: float | None, *, keyframes: bool, shots: bool, tiles: bool) -> "Detail | None":
    from seesay.inputs.video import Every, KeyFrames, Shots
    from seesay.search.detail import Detail

    if (every is not None) + keyframes + shots > 1:
        raise UsageError("choose the frames of videos with either --every or --keyframes or --shots, not several")
    if every is not None:
        return Detail(moments=Every(seconds=every), tiles=tiles)
    if not (keyframes or shots or tiles):
        return None
    return Detail(moments=KeyFrames() if keyframes else Shots() if shots else Every(), tiles=tiles)


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
        self._video: tuple[bytes, float, float] | None = None
        self.last: Progress | None = None
        self.is_stopped = False

    def __enter__(self) -> "Bar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, progress: "Progress") -> None:
        """Show how far it is.

        Raises:
            KeyboardInterrupt: somebody pressed Ctrl-C meanwhile. Here the work has nothing half done.
        """
        self.last = progress
        if self.is_stopped:
            raise KeyboardInterrupt
        if progress.done == 0 and progress.path is None:
            self._started = time.monotonic()
        elapsed = time.monotonic() - self._started
        rate = f"{progress.done / elapsed:.0f}/s" if progress.done and elapsed > 0 else ""
        self._progress.update(
            self._task,
            description="reading",
            total=progress.total,
            completed=progress.done + _part(progress),
            rate=self._video_rate(progress) if progress.path else rate,
            failed=f"{progress.failed} failed" if progress.failed else "",
        )

    def _video_rate(self, progress: "Progress") -> str:
        """Where in a video it is, and how many times as fast as playing it since it began here."""
        from seesay.search.hit import clock

        assert progress.path is not None
        now = time.monotonic()
        if self._video is None or self._video[0] != progress.path:
            self._video = (progress.path, progress.position_s, now)
        _, from_s, since = self._video
        elapsed = now - since
        times = f" {(progress.position_s - from_s) / elapsed:.0f}x" if elapsed > 1 else ""
        name = plain(os.fsdecode(progress.path)).rpartition(os.sep)[2].replace("[", r"\[")
        end = f" of {clock(progress.duration_s)}" if progress.duration_s else ""
        return f"{name} {clock(progress.position_s)}{end}{times}"


def _part(progress: "Progress") -> float:
    """How much of the video that is being read is done, in [0, 1)."""
    return min(0.99, progress.position_s / progress.duration_s) if progress.duration_s else 0.0


def run_with_bar(library: "Library", work: "Callable[[Bar], Summary]") -> None:
    """Do the work under a bar, then print what it did; when it is stopped, say what is kept."""
    bar = Bar()
    try:
        with bar, Stopping(bar):
            summary = work(bar)
    except (KeyboardInterrupt, LibraryError):
        if bar.last is not None:  # it had begun
            done = f"{bar.last.done:,} of {bar.last.total:,}"
            kept = plural(library.num_files(), "file")
            say(f"stopped at {done}; {kept} in the library {library.folder} are kept, run it again to go on")
        raise
    write(counts(summary))
    write(f"{plural(library.num_files(), 'file')} in the library {library.folder}")
    if summary.failed or summary.incomplete:
        say("why they failed: `seesay errors`")
    if summary.out_of_reach:
        places = sorted(summary.places.items(), key=lambda place: -place[1])
        shown = ", ".join(f"{place} ({count:,})" for place, count in places[:_PLACES_SHOWN])
        more = f" and {plural(len(places) - _PLACES_SHOWN, 'more place')}" if len(places) > _PLACES_SHOWN else ""
        say(
            f"{plural(summary.out_of_reach, 'file')} cannot be reached now and stay in the library, in {shown}{more}; "
            "`seesay forget PATH` takes files out"
        )
    if passed_over := library.passed_over():
        say(f"passed over: {by_suffix(passed_over, limit=5)}; all: `seesay errors --passed-over`")
    if outdated := library.num_outdated():
        say(outdated_line(outdated))


def outdated_line(count: int) -> str:
    """What to do about files that an older version read."""
    verb = "was" if count == 1 else "were"
    return (
        f"{plural(count, 'file')} {verb} read by an older version of seesay's decoders; "
        "read them again with `seesay index --renew`"
    )


def by_suffix(counts: "Mapping[str, int]", *, limit: int) -> str:
    """`40 .docx, 12 .pdf, 3 without a suffix, and 7 more`."""
    shown = [f"{count:,} {suffix or 'without a suffix'}" for suffix, count in list(counts.items())[:limit]]
    rest = sum(counts.values()) - sum(list(counts.values())[:limit])
    return ", ".join(shown) + (f", and {rest:,} more" if rest else "")


def is_news(summary: "Summary", last: "Summary | None") -> bool:
    """Whether a run did something, or found more or fewer files out of reach than the one before it."""
    quiet = type(summary)(unchanged=summary.unchanged, failed=summary.failed, out_of_reach=summary.out_of_reach)
    return summary != quiet or (last is not None and summary.out_of_reach != last.out_of_reach)


class Stopping:
    """While it is entered, the first Ctrl-C lets the work commit what it has in hand; the second ends it at once."""

    def __init__(self, bar: Bar) -> None:
        self._bar = bar
        self._before: Any = None

    def __enter__(self) -> None:
        self._before = signal.signal(signal.SIGINT, self._stop)

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _stop(self, *_: object) -> None:
        if self._bar.is_stopped or self._bar.last is None:  # while it looks through the folders it has nothing in hand
            raise KeyboardInterrupt
        self._bar.is_stopped = True
        os.write(2, b"stopping, when what was read is written down; Ctrl-C again to stop at once\n")


def counts(summary: "Summary") -> str:
    """What a run did, in a line."""
    line = (
        f"{summary.added:,} added, {summary.changed:,} changed, {summary.moved:,} moved, {summary.removed:,} removed, "
        f"{summary.unchanged:,} unchanged, {summary.failed:,} failed"
    )
    if summary.incomplete:
        line += f", {summary.incomplete:,} damaged and read in part"
    if summary.excluded:
        line += f", {summary.excluded:,} left out by a rule"
    if summary.out_of_reach:
        line += f", {summary.out_of_reach:,} out of reach"
    return line
