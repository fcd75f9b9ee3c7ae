"""The library's own files over HTTP: thumbnails, originals, clips. By id, never by path."""

import hashlib
import os
import shutil
import stat
from collections.abc import Mapping
from email.utils import parsedate
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.datastructures import Headers
from starlette.staticfiles import NotModifiedResponse
from starlette.types import Receive, Scope, Send

from seesay.base.errors import UsageError
from seesay.base.paths import safe_name
from seesay.inputs.video import film_inside
from seesay.serve.errors import NotFoundError
from seesay.serve.media import media_type
from seesay.serve.originals import Original, check_original, open_original
from seesay.serve.service import Service, service_of

router = APIRouter(prefix="/api/items/{item_id}")
FOR_EVER = "private, max-age=31536000, immutable"  # no library uses an id again, and the address names the library
NOT_UNASKED = "private, no-cache"

Version = Annotated[str | None, Query(max_length=64, description="the library's, as a search says it")]
Second = Annotated[float, Query(ge=0, le=1e7, allow_inf_nan=False)]


class Sent(FileResponse):
    """A file of which a client gets no more than it needs: nothing where it has it already, or asks for the head.

    Args:
        facts: of the file, so that nothing else need be opened to answer.
        folder: deleted afterwards, whether or not all of it could be sent.
        opened: closed afterwards.
    """

    def __init__(
        self,
        path: str | Path,
        facts: os.stat_result,
        *,
        folder: Path | None = None,
        opened: Original | None = None,
        **named: Any,
    ) -> None:
        super().__init__(path, stat_result=facts, **named)
        self._folder, self._opened = folder, opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer."""
        try:
            if _is_known(Headers(scope=scope), self.headers):
                await NotModifiedResponse(self.headers)(scope, receive, send)
            else:
                await super().__call__({**scope, "method": _method(scope)}, receive, send)
        finally:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            if self._opened is not None:
                self._opened.close()


def _method(scope: Scope) -> str:
    """As it was sent: a HEAD comes here as a GET (see head.py)."""
    return "HEAD" if scope.get("seesay.is_head") else str(scope["method"])


def _is_known(asked: Mapping[str, str], ours: Mapping[str, str]) -> bool:
    """Whether a client has what an answer would hold. Source: RFC 9110, section 13.2.2."""
    if (tags := asked.get("if-none-match")) is not None:
        return tags.strip() == "*" or ours["etag"] in [tag.strip().removeprefix("W/") for tag in tags.split(",")]
    had, has = parsedate(asked.get("if-modified-since", "")), parsedate(ours.get("last-modified", ""))
    return had is not None and has is not None and had >= has


@router.get("/thumbnail", response_class=Response)
def thumbnail(
    request: Request, item_id: int, side: Annotated[int, Query(ge=1, le=1024)] = 256, v: Version = None
) -> Response:
    """The photograph, frame or tile as a small JPEG."""
    service = service_of(request)
    row, identity = service.item_of(_checked(item_id), v)
    content = service.thumbnails.get(row, identity, side_px=side)
    kept = NOT_UNASKED if v is None else FOR_EVER
    headers = {"Cache-Control": kept, "ETag": f'"{hashlib.sha256(content).hexdigest()[:32]}"'}
    answer = Response(content, media_type="image/jpeg", headers=headers)
    return NotModifiedResponse(answer.headers) if _is_known(request.headers, answer.headers) else answer


@router.get("/file", response_class=FileResponse)
def original(request: Request, item_id: int, download: bool = False, v: Version = None) -> Response:
    """The file itself; ranges are answered, so that a video can be played from anywhere.

    Of a moment of a film inside a photograph it is that film, which a browser would not find; `download`: the file.
    """
    service = service_of(request)
    row, _ = service.item_of(_checked(item_id), v)
    path = os.fsdecode(row.path)
    opened = open_original(row)
    try:
        if row.time_s is not None and not download and (film := _film(request, service, opened, path)):
            return film
        kind = media_type(path)
        return Sent(
            opened.path,
            opened.facts,
            opened=opened,
            media_type=kind or "application/octet-stream",
            filename=safe_name(Path(path).name),
            content_disposition_type="attachment" if download or kind is None else "inline",
            headers={"Cache-Control": NOT_UNASKED},
        )
    except BaseException:
        opened.close()
        raise


@router.get("/clip", response_class=FileResponse)
def clip(request: Request, item_id: int, start_s: Second, end_s: Second) -> Response:
    """A part of a video as a file of its own."""
    service = service_of(request)
    row = service.item(_checked(item_id))
    if row.time_s is None:
        raise UsageError("a photograph has no clips")
    check_original(row)
    if _is_head(request):  # how long it is nobody knows before it is cut
        answer = Response()
        del answer.headers["content-length"]
        return answer
    made = service.clips.cut(row, start_s, end_s)
    name = f"{safe_name(Path(os.fsdecode(row.path)).stem)}-{start_s:.0f}s{made.path.suffix}"
    return Sent(made.path, made.path.stat(), folder=made.folder, filename=name)


def _film(request: Request, service: Service, opened: Original, path: str) -> Response | None:
    """The film inside a photograph, which is closed then; None where there is none."""
    place = film_inside(path)
    if place is None:
        return None
    fields = list(opened.facts[:10])
    fields[stat.ST_SIZE] = place.size
    facts, headers = os.stat_result(fields), {"Cache-Control": NOT_UNASKED}
    answer = Sent(opened.path, facts, opened=opened, media_type="video/mp4", headers=headers)
    if _is_head(request) or _is_known(request.headers, answer.headers):
        return answer
    made = service.clips.copy(opened.path, place.start, place.size)
    opened.close()
    return Sent(made.path, facts, folder=made.folder, media_type="video/mp4", headers=headers)


def _is_head(request: Request) -> bool:
    return _method(request.scope) == "HEAD"


def _checked(item_id: int) -> int:
    if not 0 <= item_id < 2**63:
        raise NotFoundError(f"the library has no item {item_id}")
    return item_id
