"""Errors as answers: a status, a sentence, and never a stack trace. The log has the rest.

`/api` says `{"error": sentence}`; `/v1` says it as OpenAI's clients expect: `{"error": {"message", "type", ...}}`.
"""

import logging
import uuid
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from seesay.base.errors import InputError, LibraryError, ModelMismatchError, SeesayError, UsageError
from seesay.base.paths import show
from seesay.serve.batching import BusyError

log = logging.getLogger("seesay.serve")
RETRY_AFTER_S = 1


class NotFoundError(SeesayError):
    """Something that is not, or no longer, there."""


class NoHeatError(SeesayError):
    """The model cannot say which part of a picture matched."""


class RefusedError(SeesayError):
    """A request of OpenAI's kind that this service does not do; `code` is theirs."""

    def __init__(self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None) -> None:
        """Say why."""
        super().__init__(message)
        self.status, self.code, self.param = status, code, param


_STATUS: tuple[tuple[type[Exception], int], ...] = (  # the first that fits
    (BusyError, 503),
    (ModelMismatchError, 409),
    (NoHeatError, 409),
    (LibraryError, 503),
    (UsageError, 422),
    (InputError, 422),
    (SeesayError, 500),
)


def add_handlers(app: FastAPI) -> None:
    """Turn everything that a route may raise into an answer."""

    async def on_error(request: Request, error: Exception) -> JSONResponse:
        if isinstance(error, RefusedError):
            return _answer(request, error.status, str(error), code=error.code, param=error.param)
        if isinstance(error, NotFoundError):
            return _answer(request, 404, str(error))
        if isinstance(error, HTTPException):
            return _answer(request, error.status_code, str(error.detail), headers=error.headers)
        if isinstance(error, RequestValidationError):
            return _answer(request, 422, _sentence(error))
        status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
        if status == 500:
            return _unexpected(request, error)
        headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else None
        return _answer(request, status, str(error), headers=headers)

    for kind in (SeesayError, HTTPException, RequestValidationError, Exception):
        app.add_exception_handler(kind, on_error)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    number = uuid.uuid4().hex[:8]
    log.error("%s %r failed (%s)", request.method, request.url.path, number, exc_info=error)
    return _answer(request, 500, f"something went wrong in the service; its log says what, under {number}")


def _answer(
    request: Request,
    status: int,
    message: str,
    *,
    code: str | None = None,
    param: str | None = None,
    headers: Any = None,
) -> JSONResponse:
    content = to_content(request.url.path, status, message, code=code, param=param)
    return JSONResponse(content, status_code=status, headers=headers)


def to_content(
    path: str, status: int, message: str, *, code: str | None = None, param: str | None = None
) -> dict[str, Any]:
    """What an answer with an error says, in the form that those who ask under this path expect."""
    message = show(message)  # it may name a file
    if not path.startswith("/v1/"):
        return {"error": message}
    kind = "invalid_request_error" if status < 500 else "server_error"
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def _sentence(error: RequestValidationError) -> str:
    """The first things that are wrong, and where."""
    parts = []
    for each in error.errors()[:3]:
        where = ".".join(str(part) for part in each["loc"] if part not in ("body", "query", "path"))
        parts.append(f"{where}: {each['msg']}" if where else str(each["msg"]))
    return "; ".join(parts)
