"""`seesay doctor`: is everything in order?"""

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import typer

from seesay.base.errors import SeesayError
from seesay.base.paths import default_library
from seesay.cli.console import NOTHING_FOUND, LibraryOption, plural, write
from seesay.cli.index import outdated_line

PACKAGES = ("numpy", "pillow", "av", "onnxruntime", "tokenizers", "simsimd")
_NEED = re.compile(r"([\w.-]+).*\bextra == ['\"]([\w.-]+)['\"]")  # pi-heif>=0.20; extra == "heic"
LOW_DISK_BYTES = 1 << 30


def doctor(library: LibraryOption = None) -> None:
    """Check versions, backend, model, library and disk; say what is wrong and how to mend it."""
    place = library or default_library()
    checks: dict[str, Callable[[], Iterator[str]]] = {
        "versions": _versions,
        "extras": _extras,
        "backend": _backend,
        "model": _model,
        "library": lambda: _library(place),
        "disk": lambda: _disk(place),
    }
    sound = True
    for name, check in checks.items():
        try:
            for line in check():
                write(f"ok    {name:<9} {line}")
        except SeesayError as error:
            sound = False
            write(f"FAIL  {name:<9} {error}")
    if not sound:
        raise typer.Exit(NOTHING_FOUND)


def _versions() -> Iterator[str]:
    own = f"seesay {metadata.version('seesay')}, Python {platform.python_version()} on {sys.platform}"
    yield ", ".join([own, *(f"{package} {metadata.version(package)}" for package in PACKAGES)])


def _extras() -> Iterator[str]:
    lacks = {extra: [name for name in needs if not _is_installed(name)] for extra, needs in extras().items()}
    have = [extra for extra, lack in lacks.items() if not lack]
    parts = [f"installed: {', '.join(have) or 'none'}"]
    if none := [extra for extra, lack in lacks.items() if len(lack) == len(extras()[extra])]:
        parts.append(f"not installed: {', '.join(none)}")
    parts += [f"{extra} lacks {', '.join(lack)}" for extra, lack in lacks.items() if lack and extra not in none]
    yield "; ".join(parts)


def extras() -> dict[str, list[str]]:
    """The packages of each extra, as the installed seesay itself declares them."""
    found: dict[str, list[str]] = {}
    for need in metadata.requires("seesay") or ():
        if match := _NEED.match(need):
            found.setdefault(match[2], []).append(match[1])
    return found


def _is_installed(package: str) -> bool:
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError:
        return False
    return True


def _backend() -> Iterator[str]:
    import onnxruntime

    yield f"onnx, on {', '.join(onnxruntime.get_available_providers())}"


def _model() -> Iterator[str]:
    from seesay.encoders import load, selftest

    encoder = load()
    encoder.bundle.verify()
    report = selftest.run(encoder)
    yield f"{report.model}: files as installed, self-test within {report.max_difference:.1g}"


def _library(place: Path) -> Iterator[str]:
    from seesay.base.errors import LibraryError
    from seesay.search.database import exists
    from seesay.search.library import Library
    from seesay.search.store import DATABASE

    if not exists(place.absolute() / DATABASE):
        yield f"none yet in {place}; make one with `seesay index PATH`"
        return
    with Library.open(place, create=False) as opened:
        if found := opened.check():
            raise LibraryError(f"{place} is damaged ({found[0]}); move it away and index again")
        yield f"{plural(len(opened), 'item')} by {opened.model_id} in {place}"
        if opened.read_only:
            yield f"it can be searched, and nothing can be added: {opened.read_only}"
        yield f"{plural(len(opened.errors()), 'error')} in the ledger; read it with `seesay errors`"
        if outdated := opened.num_outdated():
            yield outdated_line(outdated)


def _disk(place: Path) -> Iterator[str]:
    from seesay.base.errors import LibraryError

    existing = next(folder for folder in (place.absolute(), *place.absolute().parents) if os.access(folder, os.F_OK))
    free = shutil.disk_usage(existing).free
    if free < LOW_DISK_BYTES:
        raise LibraryError(f"only {free / 1e6:.0f} MB free at {existing}; a picture needs about 2 kB, make some room")
    yield f"{free / 1e9:.0f} GB free at {existing}"
