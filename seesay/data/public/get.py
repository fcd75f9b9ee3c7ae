"""A public set as a folder: pictures, two manifests, and whose they are.

    FOLDER/pictures/          256 pixels at most, each whole on a white square
    FOLDER/train.jsonl        a picture a line, with its captions and the group of its title
    FOLDER/held-out.jsonl     the same for titles that train.jsonl does not have
    FOLDER/about.json         how many, from which packages, and what was left out and why
    FOLDER/licences/, NOTICE  the terms

Stopped at any moment it goes on where it was: a picture is whole or not there, and the manifests come last.
"""

import json
import logging
import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.errors import DataError, InputError, reason
from seesay.data.packages import default_cache
from seesay.data.public import find_set
from seesay.data.public.found import Found, PublicSet
from seesay.data.public.split import Pair, Split, find_duplicates, look_of, split
from seesay.data.public.titles import title_key
from seesay.inputs.pictures import open_picture

log = logging.getLogger("seesay.data")

TRAIN, HELD_OUT, ABOUT = "train.jsonl", "held-out.jsonl", "about.json"
_FORMAT = 1  # counted up when the same packages would give another folder
_LONGEST_PX = 256  # an original can have 200 million pixels; no small model takes more than this
_THREADS = 4
_LEAST_SPREAD = 0.5  # a picture whose look varies less, of 255, is a blank page


def get(
    name: str,
    folder: Path,
    *,
    cache: Path | None = None,
    share: float = 0.1,
    show: Callable[[int], None] | None = None,
) -> Path:
    """Make a public set's folder, or find it made.

    Args:
        name: of `PUBLIC_SETS`.
        folder: made if it is not there.
        cache: where packages are kept; by default in the user's cache folder.
        share: of the titles to hold out.
        show: told how many pictures are done, now and then.

    Returns:
        The manifest to train on.

    Raises:
        UnknownNameError: no such set.
        SeesayError: a package cannot be had.
        MissingExtraError: reading the set takes an optional package that is not installed.
        DataError: the folder holds something else, or cannot be written.
    """
    chosen = find_set(name)
    packages = [package.name for package in chosen.packages]
    made = {"set": name, "format": _FORMAT, "held_out_share": share, "packages": packages}
    try:
        if _is_made(folder, made):
            return folder / TRAIN
        folders = [package.unpack(cache or default_cache()) for package in chosen.packages]
        (folder / "pictures").mkdir(parents=True, exist_ok=True)
        _write_json(folder / ABOUT, {**made, "is_complete": False})
        reasons: Counter[str] = Counter()
        pairs, subjects, looks = _collect(chosen.read(folders), folder, reasons, show or (lambda count: None))
        divided = split(pairs, subjects, looks, share=share)
        reasons["not needed to measure: one picture of a held-out title, and none like one trained on"] = (
            divided.num_dropped
        )
        _write_terms(chosen, folders, folder)
        _write_manifests(divided, folder)
        counts = {"train": len(divided.train), "held_out": len(divided.held_out), "left_out": dict(+reasons)}
        _write_json(folder / ABOUT, {**made, "is_complete": True, "terms": chosen.terms, **counts})
    except OSError as error:
        raise DataError(f"{folder} cannot be written: {reason(error)}. Run it again to go on") from error
    return folder / TRAIN


