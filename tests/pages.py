"""A page of docs/, and the commands that it shows."""

import re
import shlex
from pathlib import Path

DOCS = Path(__file__).resolve().parents[1] / "docs"


def read_page(name: str) -> str:
    """The text of docs/NAME.md."""
    return (DOCS / f"{name}.md").read_text("utf-8")


def seesay_commands(page: str) -> list[list[str]]:
    """The words of every `$ seesay ...` in a page's console blocks; a backslash at the end of a line goes on."""
    return [
        shlex.split(line.removeprefix("$ "))
        for block in re.findall(r"```console\n(.*?)```", page, re.DOTALL)
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith("$ seesay ")
    ]
