"""The library's own files over HTTP: thumbnails, originals, clips. By id, never by path."""

import os
import shutil
import tempfile
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from seesay.base.errors import UsageError
from seesay.base.paths import safe_name
from seesay.inputs.video import film_inside
from seesay.search.clips import cut_clip
from seesay.serve.errors import NotFoundError
from seesay.serve.media import media_type
from seesay.serve.service import service_of

router = APIRouter(prefix="/api/items/{item_id}")
LONGEST_CLIP_S = 600.0
FOR_EVER = "private, max-age=31536000, immutable"  # an id is never used for anything else

Second = Annotated[float, Query(ge=0, le=1e7, allow_inf_nan=False)]


@router.get("/thumbnail", response_class=Response)
def thumbnail(request: Request, item_id: int, side: Annotated[int, Query(ge=1, le=1024)] = 256) -> Response:
    """The photograph, frame or tile as a small JPEG."""
    service = service_of(request)
    content = service.thumbnails.get(service.item(_checked(item_id)), side_px=side)
    return Response(content, media_type="image/jpeg", headers={"Cache-Control": FOR_EVER})


@router.get("/file", response_class=FileResponse)
def original(request: Request, item_id: int, download: bool = False) -> Response:
    """The file itself; ranges are answered, so that a video can be played from anywhere.

    Of a moment of a film inside a photograph it is that film, which a browser would not find; `download`: the file.
    """
    row = service_of(request).item(_checked(item_id))
    path = os.fsdecode(row.path)
    if not Path(path).is_file():
        raise NotFoundError("the file is not there any more; bring the library up to date with `seesay index`")
    if row.time_s is not None and not download and (film := _film(path)):
        return film
    kind = media_type(path)
    return FileResponse(
        path,
        media_type=kind or "application/octet-stream",
        filename=safe_name(Path(path).name),
        content_disposition_type="attachment" if download or kind is None else "inline",
        headers={"Cache-Control": "private, no-cache"},
    )


@router.get("/clip", response_class=FileResponse)
def clip(request: Request, item_id: int, start_s: Second, end_s: Second) -> Response:
    """A part of a video as a file of its own."""
    row = service_of(request).item(_checked(item_id))
    if row.time_s is None:
        raise UsageError("a photograph has no clips")
    if not 0 < end_s - start_s <= LONGEST_CLIP_S:
        raise UsageError(f"a clip ends after it begins, and at most {LONGEST_CLIP_S:.0f} s later")
    path = os.fsdecode(row.path)
    folder = tempfile.mkdtemp(prefix="seesay-clip-")
    try:
        made = cut_clip(path, start_s, end_s, Path(folder) / "clip", track=row.track)
    except BaseException:
        shutil.rmtree(folder)
        raise
    name = f"{safe_name(Path(path).stem)}-{start_s:.0f}s{made.path.suffix}"
    return FileResponse(made.path, filename=name, background=BackgroundTask(shutil.rmtree, folder))


def _film(path: str) -> Response | None:
    """The film inside a photograph; None where there is none."""
    place = film_inside(path)
    if place is None:
        return None
    copy, name = tempfile.mkstemp(prefix="seesay-film-", suffix=".mp4")
    with os.fdopen(copy, "wb") as film, Path(path).open("rb") as file:
        file.seek(place.start)
        film.write(file.read(place.size))
    headers = {"Cache-Control": "private, no-cache"}
    return FileResponse(name, media_type="video/mp4", headers=headers, background=BackgroundTask(os.unlink, name))


def _checked(item_id: int) -> int:
    if not 0 <= item_id < 2**63:
        raise NotFoundError(f"the library has no item {item_id}")
    return item_id
