"""From files to pieces ready for a model: digests, decoding, tiles, the moments of a video. Threads live here.

    pictures: a pool of threads, one file each ─→ a chunk with all its pieces
    videos:   one at a time, decoded in threads ahead of the model ─→ a chunk for every moment, as they come
    files of several pages: one at a time ─→ a chunk for every page

Memory is bounded by what may wait, whatever the length of a video. It must not know the store or the model.
"""

import hashlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.errors import InputError, MissingExtraError
from seesay.inputs.dates import read_taken_ns
from seesay.inputs.pictures import examine_pages, examine_picture, has_pages
from seesay.inputs.transform import ImageTransform
from seesay.inputs.video import Frame, film_inside, is_video, map_frames, read_info
from seesay.search import tiles
from seesay.search.detail import Detail
from seesay.search.rows import Box, ErrorRow

# Versions of what makes pixels and moments of a file. Raise one with every change after which the same file gives
# other pixels or other moments; `seesay index --renew` then reads again what an older version read. A change that lets
# us read what failed before needs no new number: the ledger has those files, and `seesay errors --retry` reads them.
PICTURE_READER = 1
VIDEO_READER = 1
READERS = PICTURE_READER, VIDEO_READER

AHEAD = 64  # pictures read, or moments decoded, ahead of the model: two batches
AHEAD_WITH_TILES = 8  # each is about nine pieces then


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A file to read, as the walk saw it. That older stamp is what gets remembered, so a change while reading shows."""

    path: bytes
    size_bytes: int
    mtime_ns: int
    is_known: bool
    """The library has it, as it was before."""
    detail: Detail
    digest: bytes = b""
    """Of a video that was begun: as it was when that was done."""
    position_s: float | None = None
    """Where to go on in it; of a file of several pages, how many are done."""
    position_track: int = 0
    """In which of its tracks."""
    mount_id: int | None = None
    """What holds its folder."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What becomes one item: pixels, and of a tile its box."""

    pixels: NDArray[np.uint8]
    box: Box | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """A picture, a page, or one moment of a video: what is committed together or not at all."""

    wanted: Wanted
    digest: bytes
    pieces: tuple[Piece, ...]
    detail: str
    taken_ns: int | None = None
    """When the file was taken, as it says, in nanoseconds since 1970; of its first chunk."""
    times_s: tuple[float, float, float] | None = None
    """Start, end and time of the frame, of a moment."""
    track: int = 0
    """Of which of the file's films."""
    page: int | None = None
    """Of a file of several pages, from 1."""
    is_first: bool = True
    next_s: float | None = None
    """Where the next moment begins, or how many pages come before the next; None when this chunk is the file's last."""
    next_track: int = 0
    """In which track."""
    problem: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What reading a file's beginning brought. Neither chunk nor error: it has parts, or its content is known.

    Both a chunk and `has_parts`: a photograph with a film in it.
    """

    wanted: Wanted
    digest: bytes = b""
    chunk: Chunk | None = None
    has_parts: bool = False
    """It is a video, or has several pages: `read_parts` reads it."""
    error: ErrorRow | None = None


def read_pictures(files: Iterable[tuple[Wanted, frozenset[bytes]]], transform: ImageTransform) -> Iterator[Read]:
    """Read pictures with every core, in order, never more than `AHEAD` files ahead of the caller.

    Args:
        files: what to read, and the digests that need no decoding.
        transform: the model's.
    """
    work = partial(read_picture, transform=transform)
    return _ahead(work, files, num_threads=os.cpu_count() or 1, num_ahead=AHEAD)


def read_heads(files: Iterable[tuple[Wanted, frozenset[bytes]]]) -> Iterator[Read]:
    """The digests of videos, in order, the next one while the caller is busy with the last; no more than that.

    Reading a long video takes seconds, and what was read ahead is lost when the run is stopped.
    """
    return _ahead(_read_head, files, num_threads=1, num_ahead=2)


def _ahead(
    work: Callable[[Wanted, frozenset[bytes]], Read],
    files: Iterable[tuple[Wanted, frozenset[bytes]]],
    *,
    num_threads: int,
    num_ahead: int,
) -> Iterator[Read]:
    waiting: deque[Future[Read]] = deque()
    pool = ThreadPoolExecutor(num_threads, thread_name_prefix="seesay-read")
    try:
        for wanted, known in files:
            waiting.append(pool.submit(work, wanted, known))
            if len(waiting) >= (min(num_ahead, AHEAD_WITH_TILES) if wanted.detail.tiles else num_ahead):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _read_head(wanted: Wanted, known: frozenset[bytes]) -> Read:
    try:
        is_begun = wanted.position_s is not None
        digest = wanted.digest if is_begun else content_digest(wanted.path)
        return Read(wanted=wanted, digest=digest, has_parts=digest not in known)
    except OSError as error:
        return Read(wanted=wanted, error=error_row(wanted, error))


def read_picture(wanted: Wanted, known: frozenset[bytes], transform: ImageTransform) -> Read:
    """In a thread: the digest, and a chunk unless the content is known or the file turns out to have parts."""
    try:
        digest = content_digest(wanted.path)
        if digest in known:
            return Read(wanted=wanted, digest=digest)
        path = os.fsdecode(wanted.path)
        if is_video(path) or has_pages(path):
            return Read(wanted=wanted, digest=digest, has_parts=True)
        found = examine_picture(path, target_px=_target_px(wanted, transform))
        has_film = film_inside(path) is not None
        chunk = Chunk(
            wanted=wanted,
            digest=digest,
            pieces=_pieces_of_picture(found.picture, wanted, transform),
            detail=wanted.detail.to_text() if has_film else wanted.detail.of_picture,
            taken_ns=read_taken_ns(path),
            next_s=0.0 if has_film else None,
            problem=found.problem,
        )
        return Read(wanted=wanted, digest=digest, chunk=chunk, has_parts=has_film)
    except (OSError, InputError, MissingExtraError) as error:
        return Read(wanted=wanted, error=error_row(wanted, error))


def content_digest(path: bytes) -> bytes:
    """BLAKE2b-128 of a file's content, by which a moved file is known."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, partial(hashlib.blake2b, digest_size=16)).digest()


