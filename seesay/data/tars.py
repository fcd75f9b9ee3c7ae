"""WebDataset tars: each example is the members that share a stem, `0001.jpg` beside `0001.txt`.

Shards are read from start to end, several at a time, and only once a pass: a window takes some examples from each of
them and is shuffled as a whole. So memory is bounded, an object store or a pipe is as good as a disk, and a place in
the pass is three numbers: the group of shards, the window in it, the example in that.
"""

import itertools
import json
import os
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Self, cast

import numpy as np

from seesay.base.errors import DataError, InputError, reason
from seesay.base.paths import find
from seesay.base.texts import decode_text
from seesay.data.braces import expand
from seesay.data.remote import first_line, open_filesystem
from seesay.data.source import Damaged, Example, Pass, Position
from seesay.data.table import as_captions
from seesay.inputs.pictures import PICTURE_SUFFIXES

OPEN_SHARDS = 4
"""Shards that are mixed with each other."""
WINDOW = 256
"""Examples that a window takes of each open shard; with pictures of 100 kB, 100 MB in all."""
TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz")
"""Ends of names that are shards; of the others Python's tarfile knows no way to read them as a stream."""
_TEXT_SUFFIXES = (".txt", ".caption", ".text")
_CAPTION_KEYS = ("captions", "caption", "text", "title")


