"""The service as an ASGI application: what `seesay serve` runs, and what any ASGI server can."""

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from seesay import __version__
from seesay.serve import classifying, files, openai, searching, state
from seesay.serve.batching import BusyError
from seesay.serve.errors import add_handlers
from seesay.serve.head import HeadAsGet
from seesay.serve.leaving import Watched
from seesay.serve.metrics import Measured
from seesay.serve.security import Guard
from seesay.serve.service import Service, start
from seesay.serve.settings import Settings

PAGE = Path(__file__).parent / "page"


def create_app(settings: Settings) -> ASGIApp:
    """Everything, guarded, for any ASGI server.

    Args:
        settings: where, what, and the limits.

    Raises:
        SeesayError: the library or the model cannot be used.
    """
    return app_of(start(settings))


def app_of(service: Service) -> ASGIApp:
    """The application around a service that was started."""
    app = FastAPI(
        title="seesay", version=__version__, lifespan=_lifespan, docs_url=None, redoc_url=None,
        description="Search pictures and videos by text; embeddings; classification without training.",
    )  # fmt: skip
    app.state.service = service
    add_handlers(app)
    for part in (searching, files, classifying, state, openai):
        app.include_router(part.router)

    @app.get("/", include_in_schema=False)
    def page(request: Request) -> FileResponse:
        return FileResponse(PAGE / "index.html", headers={"Cache-Control": "no-cache"})

    app.mount("/page", StaticFiles(directory=PAGE), name="page")
    return Guard(Watched(Measured(HeadAsGet(app), service.metrics)), service.settings)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    anyio.to_thread.current_default_thread_limiter().total_tokens = service.settings.budget.threads
    threading.Thread(target=_warm, args=[service], name="seesay-warm", daemon=True).start()
    yield
    await anyio.to_thread.run_sync(service.close)


def _warm(service: Service) -> None:
    try:
        service.encoder.warm()
    except BusyError:  # it was stopped before it was warm
        return
    service.is_ready = True
