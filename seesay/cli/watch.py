"""`seesay watch`: keep the library up to date while folders change."""

from pathlib import Path
from typing import Annotated

import typer

from seesay.cli.console import LibraryOption, plural, say, write
from seesay.cli.index import counts, is_news


def watch(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Folders to add first; what was added before is watched too.")
    ] = None,
    library: LibraryOption = None,
) -> None:
    """Keep the library up to date while files come, change, move and go. Ctrl-C ends it.

    A file is read when nothing was written to it for two seconds. Frames and tiles are taken as `seesay index` was
    told for these paths. Every ten minutes everything is looked through, for drives that tell of no changes.
    """
    from seesay.cli.index import run_with_bar
    from seesay.search.library import Library
    from seesay.search.watch import watch as follow

    with Library.open(library) as opened:
        new = [path for path in paths or [] if str(path.expanduser().absolute()) not in opened.roots()]
        run_with_bar(opened, lambda bar: opened.add(*new, report=bar.update))
        say(f"watching {plural(len(opened.roots()), 'place')}; Ctrl-C ends it")
        last = None
        try:
            for summary in follow(opened):
                if is_news(summary, last):
                    write(counts(summary))
                last = summary
        except KeyboardInterrupt:
            say("no longer watching; what was done is kept")