def read_about(folder: Path) -> dict[str, Any]:
    """What a made set says of itself; {} where there is none.

    Raises:
        DataError: the file is damaged.
    """
    try:
        about: dict[str, Any] = json.loads((folder / ABOUT).read_text("utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise DataError(f"{folder / ABOUT} is damaged: {error}; remove the folder and get the set again") from error
    return about


def _is_made(folder: Path, made: dict[str, Any]) -> bool:
    about = read_about(folder)
    if not about:
        if folder.is_dir() and any(folder.iterdir()):
            raise DataError(f"{folder} holds something else already; name a folder that is new or empty")
        return False
    if {key: about.get(key) for key in made} != made:
        raise DataError(
            f"{folder} holds {about.get('set')!r} of {', '.join(about.get('packages', ()))}, made with other settings "
            f"than are asked for; name another folder for {made['set']!r}"
        )
    return bool(about["is_complete"])


def _collect(
    found: Iterable[Found], folder: Path, reasons: Counter[str], show: Callable[[int], None]
) -> tuple[list[Pair], list[str], NDArray[np.float32]]:
    """Store every picture, small, and bring what the split needs of it."""
    pairs: list[Pair] = []
    subjects: list[str] = []
    looks: list[NDArray[np.float32]] = []
    with ThreadPoolExecutor(_THREADS) as pool:
        for count, (one, look) in enumerate(_in_order(pool, found, folder), 1):
            if isinstance(look, str):
                reasons[look] += 1
            elif look.std() < _LEAST_SPREAD:
                reasons["a blank picture"] += 1
            else:
                title = one.captions[0]
                pairs.append(Pair(f"pictures/{_file_name(one)}", one.captions, title_key(title)))
                subjects.append(one.subject or title)
                looks.append(look)
            if count % 500 == 0:
                show(count)
    if not pairs:
        raise DataError("the packages hold no picture with a title; they are of another version than is known here")
    table = np.stack(looks)
    is_duplicate = find_duplicates(table)
    reasons["the picture of another pair"] = int(is_duplicate.sum())
    keep = np.flatnonzero(~is_duplicate).tolist()
    return [pairs[place] for place in keep], [subjects[place] for place in keep], table[keep]


def _in_order(
    pool: ThreadPoolExecutor, found: Iterable[Found], folder: Path
) -> Iterator[tuple[Found, NDArray[np.float32] | str]]:
    """Pictures made by several threads, in the order of the set; few are under way, so that few are in memory."""
    waiting = iter(found)
    while batch := list(islice(waiting, 4 * _THREADS)):
        yield from zip(batch, pool.map(lambda one: _store(one, folder), batch), strict=True)


def _store(one: Found, folder: Path) -> NDArray[np.float32] | str:
    """Store a picture unless it is there; its look, or why there is none."""
    path = folder / "pictures" / _file_name(one)
    try:
        if not path.is_file():
            source = one.picture if isinstance(one.picture, Path) else one.picture()
            started = path.with_suffix(".part")
            # 4:4:4, because thin coloured lines are what drawings are made of
            _on_square(open_picture(source, target_px=_LONGEST_PX)).save(started, "JPEG", quality=92, subsampling=0)
            os.replace(started, path)  # noqa: PTH105  atomic, as everywhere
        # from the file, so that a set made in two goes is the same as one made in one
        return look_of(open_picture(path))
    except InputError as error:
        return f"cannot be read: {reason(error)}"


def _on_square(picture: Image.Image) -> Image.Image:
    """A drawing whole and in the middle of a white square, so that no crop to a square cuts a candle in two."""
    rgb = picture.convert("RGB")
    rgb.thumbnail((_LONGEST_PX, _LONGEST_PX), Image.Resampling.BICUBIC)
    side = max(rgb.size)
    square = Image.new("RGB", (side, side), "white")
    square.paste(rgb, ((side - rgb.width) // 2, (side - rgb.height) // 2))
    return square


def _file_name(one: Found) -> str:
    return re.sub(r"[^\w.+-]", "_", one.name) + ".jpg"


def _write_manifests(divided: Split, folder: Path) -> None:
    for name, pairs in ((HELD_OUT, divided.held_out), (TRAIN, divided.train)):
        rows = (
            {"image": pair.image, "captions": list(pair.captions), "group": pair.group}
            for pair in sorted(pairs, key=lambda pair: pair.image)
        )
        _write(folder / name, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def _write_terms(chosen: PublicSet, folders: Sequence[Path], folder: Path) -> None:
    kept = folder / "licences"
    kept.mkdir(exist_ok=True)
    for package, unpacked in zip(chosen.packages, folders, strict=True):
        for pattern in chosen.licences:
            for file in sorted(unpacked.glob(pattern)):
                shutil.copyfile(file, kept / f"{package.folder_name}-{file.name}")
    _write(folder / "NOTICE", f"{chosen.terms}\nThe full texts are in licences/. The pictures were made smaller.\n")


def _write_json(path: Path, content: dict[str, Any]) -> None:
    _write(path, json.dumps(content, indent=2) + "\n")


def _write(path: Path, text: str) -> None:
    started = path.with_name(path.name + ".part")
    started.write_text(text, "utf-8")
    os.replace(started, path)  # noqa: PTH105
