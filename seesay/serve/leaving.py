"""Work whose client is gone ends: nobody reads what it would give.

`Watched` looks out for the client while a request is answered; whatever takes long calls `check_client` now and then,
in whichever thread it runs. Must not know what the work is.
"""

import asyncio
import contextlib
import threading
from contextvars import ContextVar

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seesay.base.errors import SeesayError

_gone: ContextVar[threading.Event | None] = ContextVar("seesay_client_is_gone", default=None)


class GoneError(SeesayError):
    """Whoever asked is not there any more; nobody will see this."""


def check_client() -> None:
    """Go on, unless the client of the request that this thread works on is gone.

    Raises:
        GoneError: it is.
    """
    event = _gone.get()
    if event is not None and event.is_set():
        raise GoneError("the client has gone away")


class Watched:
    """ASGI middleware that notes when a client goes away before its answer is there."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and watch from the moment on at which the whole request is here."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gone = threading.Event()
        is_whole = asyncio.Event()

        async def receive_noting() -> Message:
            message = await receive()
            if message["type"] == "http.disconnect":
                gone.set()
            elif not message.get("more_body", False):
                is_whole.set()
            return message

        async def watch() -> None:
            await is_whole.wait()  # until then the application reads, and would miss what is read here
            while (await receive())["type"] != "http.disconnect":
                pass
            gone.set()

        if not _has_body(scope):
            is_whole.set()
        mark = _gone.set(gone)
        watcher = asyncio.create_task(watch())
        try:
            await self._app(scope, receive_noting, send)
        finally:
            _gone.reset(mark)
            watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watcher


def _has_body(scope: Scope) -> bool:
    names = {name: value for name, value in scope["headers"] if name in (b"content-length", b"transfer-encoding")}
    return b"transfer-encoding" in names or names.get(b"content-length", b"0") != b"0"
