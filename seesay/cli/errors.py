"""`seesay errors`: the ledger of what could not be read, and what was left out or passed over."""

import json
import time
from typing import TYPE_CHECKING, Annotated

import typer

from seesay.base.errors import UsageError
from seesay.base.paths import show
from seesay.cli.console import JsonOption, LibraryOption, say, write
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
            write(json.dumps({"path": show(error.path), "reason": error.reason, "seen_at": seen_at}))
        else:
            write(f"{show(error.path)}: {error.reason}")
    if not found:
        say("no errors")


def _print_excluded(opened: "Library", *, as_json: bool) -> None:
    found = opened.excluded()
    for path, rule in found.items():
        write(json.dumps({"path": show(path), "rule": rule}) if as_json else f"{show(path)}: {rule}")
    if not found:
        say("no rule left anything out")


def _print_passed_over(opened: "Library", *, as_json: bool) -> None:
    found = opened.passed_over()
    for suffix, count in found.items():
        write(json.dumps({"suffix": suffix, "num_files": count}) if as_json else f"{count:>8,}  {suffix or '(none)'}")
    if not found:
        say("every file has the suffix of a picture or video")