def error_row(wanted: Wanted, error: Exception) -> ErrorRow:
    """The line of the ledger. One that could not be opened has no size: its cure does not show in size or time."""
    if isinstance(error, OSError):
        reason = f"cannot be opened: {error.strerror or error}"
        return ErrorRow(path=wanted.path, size_bytes=None, mtime_ns=None, reason=reason)
    return ErrorRow(path=wanted.path, size_bytes=wanted.size_bytes, mtime_ns=wanted.mtime_ns, reason=str(error))


def read_parts(wanted: Wanted, digest: bytes, transform: ImageTransform) -> Iterator[Chunk]:
    """The moments of a video or the pages of a file, from where it was left; errors as of `read_video`."""
    is_paged = has_pages(os.fsdecode(wanted.path))
    yield from (read_pages if is_paged else read_video)(wanted, digest, transform)


def read_pages(wanted: Wanted, digest: bytes, transform: ImageTransform) -> Iterator[Chunk]:
    """The pages of a file, from where it was left. One that cannot be read is a problem of the whole.

    Raises:
        InputError: no page can be read.
        OSError: the file cannot be reached, or not any more.
    """
    path = os.fsdecode(wanted.path)
    num_done = int(wanted.position_s or 0)
    problems: list[str] = []
    empty = Chunk(
        wanted=wanted,
        digest=digest,
        pieces=(),
        detail=wanted.detail.of_picture,
        taken_ns=read_taken_ns(path) if num_done == 0 else None,
        is_first=num_done == 0,
    )
    before: Chunk | None = None
    for page in examine_pages(path, target_px=_target_px(wanted, transform), first=num_done + 1):
        if page.problem is not None:
            problems.append(f"page {page.number}: {page.problem}")
        if page.found is not None:
            if before is not None:  # a page later: the last one says that it is the last
                yield replace(before, next_s=float(page.number - 1))
                empty = replace(empty, is_first=False)
            pieces = _pieces_of_picture(page.found.picture, wanted, transform)
            before = replace(empty, pieces=pieces, page=page.number)
    if problems:
        os.stat(path)  # as of a video: a drive that was pulled out is no damage
        problems[1:] = [f"and {len(problems) - 1} more"] if len(problems) > 1 else []
    if before is None and empty.is_first:
        raise InputError("; ".join(problems) or "a file without a page")
    yield replace(before or empty, problem="; ".join(problems) or None)


def read_video(wanted: Wanted, digest: bytes, transform: ImageTransform) -> Iterator[Chunk]:
    """The moments of a video, track by track, from where it was left; at most `AHEAD` are decoded ahead, in threads.

    A moment ends where the next one begins, so it comes when that one is there. It begins with its frame, or, of a
    shot, with that: its frame is in the middle. Only the last chunk of all tells a problem, and has no `next_s`.

    Raises:
        InputError: nothing in the file can be shown.
        OSError: it cannot be reached, or not any more.
    """
    path = os.fsdecode(wanted.path)
    problems: list[str] = []
    track, is_last = wanted.position_track, False
    while not is_last:
        begun = wanted if track == wanted.position_track else replace(wanted, position_s=0.0, position_track=track)
        last: Chunk | None = None
        for chunk in _read_track(begun, digest, transform, problems):
            if last is not None:
                yield last
            last = chunk
        assert last is not None
        if problems:
            os.stat(path)  # a drive that was pulled out is no damage: raises OSError, and the next run goes on
        is_last = track + 1 >= _num_tracks(path, track)
        if is_last:
            yield replace(last, next_s=None, problem=_problem(path, problems))
        else:
            yield replace(last, next_s=0.0, next_track=track + 1)
        track += 1


