"""Writes the parts of docs/ that are made from the code. `make docs` runs it; a test holds the files to it."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import typer

from seesay.base.tables import resolve
from seesay.cli import COMMANDS
from seesay.cli.models import render_models_page

HERE = Path(__file__).parent
WIDTH = "100"


def render_commands() -> str:
    """docs/commands.md: the help of every command, as the program prints it."""
    sections = (f"\n## seesay {name}\n\n```text\n{_help(name)}\n```\n" for name in _names())
    return "# Commands\n\nMade from the program itself by `make docs`.\n" + "".join(sections)


def _names() -> Iterator[str]:
    """Every command, one with commands of its own followed by these: `models`, `models pull`."""
    for name in COMMANDS:
        yield name
        command = resolve(COMMANDS, name, kind="command")
        if isinstance(command, typer.Typer):
            for own in command.registered_commands:
                yield f"{name} {own.name or (own.callback.__name__ if own.callback else '')}"


def _help(name: str) -> str:
    environment = {**os.environ, "COLUMNS": WIDTH, "TERMINAL_WIDTH": WIDTH, "NO_COLOR": "1", "TERM": "dumb"}
    environment.pop("SEESAY_LIBRARY", None)
    command = [sys.executable, "-m", "seesay", *name.split(), "--help"]
    shown = subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout
    shown = shown.replace("python -m seesay", "seesay")
    return "\n".join(re.sub(r" +$", "", line) for line in shown.strip().splitlines())


PAGES = {"commands.md": render_commands, "models.md": render_models_page}


def main() -> None:
    """Write every page."""
    for name, render in PAGES.items():
        (HERE / name).write_text(render(), "utf-8")


if __name__ == "__main__":
    main()
