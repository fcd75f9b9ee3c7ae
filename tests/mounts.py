"""Disks of our own for tests, where they may be made: read-only ones, and small ones that run full."""

import contextlib
import os
import subprocess

import pytest


def mount(*arguments):
    """Mount something, or skip the test where nobody lets us."""
    if (
        os.name != "posix"
        or os.geteuid()
        or subprocess.run(["mount", *map(str, arguments)], capture_output=True).returncode
    ):
        pytest.skip("to mount a disk takes root")


@contextlib.contextmanager
def small_disk(folder, size_kb):
    """An empty disk of so many kB; gives a function that makes it another size."""
    folder.mkdir(exist_ok=True)
    mount("-t", "tmpfs", "-o", f"size={size_kb}k", "tmpfs", folder)
    try:
        yield lambda other_kb: mount("-o", f"remount,size={other_kb}k", folder)
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


@contextlib.contextmanager
def read_only(folder, at):
    """The same folder at another place, where it is as on a read-only disk."""
    at.mkdir()
    mount("--bind", folder, at)
    try:
        mount("-o", "remount,ro,bind", at)
        yield at
    finally:
        subprocess.run(["umount", "--lazy", at], check=True)
