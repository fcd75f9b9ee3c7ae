"""`seesay doctor`: is everything in order?"""

import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import typer

from seesay.base.errors import SeesayError
from seesay.base.paths import default_library
from seesay.cli.console import NOTHING_FOUND, LibraryOption, plural, write

PACKAGES = ("numpy", "pillow", "av", "onnxruntime", "tokenizers", "simsimd")
EXTRAS = {"torch": "train", "pi_heif": "heic", "pyjpegxl": "jxl", "rawpy": "raw"}
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
    have = [name for module, name in EXTRAS.items() if find_spec(module)]
    lack = [name for name in EXTRAS.values() if name not in have]
    yield f"installed: {', '.join(have) or 'none'}" + (f"; not installed: {', '.join(lack)}" if lack else "")


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
    from seesay.search.library import Library
    from seesay.search.store import DATABASE

    if not (place / DATABASE).exists():
        yield f"none yet in {place}; make one with `seesay index PATH`"
        return
    with Library.open(place, create=False) as opened:
        if found := opened.check():
            raise LibraryError(f"{place} is damaged ({found[0]}); move it away and index again")
        yield f"{plural(len(opened), 'item')} by {opened.model_id} in {place}"
        yield f"{plural(len(opened.errors()), 'error')} in the ledger; read it with `seesay errors`"


def _disk(place: Path) -> Iterator[str]:
    from seesay.base.errors import LibraryError

    existing = next(folder for folder in (place.absolute(), *place.absolute().parents) if folder.exists())
    free = shutil.disk_usage(existing).free
    if free < LOW_DISK_BYTES:
        raise LibraryError(f"only {free / 1e6:.0f} MB free at {existing}; a picture needs about 2 kB, make some room")
    yield f"{free / 1e9:.0f} GB free at {existing}"