class Tars:
    """Shards by path, `s3://` and other fsspec address, or `pipe:command`.

    Args:
        pattern: one or more of those, with patterns such as `{0000..0127}` (see `braces`); `::` stands between.

    Raises:
        DataError: a local shard is not there; the first are named.
        UsageError: nothing that is installed reads such an address.
    """

    def __init__(self, pattern: str) -> None:
        self._shards = shards_of(pattern)
        remote = (shard for shard in self._shards if "://" in shard and not shard.startswith("pipe:"))
        for shard in {shard.partition("://")[0]: shard for shard in remote}.values():  # one of each kind says enough
            open_filesystem(shard, "reading")
        missing = [shard for shard in self._shards if not _is_remote(shard) and not Path(shard).is_file()]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            raise DataError(
                f"{len(missing)} of {len(self._shards)} shards are not there: {', '.join(missing[:3])}{more}"
            )

    def stream(self, one: Pass, start: Position = ()) -> Iterator[tuple[Example | Damaged, Position]]:
        """See `Source.stream`; with fewer shards than processes each takes every so many-th example instead."""
        group, window, done = start or (0, 0, 0)
        order = [self._shards[number] for number in one.permutation(len(self._shards))]
        by_shard = len(order) >= one.size
        own = order[one.rank :: one.size] if by_shard else order
        for number in range(group, -(-len(own) // OPEN_SHARDS)):
            shards = own[number * OPEN_SHARDS : (number + 1) * OPEN_SHARDS]
            readers = [_read_shard(shard) for shard in shards]
            if not by_shard:
                first = number * OPEN_SHARDS  # each shard begins with another process, so that short ones serve all
                readers = [
                    itertools.islice(reader, (one.rank - place) % one.size, None, one.size)
                    for place, reader in enumerate(readers, first)
                ]
            for reader in readers:
                next(itertools.islice(reader, window * WINDOW, window * WINDOW), None)  # what was seen already
            while found := [item for reader in readers for item in itertools.islice(reader, WINDOW)]:
                shuffled = np.random.default_rng([one.seed, one.epoch, one.rank, number, window]).permutation(
                    len(found)
                )
                for place in range(done, len(found)):
                    yield found[shuffled[place]], (number, window, place + 1)
                window, done = window + 1, 0
            window = done = 0


def shards_of(pattern: str) -> list[str]:
    """Every shard that a pattern stands for; a path that is there as it is written is one, whatever is in its name."""
    if there := find(pattern):
        return [str(there)]
    parts = [[part] if find(part) else expand(part) for part in pattern.split("::")]
    return [shard if _is_remote(shard) else os.path.expanduser(shard) for part in parts for shard in part]  # noqa: PTH111


def is_tars(address: str) -> bool:
    """Whether an address means shards: pipes, addresses with ://, and names that end as tars do."""
    return all(_is_remote(part) or is_tar_name(part) for part in shards_of(address))


def is_tar_name(name: str) -> bool:
    """Whether a name ends as a tar's."""
    return name.lower().endswith(TAR_SUFFIXES)


def _is_remote(shard: str) -> bool:
    return shard.startswith("pipe:") or "://" in shard


def _read_shard(shard: str) -> Iterator[Example | Damaged]:
    """A shard's examples in order; where it breaks off, one that says so."""
    try:
        with _open(shard) as file, tarfile.open(fileobj=file, mode="r|*", tarinfo=_Member) as tar:
            for stem, members in itertools.groupby(_members(tar), key=lambda member: member[0]):
                yield _example(f"{shard}/{stem}", {suffix: content for _, suffix, content in members})
    except Exception as error:  # whatever a file system, a network or a decoder raises is this shard's reason
        yield Damaged(shard, f"cannot be read to its end: {first_line(error)}")


class _Member(tarfile.TarInfo):
    """A header; where one is missing or cut, tarfile takes it for the end of the archive."""

    @classmethod
    def fromtarfile(cls, tarfile_: tarfile.TarFile) -> Self:
        try:
            return super().fromtarfile(tarfile_)
        except (tarfile.TruncatedHeaderError, tarfile.EmptyHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError("it ends without an end mark, so it was cut short") from error


def _members(tar: tarfile.TarFile) -> Iterator[tuple[str, str, bytes]]:
    """(stem, suffix, content); the stem ends at the first dot of the name, as WebDataset has it."""
    for member in tar:
        folder, _, name = member.name.rpartition("/")
        stem, _, suffix = name.partition(".")
        if member.isfile() and stem:
            content = tar.extractfile(member)
            assert content is not None
            data = content.read()
            if len(data) < member.size:
                raise tarfile.ReadError(f"{member.name} breaks off after {len(data):,} of {member.size:,} bytes")
            yield f"{folder}/{stem}" if folder else stem, f".{suffix.lower()}", data


def _example(key: str, members: dict[str, bytes]) -> Example | Damaged:
    image = next((content for suffix, content in members.items() if suffix in PICTURE_SUFFIXES), None)
    if image is None:
        return Damaged(key, f"has no picture, only {', '.join(members)}")
    captions: tuple[str, ...] = ()
    for suffix in _TEXT_SUFFIXES:
        if suffix in members:
            captions = as_captions(decode_text(members[suffix]).splitlines())
    if not captions and ".json" in members:
        try:
            facts = json.loads(members[".json"])
        except ValueError as error:
            return Damaged(key, f"its .json cannot be read: {reason(error)}")
        captions = _captions_of(facts)
    if not captions:
        return Damaged(key, "has no caption")
    group = decode_text(members[".cls"]).strip() if ".cls" in members else None
    return Example(key, image, captions, group)


def _captions_of(facts: Any) -> tuple[str, ...]:
    if not isinstance(facts, dict):
        return ()
    return next((found for name in _CAPTION_KEYS if (found := as_captions(facts.get(name)))), ())


@contextmanager
def _open(shard: str) -> Iterator[IO[bytes]]:
    if shard.startswith("pipe:"):
        with _piped(shard.removeprefix("pipe:")) as file:
            yield file
    elif "://" in shard:
        files, path = open_filesystem(shard, "reading")
        with files.open(path, "rb") as file:
            yield cast(IO[bytes], file)
    else:
        with Path(shard).open("rb") as file:
            yield file


@contextmanager
def _piped(command: str) -> Iterator[IO[bytes]]:
    """What a command of the user's prints, through a shell as WebDataset runs it.

    Raises:
        InputError: it failed; which says more than that what it printed is no whole tar.
    """
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=said, shell=True) as process,  # noqa: S602
    ):
        assert process.stdout is not None
        try:
            yield process.stdout
            process.stdout.read()
        except (tarfile.TarError, EOFError):
            if process.stdout.read(1):
                raise  # it goes on printing, so it did not fail
            if process.wait() == 0:
                raise
        if code := process.wait():
            said.seek(0)
            lines = said.read().decode("utf-8", errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "nothing")
            raise InputError(f"its command failed with exit code {code}; the last that it said: {last[:300]}")
