"""`seesay forget`: take files and folders out of the library."""

from pathlib import Path
from typing import Annotated

import typer

from seesay.cli.console import LibraryOption, plural, write


def forget(
    paths: Annotated[list[Path], typer.Argument(help="Files, or folders with everything below them.")],
    library: LibraryOption = None,
) -> None:
    """Take files or folders out of the library, whether they can be reached or not. No file is touched.

    What lies below a folder that was added stays out until it is named to `seesay index` itself. A folder that was
    added is no longer looked at.
    """
    from seesay.search.library import Library

    with Library.open(library, create=False) as opened:
        count = opened.forget(*paths)
        write(f"{plural(count, 'file')} forgotten")
        write(f"{plural(opened.num_files(), 'file')} in the library {opened.folder}")
