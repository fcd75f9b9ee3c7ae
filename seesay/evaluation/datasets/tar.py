"""WebDataset tars for evaluation: indexed once by reading their headers, then any picture by where it starts.

Of each example the members share a stem: a picture, `.cls` the number or name of its class, `.npy` marks of several
classes, `.txt` captions (a line each) or the name of the class. A single tar may have a classes.txt beside it.
"""

import io
import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import DataError, reason
from seesay.base.texts import decode_text
from seesay.data.braces import expand
from seesay.data.classes import read_classes
from seesay.data.tars import shards_of
from seesay.evaluation.dataset import Captions, Dataset
from seesay.evaluation.datasets.address import Asked
from seesay.evaluation.datasets.download import fetch
from seesay.evaluation.datasets.labelling import make_labels
from seesay.evaluation.datasets.pictures import Members
from seesay.inputs.pictures import PICTURE_SUFFIXES

_LABEL_SUFFIXES = (".cls", ".npy", ".txt")
_NUMBER = re.compile(rb"\s*-?\d+\s*")


@dataclass(slots=True)
class Index:
    """What lies where."""

    tars: list[Path]
    keys: list[str] = field(default_factory=list)
    places: list[tuple[int, int, int]] = field(default_factory=list)
    """Of each example the tar, the first byte of its picture, and how many; (tar, 0, 0) where it has none."""
    beside: list[dict[str, bytes]] = field(default_factory=list)
    """Of each example its label members by suffix; they are small."""

    @property
    def pictures(self) -> Members:
        """The pictures."""
        return Members(self.tars, np.array(self.places, np.int64).reshape(-1, 3), self.keys)


def open_tar(asked: Asked) -> Dataset:
    """Open tars by a path, a pattern such as `a-{00..07}.tar`, or an address.

    Raises:
        DataError: a tar is not there, is damaged or compressed, or its labels do not fit.
    """
    if "://" in asked.place:
        tars = [fetch(url) for url in expand(asked.place)]
    else:
        tars = [Path(part) for part in shards_of(asked.place)]
    return dataset_of(index_tars(tars), asked, classes=read_classes(tars[0].parent))


def index_tars(tars: Sequence[Path]) -> Index:
    """Read every header.

    Raises:
        DataError: a tar cannot be read to its end, or there is no picture in any.
    """
    index = Index(list(tars))
    for number, tar in enumerate(tars):
        current: str | None = None
        for stem, suffix, member, read in _members(tar):
            if stem != current:
                current = stem
                index.keys.append(stem)
                index.places.append((number, 0, 0))
                index.beside.append({})
            if suffix in PICTURE_SUFFIXES:
                index.places[-1] = (number, member.offset_data, member.size)
            elif suffix in _LABEL_SUFFIXES:
                index.beside[-1][suffix] = read()
    # a stem with neither is somebody's note
    wanted = [number for number, place in enumerate(index.places) if place[2] or index.beside[number]]
    if not any(index.places[number][2] for number in wanted):
        raise DataError(f"{', '.join(str(tar) for tar in tars[:3])} has no pictures")
    return Index(
        index.tars,
        *([values[number] for number in wanted] for values in (index.keys, index.places, index.beside)),  # type: ignore[arg-type]
    )


def dataset_of(
    index: Index,
    asked: Asked,
    *,
    classes: Sequence[str] | None,
    is_retrieval: bool = False,
) -> Dataset:
    """What an index says, as a dataset.

    Args:
        index: of the split's tars.
        asked: what was asked for.
        classes: the names of the classes, where a file has them.
        is_retrieval: texts are captions, and there are no labels.

    Raises:
        DataError: some examples have no label, or one that is no class.
    """
    labels = None
    where = asked.place
    if not is_retrieval:
        for suffix, read in ((".npy", _read_marks), (".cls", _read_numbers)):
            if any(suffix in members for members in index.beside):
                numbers, found = read(_all_of(index, suffix, where), where)
                named = _names_in_texts(index, numbers) if classes is None and found is None else None
                names = classes or found or (None if asked.entry and asked.entry.is_numbered else named)
                labels = make_labels(numbers, names, entry=asked.entry, where=where, is_named=classes is not None)
                break
    captions = _captions(index, where) if labels is None else None
    if labels is None and captions is None:
        raise DataError(f"{where} has pictures and nothing said of them: no .cls, no .npy, no .txt beside them")
    reference = asked.entry.reference if asked.entry else ()
    return Dataset(name=asked.title, pictures=index.pictures, labels=labels, captions=captions, reference=reference)


