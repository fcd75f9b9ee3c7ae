"""Labelled videos in the layouts that public datasets come in: `LAYOUT:PATH[#PART]`.

    ucf101:UCF101#train1       UCF-101/ApplyEyeMakeup/*.avi and ucfTrainTestlist/{classInd,trainlist01,testlist01}.txt
    hmdb51:HMDB51#test2        brush_hair/*.avi and testTrainMulti_7030_splits/brush_hair_test_split2.txt
    kinetics:k400#val          annotations/val.csv (or val.csv) and val/[LABEL/]ID_000010_000020.mp4
    charades:Charades#test     Charades_v1_{train,test}.csv, Charades_v1_classes.txt, Charades_v1_480/ID.mp4
    videos:clips#train         [PART/]LABEL/*.mp4: your own, a folder a label
    list:train.txt             lines `path number-of-frames label` as TSN and ActionCLIP have them, labels.csv beside it

A video is a file, or a folder of its frames where the file would be (without its suffix). Files that the lists name
and that are not there are left out and counted: Kinetics loses videos every year.

Shape legend: N videos, C classes.
"""

import csv
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seesay.base.errors import DataError, reason
from seesay.base.paths import find
from seesay.base.texts import open_text, read_text
from seesay.data.actions import label_names, sentences
from seesay.data.source import Damaged, Example, Pass, Position
from seesay.inputs.pictures import PICTURE_SUFFIXES
from seesay.inputs.video import ANIMATION_SUFFIXES, VIDEO_SUFFIXES

_ADDRESS = re.compile(r"([a-z0-9]+):([^#]+)(?:#(\w+))?")
_SPLIT = re.compile(r"([a-z]+?)([123])?")


class Span(NamedTuple):
    """When something is done."""

    start_s: float
    end_s: float
    label: int


class Video(NamedTuple):
    """One labelled video."""

    path: Path
    labels: tuple[int, ...]
    """Numbers of classes; several where it shows several."""
    spans: tuple[Span, ...] = ()
    """When each is done, where that is known (Charades)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoSet:
    """One part of a dataset."""

    name: str
    classes: tuple[str, ...]
    """C names, as a prompt says them."""
    videos: tuple[Video, ...]
    is_several: bool = False
    """Whether a video may show several classes."""
    num_missing: int = 0
    """Videos that a list names and that are not there."""

    def marks(self) -> NDArray[np.int64] | NDArray[np.bool_]:
        """(N,) the number of each video's class, or (N, C) marks where there may be several."""
        if not self.is_several:
            return np.array([video.labels[0] for video in self.videos], np.int64)
        marks_NC = np.zeros((len(self.videos), len(self.classes)), np.bool_)
        for row, video in zip(marks_NC, self.videos, strict=True):
            row[list(video.labels)] = True
        return marks_NC


def is_video_address(address: str) -> bool:
    """Whether an address names one of the layouts, by how it looks; a path that is there under that name is a path."""
    found = _ADDRESS.fullmatch(address)
    return found is not None and found[1] in LAYOUTS and find(address) is None


def open_videos(address: str) -> VideoSet:
    """Read which videos a part of a dataset has, and their labels; no video is opened.

    Args:
        address: see the module. A PART is `train` or `test` (Kinetics: `val`), of UCF101 and HMDB51 with the number of
            the split: `test1`.

    Raises:
        DataError: it is not there, is laid out in another way, or has no video.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or found[1] not in LAYOUTS:
        raise DataError(f"{address} is no LAYOUT:PATH[#PART]; layouts are {', '.join(LAYOUTS)}")
    path = Path(found[2]).expanduser()
    if not path.exists():
        raise DataError(f"{path} is not there")
    try:
        opened = LAYOUTS[found[1]](path, found[3] or "")
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
        raise DataError(f"{address} cannot be read as {found[1]} is laid out: {reason(error)}") from error
    if not opened.videos:
        missing = f"; {opened.num_missing} that its lists name are missing" if opened.num_missing else ""
        raise DataError(f"{address} has no video{missing}")
    return opened


class VideoTable:
    """Videos as examples to train on: captions are the label in each of ActionCLIP's templates, a group is a label.

    A video with several labels has the captions of them all, each with its label beside it.
    """

    def __init__(self, videos: VideoSet) -> None:
        self._classes, self._is_several = videos.classes, videos.is_several
        self._rows = [video for video in videos.videos if video.labels]

    def __len__(self) -> int:
        return len(self._rows)

    def stream(self, one: Pass, start: Position = ()) -> Iterator[tuple[Example | Damaged, Position]]:
        """See `Source.stream`; a position is how many of this process's rows are done."""
        for number, position in one.rows(len(self._rows), start):
            video = self._rows[number]
            said = [
                (sentence, name) for name in (self._classes[n] for n in video.labels) for sentence in sentences(name)
            ]
            captions, names = (tuple(side) for side in zip(*said, strict=True))
            group, labels = (None, names) if self._is_several else (names[0], ())
            yield Example(str(video.path), video.path, captions, group, labels), position


