"""Where a run stands, on disk or an object store: written whole or not at all, the last few and the best kept.

    RUN/checkpoints/step-00000700.pt    weights, optimisers, random states, the place in the data
    RUN/checkpoints/best.json           which of them was the best, by what

A checkpoint is written to a file beside its own, synced, and renamed: a power cut leaves the old ones as they were.
"""

import contextlib
import errno
import io
import json
import logging
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from seesay.base.errors import DataError, reason
from seesay.data.remote import first_line, open_filesystem

logger = logging.getLogger("seesay.training")

_NAME = re.compile(r"step-(\d{8})\.pt")
BEST = "best.json"


class Checkpoints:
    """The checkpoints of a run.

    Args:
        address: a folder, or an fsspec address such as `s3://bucket/run`.
        keep: how many of the last ones stay; the best stays besides.
    """

    def __init__(self, address: str | Path, *, keep: int = 3) -> None:
        self._place = _Remote(str(address)) if "://" in str(address) else _Folder(Path(address))
        self._keep = max(1, keep)

    def __str__(self) -> str:
        """Where they are."""
        return str(self._place)

    def steps(self) -> list[int]:
        """The steps that have one, in order."""
        return sorted(int(found[1]) for name in self._place.names() if (found := _NAME.fullmatch(name)))

    def write(self, step: int, content: Mapping[str, Any]) -> None:
        """Write one and remove those that need not stay.

        Raises:
            DataError: it cannot be written; those that were there are as they were.
        """
        buffer = io.BytesIO()
        torch.save(dict(content), buffer)
        try:
            self._place.write(_name(step), buffer.getbuffer())
            # later ones are damaged ones that were passed over: they count for none, and are written again in time
            known = [each for each in self.steps() if each <= step]
            for old in set(known) - {*known[-self._keep :], (self.best() or {}).get("step")}:
                self._place.remove(_name(old))
        except OSError as error:
            raise DataError(
                f"the checkpoint of step {step} cannot be written to {self._place}: {reason(error)}; earlier ones are "
                f"as they were: {cure_of(error)}, and run it again to go on from the last"
            ) from error

    def read(self, step: int | None = None) -> dict[str, Any] | None:
        """The last one, or that of a step; None where there is none.

        One that is damaged, or whose weights are not finite, is passed over with a warning for the one before.

        Raises:
            DataError: there are some, and none is sound.
        """
        steps = self.steps() if step is None else [step]
        faults: list[str] = []
        for number in reversed(steps):
            content, fault = self._read(_name(number))
            if content is not None:
                for each in faults:
                    logger.warning("a checkpoint is passed over: %s; %s is the last sound one", each, _name(number))
                return content
            faults.append(f"{_name(number)}: {fault}")
        if faults:
            raise DataError(
                f"no checkpoint in {self._place} is sound: {'; '.join(faults)}; mend what keeps them from being "
                "read, or begin again in another folder with --out"
            )
        return None

    def _read(self, name: str) -> tuple[dict[str, Any] | None, str]:
        """What a file holds, or None and why it is of no use."""
        try:
            content = dict(torch.load(io.BytesIO(self._place.read(name)), map_location="cpu", weights_only=True))
        except Exception as error:  # torch.load has no error of its own
            return None, first_line(error)
        for part in (content.get("model"), (content.get("average") or {}).get("model")):
            for weight, tensor in (part or {}).items():
                if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                    return None, f"the weights {weight} are not finite"
        return content, ""

    def best(self) -> dict[str, Any] | None:
        """`step`, `name` and `value` of the best; None where nothing was evaluated."""
        with contextlib.suppress(FileNotFoundError):
            return dict(json.loads(bytes(self._place.read(BEST))))
        return None

    def set_best(self, step: int, name: str, value: float) -> None:
        """Say that a step is the best so far; its checkpoint then stays."""
        self._place.write(BEST, json.dumps({"step": step, "name": name, "value": value}).encode())


def cure_of(error: OSError) -> str:
    """What to do about a file that cannot be written, as the start of a sentence."""
    return "make room" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "mend that"


class _Folder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __str__(self) -> str:
        return str(self._folder)

    def names(self) -> list[str]:
        return [path.name for path in self._folder.glob("*")] if self._folder.is_dir() else []

    def read(self, name: str) -> bytes:
        return (self._folder / name).read_bytes()

    def write(self, name: str, content: bytes | memoryview) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{name}.part"
        try:
            with part.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            part.replace(self._folder / name)
        except OSError:
            part.unlink(missing_ok=True)
            raise
        if os.name == "posix":  # the rename too must survive a power cut
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def remove(self, name: str) -> None:
        (self._folder / name).unlink(missing_ok=True)


class _Remote:
    """An object store shows an object when all of it has arrived."""

    def __init__(self, address: str) -> None:
        self._address = address.rstrip("/")
        self._files, self._root = open_filesystem(self._address, "writing to")

    def __str__(self) -> str:
        return self._address

    def names(self) -> list[str]:
        with self._reached():
            if not self._files.exists(self._root):
                return []
            return [str(path).rsplit("/", 1)[-1] for path in self._files.ls(self._root, detail=False, refresh=True)]

    def read(self, name: str) -> bytes:
        with self._reached():
            return bytes(self._files.cat_file(f"{self._root}/{name}"))

    def write(self, name: str, content: bytes | memoryview) -> None:
        with self._reached():
            self._files.makedirs(self._root, exist_ok=True)
            self._files.pipe_file(f"{self._root}/{name}", bytes(content))

    def remove(self, name: str) -> None:
        with self._reached():
            self._files.rm_file(f"{self._root}/{name}")

    @contextlib.contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            raise
        except Exception as error:  # every file system has errors of its own: no credentials, no way to write
            raise OSError(f"{self._address}: {type(error).__name__}: {first_line(error)}") from error


def _name(step: int) -> str:
    return f"step-{step:08}.pt"
