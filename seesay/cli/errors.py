"""`seesay errors`: the ledger of what could not be read."""

import time
from typing import Annotated

import typer

from seesay.base.paths import json_path, show
from seesay.cli.console import JsonOption, LibraryOption, quoted, say, write, write_json
from seesay.cli.index import run_with_bar


def errors(
    library: LibraryOption = None,
    retry: Annotated[bool, typer.Option("--retry", help="Read them again, then list what still fails.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which files could not be read, and why."""
    from seesay.search.library import Library

    with Library.open(library, create=False) as opened:
        if retry and opened.errors():
            run_with_bar(opened, lambda bar: opened.retry(report=bar.update))
        found = opened.errors()
        for error in found:
            if as_json:
                seen_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(error.seen_at))
                write_json({**json_path(error.path), "reason": show(error.reason), "seen_at": seen_at})
            else:
                write(f"{quoted(error.path)}: {error.reason}")
    if not found:
        say("no errors")