def open_table(address: str) -> VideoTable:
    """The source that `data.sources` gets for an address of videos."""
    return VideoTable(open_videos(address))


def _open_ucf101(root: Path, part: str) -> VideoSet:
    kind, number = _part(part, ("train", "test"))
    lists = _first(root, ("ucfTrainTestlist", "."), "classInd.txt")
    folders = [line.split()[1] for line in _lines(lists / "classInd.txt")]
    places = {folder.lower(): place for place, folder in enumerate(folders)}
    videos = _first(root, ("UCF-101", "UCF101", "videos", "."), folders[0])
    rows = [
        (videos / name, (places[name.split("/")[0].lower()],))
        for line in _lines(lists / f"{kind}list0{number}.txt")
        if (name := line.split()[0])
    ]
    return _set(root, _say(folders, label_names("ucf101")), rows)


def _open_hmdb51(root: Path, part: str) -> VideoSet:
    kind, number = _part(part, ("train", "test"))
    lists = _first(root, ("testTrainMulti_7030_splits", "test_train_splits", "."), f"*_test_split{number}.txt")
    files = sorted(lists.glob(f"*_test_split{number}.txt"))
    folders = [path.name.removesuffix(f"_test_split{number}.txt") for path in files]
    videos = _first(root, ("videos", "hmdb51_org", "."), folders[0])
    wanted = "1" if kind == "train" else "2"  # 0 is of neither
    rows = [
        (videos / folder / line.split()[0], (place,))
        for place, (folder, path) in enumerate(zip(folders, files, strict=True))
        for line in _lines(path)
        if line.split()[1] == wanted
    ]
    return _set(root, _say(folders, label_names("hmdb51")), rows)


def _open_kinetics(root: Path, part: str) -> VideoSet:
    part = part or "val"
    names = [f"{part}.csv", f"kinetics_{part}.csv", f"kinetics400_{part}.csv", f"kinetics_400_{part}.csv"]
    tables = [folder / name for folder in (root, root / "annotations") for name in names if (folder / name).is_file()]
    if not tables:
        return _open_folders(root, part)
    with open_text(tables[0]) as file:
        records = list(csv.DictReader(file))
    classes = tuple(sorted({record["label"] for record in records}))
    known = label_names("kinetics400")
    if set(classes) <= set(known):
        classes = known
    places = {name: place for place, name in enumerate(classes)}
    rows = [(_kinetics_path(root / part, record), (places[record["label"]],)) for record in records]
    return _set(root, classes, rows)


def _kinetics_path(folder: Path, record: dict[str, str]) -> Path:
    """Flat as the CVDF mirror has it, or in a folder a label, spaces as they are or as underscores."""
    stem = f"{record['youtube_id']}_{int(float(record['time_start'])):06}_{int(float(record['time_end'])):06}"
    label = record["label"]
    choices = [folder / f"{stem}.mp4", *(folder / name / f"{stem}.mp4" for name in (label, label.replace(" ", "_")))]
    return next((path for path in choices if _find(path)), choices[0])


