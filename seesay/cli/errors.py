"""`seesay errors`: the ledger of what could not be read, and what was left out or passed over."""

import time
from typing import TYPE_CHECKING, Annotated

import typer

from seesay.base.errors import UsageError
from seesay.base.paths import json_path, show
from seesay.cli.console import JsonOption, LibraryOption, quoted, say, write, write_json
from seesay.cli.index import run_with_bar

if TYPE_CHECKING:
    from seesay.search.library import Library


def errors(
    library: LibraryOption = None,
    retry: Annotated[bool, typer.Option("--retry", help="Read them again, then list what still fails.")] = False,
    excluded: Annotated[
        bool, typer.Option("--excluded", help="Show what the last run left out, and by which rule, instead.")
    ] = False,
    passed_over: Annotated[
        bool, typer.Option("--passed-over", help="Show how many files are no pictures or videos, by suffix, instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show which files could not be read, and why."""
    from seesay.search.library import Library

    if retry + excluded + passed_over > 1:
        raise UsageError("give one of --retry, --excluded and --passed-over")
    with Library.open(library, create=False) as opened:
        if excluded:
            _print_excluded(opened, as_json=as_json)
        elif passed_over:
            _print_passed_over(opened, as_json=as_json)
        else:
            _print_errors(opened, retry=retry, as_json=as_json)


def _print_errors(opened: "Library", *, retry: bool, as_json: bool) -> None:
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


def _print_excluded(opened: "Library", *, as_json: bool) -> None:
    found = opened.excluded()
    for path, rule in found.items():
        if as_json:
            write_json({**json_path(path), "rule": show(rule)})
        else:
            write(f"{quoted(path)}: {rule}")
    if not found:
        say("no rule left anything out")


def _print_passed_over(opened: "Library", *, as_json: bool) -> None:
    found = opened.passed_over()
    for suffix, count in found.items():
        if as_json:
            write_json({"suffix": show(suffix), "num_files": count})
        else:
            write(f"{count:>8,}  {quoted(suffix) if suffix else '(none)'}")
    if not found:
        say("every file has the suffix of a picture or video")