def _members(tar: Path) -> Iterator[tuple[str, str, tarfile.TarInfo, Callable[[], bytes]]]:
    """(stem, suffix, header, a function that reads it); the stem ends at the first dot of the name."""
    try:
        with tarfile.open(tar, "r:") as archive:
            for member in archive:
                folder, _, name = member.name.rpartition("/")
                stem, _, suffix = name.partition(".")
                if member.isfile() and stem:
                    yield f"{folder}/{stem}" if folder else stem, f".{suffix.lower()}", member, _reader(archive, member)
                archive.members = []  # type: ignore[attr-defined]  # or every header stays in memory
            _check_end(tar, archive)
    except FileNotFoundError as error:
        raise DataError(f"{tar} is not there") from error
    except (tarfile.TarError, EOFError, OSError) as error:
        hint = "; it may be compressed, which leaves no way to read one picture: unpack it to a plain .tar"
        raise DataError(f"{tar} cannot be read: {reason(error)}{hint if tar.suffix != '.tar' else ''}") from error


def _reader(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Callable[[], bytes]:
    def read() -> bytes:
        content = archive.extractfile(member)
        assert content is not None
        return content.read()

    return read


def _check_end(tar: Path, archive: tarfile.TarFile) -> None:
    # a header that is cut off or damaged is the end to tarfile, but a real end is a block of zeros
    with tar.open("rb") as file:
        file.seek(archive.offset)
        block = file.read(tarfile.BLOCKSIZE)
    if archive.offset > tar.stat().st_size or len(block) not in (0, tarfile.BLOCKSIZE):
        raise tarfile.ReadError("it breaks off inside a member; copy or download it again")
    if any(block):
        raise tarfile.ReadError(f"it is damaged at byte {archive.offset:,}; copy or download it again")


def _all_of(index: Index, suffix: str, where: str) -> list[bytes]:
    missing = [key for key, members in zip(index.keys, index.beside, strict=True) if suffix not in members]
    if missing:
        raise DataError(
            f"{where} has no {suffix} for {len(missing)} of {len(index.keys)} examples, the first is {missing[0]}"
        )
    return [members[suffix] for members in index.beside]


def _read_numbers(found: list[bytes], where: str) -> tuple[NDArray[np.int64], tuple[str, ...] | None]:
    """(N,) numbers, and the names where the labels are names."""
    if all(_NUMBER.fullmatch(one) for one in found):
        return np.array([int(one) for one in found], np.int64), None
    names = [decode_text(one).strip() for one in found]
    if not all(names):
        raise DataError(f"{where} has an empty .cls: example {names.index('')}")
    classes = tuple(sorted(set(names)))
    number = {name: place for place, name in enumerate(classes)}
    return np.array([number[name] for name in names], np.int64), classes


def _read_marks(found: list[bytes], where: str) -> tuple[NDArray[np.bool_], None]:
    try:
        rows = [np.load(io.BytesIO(one), allow_pickle=False).reshape(-1) for one in found]
        return np.stack(rows) > 0, None
    except (ValueError, EOFError, OSError) as error:
        raise DataError(f"{where} has an .npy that is no row of marks, as long as the others: {error}") from error


def _names_in_texts(index: Index, numbers: NDArray[Any]) -> tuple[str, ...] | None:
    """The classes' names, where every example's text is one line and the same for the same number."""
    if numbers.ndim != 1 or not all(".txt" in members for members in index.beside):
        return None
    names: dict[int, str] = {}
    for number, members in zip(numbers.tolist(), index.beside, strict=True):
        text = decode_text(members[".txt"]).strip()
        if not text or "\n" in text or names.setdefault(number, text) != text:
            return None
    is_whole = sorted(names) == list(range(len(names))) and len(names) > 1
    return tuple(names[number] for number in sorted(names)) if is_whole else None


def _captions(index: Index, where: str) -> Captions | None:
    if not any(".txt" in members for members in index.beside):
        return None
    texts: list[str] = []
    owners: list[int] = []
    for number, content in enumerate(_all_of(index, ".txt", where)):
        lines = [line for line in decode_text(content).splitlines() if line.strip()]
        if not lines:
            raise DataError(f"{where} has no caption for {index.keys[number]}")
        texts += lines
        owners += [number] * len(lines)
    return Captions(texts=tuple(texts), image_of_text=np.array(owners, np.int64))