def _open_charades(root: Path, part: str) -> VideoSet:
    kind = part or "test"
    lists = _first(root, ("Charades", "annotations", "."), "Charades_v1_classes.txt")
    names = [line.split(" ", 1) for line in _lines(lists / "Charades_v1_classes.txt")]
    places = {code: place for place, (code, _) in enumerate(names)}
    videos = next(
        (root / n for n in ("Charades_v1_480", "Charades_v1", "Charades_v1_rgb") if (root / n).is_dir()), root
    )
    rows: list[Video] = []
    num_missing = 0
    with open_text(lists / f"Charades_v1_{kind}.csv") as file:
        for record in csv.DictReader(file):
            actions = [action.split() for action in record["actions"].split(";") if action]
            spans = tuple(Span(float(start), float(end), places[code]) for code, start, end in actions)
            found = _find(videos / f"{record['id']}.mp4")
            num_missing += found is None
            if found is not None:
                rows.append(Video(found, tuple(sorted({span.label for span in spans})), spans))
    return VideoSet(
        name=root.name,
        classes=tuple(name for _, name in names),
        videos=tuple(rows),
        is_several=True,
        num_missing=num_missing,
    )


def _open_folders(root: Path, part: str) -> VideoSet:
    folder = root / part if part else root
    labels = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    rows = [(path, (place,)) for place, label in enumerate(labels) for path in sorted(label.iterdir()) if _find(path)]
    return _set(root, tuple(label.name.replace("_", " ") for label in labels), rows)


def _open_list(path: Path, _: str) -> VideoSet:
    tables = sorted(path.parent.glob("*labels*.csv"))
    if len(tables) != 1:
        raise DataError(f"{path} needs one table of labels beside it, with the columns id and name; got {len(tables)}")
    with open_text(tables[0]) as file:
        named = sorted((int(record["id"]), record["name"]) for record in csv.DictReader(file))
    if [number for number, _ in named] != list(range(len(named))):
        raise DataError(f"{tables[0]} does not number its {len(named)} labels from 0 on")
    rows = []
    for line in _lines(path):
        name, _, label = line.rsplit(" ", 2)
        rows.append((path.parent / name, (int(label),)))
    return _set(path, tuple(name for _, name in named), rows)


LAYOUTS: dict[str, Callable[[Path, str], VideoSet]] = {
    "ucf101": _open_ucf101,
    "hmdb51": _open_hmdb51,
    "kinetics": _open_kinetics,
    "charades": _open_charades,
    "videos": _open_folders,
    "list": _open_list,
}


def _set(root: Path, classes: tuple[str, ...], rows: Sequence[tuple[Path, tuple[int, ...]]]) -> VideoSet:
    found = [(_find(path), labels) for path, labels in rows]
    videos = tuple(Video(path, labels) for path, labels in found if path is not None)
    return VideoSet(name=root.stem, classes=classes, videos=videos, num_missing=len(rows) - len(videos))


def _find(path: Path) -> Path | None:
    """The file, or the folder of its frames."""
    if path.is_file() and path.suffix.lower() in (VIDEO_SUFFIXES | ANIMATION_SUFFIXES):
        return path
    for folder in (path, path.with_suffix("")):
        if folder.is_dir() and any(file.suffix.lower() in PICTURE_SUFFIXES for file in folder.iterdir()):
            return folder
    return None


def _say(folders: Sequence[str], names: Sequence[str]) -> tuple[str, ...]:
    """Names of folders as words: those of the label file where they are the same but for spaces and capitals."""
    known = {_plain(name): name for name in names}
    return tuple(known.get(_plain(folder), folder.replace("_", " ")) for folder in folders)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "", name.lower())


def _part(part: str, kinds: Sequence[str]) -> tuple[str, int]:
    found = _SPLIT.fullmatch(part or kinds[-1])
    if found is None or found[1] not in kinds:
        raise DataError(f"there is no part {part!r}; there are {', '.join(f'{kind}1 to {kind}3' for kind in kinds)}")
    return found[1], int(found[2] or 1)


def _first(root: Path, folders: Sequence[str], holds: str) -> Path:
    """The first of the folders that holds a name, or a pattern of names."""
    for folder in folders:
        if any((root / folder).glob(holds)):
            return root / folder
    raise DataError(f"{root} has no {holds} in {', '.join(folders)}")


def _lines(path: Path) -> list[str]:
    return [line.strip() for line in read_text(path).splitlines() if line.strip()]