def _problem(path: str, problems: list[str]) -> str | None:
    """The line for the ledger."""
    if not problems:
        return None
    return f"the film inside: {problems[0]}" if film_inside(path) else problems[0]


def _num_tracks(path: str, track: int) -> int:
    """How many films a file holds; of one that cannot be opened any more, those that were read."""
    try:
        return read_info(path).num_tracks
    except InputError:
        return track + 1


def _read_track(wanted: Wanted, digest: bytes, transform: ImageTransform, problems: list[str]) -> Iterator[Chunk]:
    """The moments of the track that `wanted` names; one chunk without any where nothing is left. Adds to `problems`."""
    path, detail, track = os.fsdecode(wanted.path), wanted.detail, wanted.position_track
    num_problems = len(problems)
    shown = map_frames(
        partial(_seen, transform=transform, has_tiles=detail.tiles),
        path,
        detail.moments,
        size_px=_target_px(wanted, transform),
        from_s=wanted.position_s or 0.0,
        track=track,
        on_error=problems.append,
        num_ahead=(AHEAD_WITH_TILES if detail.tiles else AHEAD) // 2,
    )
    is_first = wanted.position_s is None
    before: _Seen | None = None
    step_s = 0.0
    try:
        for seen in shown:
            if before is not None:
                step_s = seen.time_s - before.time_s
                yield _chunk(wanted, digest, before, end_s=seen.start_s, is_first=is_first)
                is_first = False
            before = seen
    except InputError as error:
        if before is None and is_first:
            raise
        problems.append(str(error))  # half a video is better than none
    if before is not None:
        # What the file declares is not to be trusted where something was wrong with it, or where it has ended before.
        declared_s = 0.0 if len(problems) > num_problems else read_info(path, track).duration_s
        end_s = declared_s if declared_s > before.time_s else before.time_s + step_s
        yield _chunk(wanted, digest, before, end_s=end_s, is_first=is_first)
    elif is_first:
        raise InputError(problems[0] if problems else "a video without a single picture")
    else:  # nothing comes after what the store has
        yield Chunk(wanted=wanted, digest=digest, pieces=(), detail=detail.to_text(), is_first=False)


class _Seen(NamedTuple):
    """A frame as a model takes it: what is left of it once its picture was let go."""

    time_s: float
    start_s: float
    pieces: tuple[Piece, ...]


def _seen(frame: Frame, transform: ImageTransform, *, has_tiles: bool) -> _Seen:
    start_s = frame.shot_s[0] if frame.shot_s else frame.time_s
    return _Seen(frame.time_s, start_s, tuple(_pieces(frame.image, transform, has_tiles=has_tiles)))


def _chunk(wanted: Wanted, digest: bytes, seen: _Seen, *, end_s: float, is_first: bool) -> Chunk:
    return Chunk(
        wanted=wanted,
        digest=digest,
        pieces=seen.pieces,
        detail=wanted.detail.to_text(),
        taken_ns=read_taken_ns(os.fsdecode(wanted.path)) if is_first else None,
        times_s=(seen.start_s, end_s, seen.time_s),
        track=wanted.position_track,
        is_first=is_first,
        next_s=end_s,
        next_track=wanted.position_track,
    )


def _target_px(wanted: Wanted, transform: ImageTransform) -> int:
    return tiles.decode_px(transform.target_px) if wanted.detail.tiles else transform.target_px


def _pieces_of_picture(picture: Image.Image, wanted: Wanted, transform: ImageTransform) -> tuple[Piece, ...]:
    """The whole, its tiles where they are asked for, and of a long one squares: a model sees its middle only."""
    boxes = tiles.squares(picture.width, picture.height)
    pieces = _pieces(picture, transform, has_tiles=wanted.detail.tiles)
    return (*pieces, *(Piece(transform(tiles.cut(picture, box)), box) for box in boxes))


def _pieces(picture: Image.Image, transform: ImageTransform, *, has_tiles: bool) -> Iterator[Piece]:
    yield Piece(transform(picture))
    if has_tiles:
        for box in tiles.boxes(picture.width, picture.height, size_px=transform.target_px):
            yield Piece(transform(tiles.cut(picture, box)), box)
