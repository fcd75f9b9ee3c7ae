"""Hits as files: clips and pictures, a contact sheet, subtitles that name the moments, and everything as JSON.

01-dog.mp4    the clip of the first hit        sheet.png    what was found, as pictures
02-cat.jpg    a photograph, copied             hits.json    what was found, as numbers
01-dog.vtt    the video's ranges, to show beside it in a player; one file a video
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from seesay.base.errors import InputError, UsageError
from seesay.base.paths import json_text, safe_name, show
from seesay.inputs.pictures import open_picture
from seesay.inputs.sheet import TILE_PX, Tile, draw_sheet
from seesay.inputs.video import read_info
from seesay.search.clips import cut_clip
from seesay.search.hit import Hit, clock
from seesay.search.picture import fit, frame_at
from seesay.search.tiles import wanted_px

SHEET, RECORD = "sheet.png", "hits.json"
SHORTEST_S = 4.0  # a clip of one moment would be over before one has looked


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What was written."""

    files: list[Path]
    problems: list[str]
    """A line for each hit whose file could not be read any more, or written."""


def export(hits: Sequence[Hit], folder: Path, *, query: str) -> Exported:
    """Write hits into a new or empty folder.

    Args:
        hits: at least one, best first.
        folder: where to.
        query: what was looked for, as the sheet, the subtitles and the record say it.

    Raises:
        UsageError: there are no hits, the folder is not empty or cannot be written.
    """
    if not hits:
        raise UsageError("there are no hits to export")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise UsageError(f"{folder} is not empty; name a new folder, so that two searches do not get mixed up")
        return _write(hits, folder, query)
    except OSError as error:
        raise UsageError(f"{folder} cannot be written: {error.strerror or error}") from error


def _write(hits: Sequence[Hit], folder: Path, query: str) -> Exported:
    files: list[Path] = []
    problems: list[str] = []
    records: list[dict[str, Any]] = []
    tiles = [Tile(None, show(query))]
    names = _names(hits)
    for hit, name in zip(hits, names, strict=True):
        record = hit.to_dict()
        picture: Image.Image | None = None
        try:
            picture = _picture(hit)
            record |= _write_one(hit, folder / name)
            files.append(folder / record["file"])
        except InputError as error:
            record["problem"] = str(error)
            problems.append(f"{show(hit.path)}: {error}")
        records.append(record)
        tiles.append(Tile(picture, _caption(hit) if picture else f"{show(Path(hit.path).name)}: cannot be read"))
    files += _write_subtitles(hits, names, folder, query)
    draw_sheet(tiles).save(folder / SHEET)
    text = json_text({"query": query, "hits": records}, indent=1)
    (folder / RECORD).write_text(text + "\n", "utf-8")
    return Exported(files=[*files, folder / SHEET, folder / RECORD], problems=problems)


def _names(hits: Sequence[Hit]) -> list[str]:
    """Names without a suffix. The rank comes first, so two files of one name in two folders stay apart."""
    digits = max(2, len(str(len(hits))))
    return [f"{number:0{digits}}-{safe_name(Path(hit.path).stem)}" for number, hit in enumerate(hits, start=1)]


def _picture(hit: Hit) -> Image.Image:
    target_px = wanted_px(hit.box, TILE_PX) if hit.box else TILE_PX
    if hit.time_s is None:
        return fit(open_picture(hit.path, target_px=target_px, page=hit.page or 1), hit.box, side_px=TILE_PX)
    return fit(frame_at(hit.path, hit.time_s, size_px=target_px, track=hit.track), hit.box, side_px=TILE_PX)


def _write_one(hit: Hit, to: Path) -> dict[str, Any]:
    """Write the clip or the picture; returns what the record says of it."""
    if hit.start_s is None or hit.end_s is None:
        copy = to.with_name(to.name + safe_name(Path(hit.path).suffix, most_bytes=20))
        try:
            shutil.copyfile(hit.path, copy)
        except FileNotFoundError as error:
            raise InputError("it is gone") from error
        except OSError:
            copy.unlink(missing_ok=True)
            raise
        return {"file": copy.name}
    start_s, end_s = _at_least(hit.start_s, hit.end_s, read_info(hit.path, hit.track).duration_s)
    clip = cut_clip(hit.path, start_s, end_s, to, track=hit.track)
    return {"file": clip.path.name, "clip_start_s": clip.start_s, "is_copy": clip.is_copy}


def _at_least(start_s: float, end_s: float, duration_s: float) -> tuple[float, float]:
    """The range, widened to both sides where it is shorter than `SHORTEST_S`."""
    lack = max(0.0, SHORTEST_S - (end_s - start_s))
    start_s = max(0.0, start_s - lack / 2)
    return start_s, max(end_s, min(start_s + SHORTEST_S, duration_s))


def _caption(hit: Hit) -> str:
    times = "" if hit.start_s is None or hit.end_s is None else f" {clock(hit.start_s)}-{clock(hit.end_s)}"
    name = show(Path(hit.path).name)
    page = "" if hit.page is None else f" page {hit.page}"
    return f"{hit.score:.3f} {name}{page}{times}"


def _write_subtitles(hits: Sequence[Hit], names: Sequence[str], folder: Path, query: str) -> list[Path]:
    """One WebVTT file for each track of a video, named after its first hit, with the times of the video itself."""
    of_video: dict[tuple[str, int], list[Hit]] = {}
    name_of: dict[tuple[str, int], str] = {}
    for hit, name in zip(hits, names, strict=True):
        if hit.start_s is not None:
            of_video.setdefault((hit.path, hit.track), []).append(hit)
            name_of.setdefault((hit.path, hit.track), name)
    files = [folder / f"{name}.vtt" for name in name_of.values()]
    for file, own in zip(files, of_video.values(), strict=True):
        file.write_text(webvtt(own, query=query), "utf-8")
    return files


def webvtt(hits: Sequence[Hit], *, query: str) -> str:
    """The ranges of one video as subtitles that say what was found, in the order of time.

    Source: W3C, WebVTT: The Web Video Text Tracks Format, section 4.
    """
    words = " ".join(show(query).split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    cues = [
        f"{_timestamp(hit.start_s)} --> {_timestamp(max(hit.end_s, hit.start_s + 0.001))}\n{hit.score:.3f} {words}\n"
        for hit in sorted(hits, key=lambda hit: hit.start_s or 0.0)
        if hit.start_s is not None and hit.end_s is not None
    ]
    return "\n".join(["WEBVTT\n", *cues])


def _timestamp(seconds: float) -> str:
    thousandths = round(seconds * 1000)
    minutes, rest = divmod(thousandths, 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}.{rest % 1000:03}"
