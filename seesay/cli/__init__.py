"""The commands. One file each: parse, call, print. Errors become exit codes here and nowhere below.

Exit codes, as ripgrep has them: 0 fine, 1 nothing found (or a check failed), 2 an error; 130 stopped with Ctrl-C.
"""

import sys
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from seesay.base.tables import resolve

COMMANDS = {
    "index": "seesay.cli.index:index",
    "forget": "seesay.cli.forget:forget",
    "search": "seesay.cli.search:search",
    "watch": "seesay.cli.watch:watch",
    "serve": "seesay.cli.serve:serve",
    "classify": "seesay.cli.classify:classify",
    "actions": "seesay.cli.actions:actions",
    "models": "seesay.cli.models:models",
    "export": "seesay.cli.export:export",
    "data": "seesay.cli.data:data",
    "train": "seesay.cli.train:train",
    "runs": "seesay.cli.runs:runs",
    "eval": "seesay.cli.eval:evaluate",
    "list": "seesay.cli.list:list_table",
    "errors": "seesay.cli.errors:errors",
    "doctor": "seesay.cli.doctor:doctor",
}


class Commands(TyperGroup):
    """The commands, behind one check of what was typed."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:  # Click's types: typer's own copy, or click's
        """Which command it is; an empty argument is refused, because as a path it would be the current folder."""
        from seesay.cli.console import refuse_empty

        refuse_empty(args)
        return super().resolve_command(ctx, args)


def build_app() -> typer.Typer:
    """The whole command line, from the table."""
    app = typer.Typer(
        name="seesay",
        cls=Commands,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
        help="Search your own pictures and videos by text, offline; name what is in them. CLIP, end to end.",
    )
    app.callback()(_root)
    for name in COMMANDS:
        command = resolve(COMMANDS, name, kind="command")
        if isinstance(command, typer.Typer):  # one with commands of its own
            app.add_typer(command, name=name)
        else:
            app.command(name)(command)
    return app


def _print_version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"seesay {metadata.version('seesay')}\n")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    """What every command shares: nothing but `--version`."""


def main() -> None:
    """The `seesay` program."""
    from seesay.cli.console import run

    run(build_app())
