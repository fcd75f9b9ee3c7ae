"""What is going on: the library's counts and errors, health, metrics."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from seesay.base.errors import LibraryError
from seesay.base.paths import json_path, show
from seesay.search.library import Library
from seesay.serve.service import service_of

router = APIRouter()


@router.get("/api/library")
def library(request: Request) -> dict[str, Any]:
    """What the library has, which model reads it, and whether it is being added to now."""
    service = service_of(request)
    found: dict[str, Any] = {"folder": show(str(service.libraries.folder)), "model": service.encoder.id}
    try:
        return found | service.libraries.use(_counts)
    except LibraryError:  # there is none yet
        none = {"num_items": 0, "num_files": 0, "num_images": 0, "num_videos": 0}
        return found | none | {"roots": [], "indexing": None, "errors": {"count": 0}}


@router.get("/api/library/errors")
def errors(
    request: Request,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=10**9)] = 0,
) -> dict[str, Any]:
    """The ledger: files that could not be read, and why."""
    try:
        rows = service_of(request).libraries.use(lambda opened: opened.errors())
    except LibraryError:
        rows = []
    page = rows[offset : offset + limit]
    lines = [
        {
            **json_path(row.path),
            "reason": show(row.reason),
            "seen_at": datetime.fromtimestamp(row.seen_at, UTC).isoformat(),
        }
        for row in page
    ]
    return {"errors": lines, "count": len(rows)}


@router.get("/healthz")
def health() -> dict[str, str]:
    """The process is alive."""
    return {"status": "ok"}


@router.get("/readyz")
def ready(request: Request) -> Response:
    """The model is loaded, so that an answer takes no longer than it has to."""
    is_ready = service_of(request).is_ready
    return JSONResponse({"status": "ready" if is_ready else "loading"}, status_code=200 if is_ready else 503)


@router.get("/metrics", response_class=Response)
def metrics(request: Request) -> Response:
    """For Prometheus."""
    return Response(generate_latest(service_of(request).metrics.registry), media_type=CONTENT_TYPE_LATEST)


def _counts(opened: Library) -> dict[str, Any]:
    counts = opened.counts()
    indexing = None if counts.running is None else dict(zip(("done", "total"), counts.running, strict=True))
    return {
        "num_items": counts.items,
        "num_files": counts.files,
        "num_images": counts.files - counts.videos,
        "num_videos": counts.videos,
        "roots": [show(root) for root in opened.roots()],
        "indexing": indexing,
        "errors": {"count": counts.errors},
    }
