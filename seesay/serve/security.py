"""Who may ask, and how much they may send: checks before any route, and headers after each.

A web page that is open in the same browser must neither read answers (other origins are refused, and nothing allows
them) nor reach the service under a name of its own that points here (DNS rebinding: the Host header is checked).
"""

import asyncio
import hmac
from collections.abc import Iterator
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from seesay.serve.bodies import BodyError, check_json
from seesay.serve.errors import to_content
from seesay.serve.settings import NAMES_OF_THIS_MACHINE, Budget, Settings

COOKIE = "seesay_token"  # and the port: cookies of one host are shared by all its ports
KEPT_S = 400 * 86_400  # the longest that browsers keep a cookie
OPEN: Final = frozenset({"/healthz", "/readyz"})  # for whoever watches over the process; they say nothing else

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_NO_TOKEN = "this service wants its token: send it as 'Authorization: Bearer TOKEN', or open /?token=TOKEN once"  # noqa: S105


class Guard:
    """ASGI middleware around everything.

    Args:
        app: what it guards.
        settings: of the service.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings
        self._budget = settings.budget
        self._names = NAMES_OF_THIS_MACHINE | {name.lower() for name in (settings.host, *settings.hosts)}
        self._answers_any_name = settings.host in ("0.0.0.0", "::") and not settings.hosts  # noqa: S104 (a token guards it)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse, or hand on with a limit on the body; every answer gets the headers."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache" if scope["path"].startswith("/page/") else "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        limited = self._limited(receive)
        if _may_be_json(scope):
            limited = _checked(limited, self._budget)
        await self._app(scope, limited, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        path = scope["path"]
        if not self._is_name_of_ours(headers.get("host", "")):
            return _refuse(path, 421, "this service is not asked under that name; add it with --allow-host NAME")
        origin = headers.get("origin")
        if origin is not None and not _is_of(origin, headers.get("host", "")):
            return _refuse(path, 403, "requests from other sites are refused")
        if headers.get("sec-fetch-site") in ("cross-site", "same-site") and not _is_visit(scope, headers):
            # also <img>, <video> and <script> of another page, which have no Origin
            return _refuse(path, 403, "requests from other sites are refused")
        length = headers.get("content-length", "0")
        if not (length.isdecimal() and len(length) < 20):
            return _refuse(path, 400, "Content-Length must be a number")
        if int(length) > self._budget.body_bytes:
            return _refuse(path, 413, self._limit_text())
        if self._settings.token is None or path in OPEN:
            return None
        return self._token_refusal(scope, headers, self._settings.token)

    def _token_refusal(self, scope: Scope, headers: Headers, token: str) -> Response | None:
        cookie = _cookie_name(scope)
        if scope["path"] == "/" and scope["method"] == "GET":
            asked = parse_qs(scope["query_string"].decode("latin-1"))
            if any(_is_same(offered, token) for offered in asked.get("token", [])):
                answer = RedirectResponse("/", status_code=303)
                kept_s = KEPT_S if asked.get("keep") == ["1"] else None  # None: until the browser ends
                answer.set_cookie(cookie, quote(token), max_age=kept_s, httponly=True, samesite="strict", path="/")
                return answer
        kind, _, offered = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and _is_same(offered.strip(), token):
            return None
        if any(_is_same(offered, token) for offered in _cookies(headers, cookie)):
            return None
        if scope["path"] == "/":
            return PlainTextResponse(_NO_TOKEN, status_code=401, headers={"WWW-Authenticate": "Bearer"})
        return _refuse(scope["path"], 401, _NO_TOKEN, {"WWW-Authenticate": "Bearer"})

    def _is_name_of_ours(self, host: str) -> bool:
        if self._answers_any_name:
            return True
        name, colon, port = host.lower().rpartition(":")
        return (name if colon and port.isdecimal() else host.lower()) in self._names

    def _limited(self, receive: Receive) -> Receive:
        """A body without a length is counted while it comes, and one that stops coming is given up."""
        taken = 0
        is_whole = False

        async def receive_limited() -> Message:
            nonlocal taken, is_whole
            try:  # when it is whole, the next message is that the client is gone, which may take as long as it likes
                message = await asyncio.wait_for(receive(), None if is_whole else self._budget.body_s)
            except TimeoutError as error:
                raise BodyError(408, f"nothing of the body came for {self._budget.body_s:g} s") from error
            if message["type"] == "http.request":
                is_whole = not message.get("more_body", False)
                taken += len(message.get("body", b""))
                if taken > self._budget.body_bytes:
                    raise BodyError(413, self._limit_text())
            return message

        return receive_limited

    def _limit_text(self) -> str:
        return f"the request is larger than the {self._budget.body_bytes >> 20} MiB that the service takes"


def _may_be_json(scope: Scope) -> bool:
    """Whether a route could parse the body as JSON: one whose type nobody said too."""
    kind = Headers(scope=scope).get("content-type", "").partition(";")[0].strip().lower()
    return not kind or "json" in kind


def _checked(receive: Receive, budget: Budget) -> Receive:
    """The whole body in one message, once it is known to be cheap to parse."""
    is_read = False

    async def receive_checked() -> Message:
        nonlocal is_read
        if is_read:
            return await receive()
        is_read = True
        parts: list[bytes] = []
        while True:
            message = await receive()
            if message["type"] != "http.request":
                return message  # the client is gone
            parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                break
        body = b"".join(parts)
        check_json(body, budget)
        return {"type": "http.request", "body": body, "more_body": False}

    return receive_checked


def _is_visit(scope: Scope, headers: Headers) -> bool:
    """Whether somebody followed a link to the page, which shows nothing to where the link was."""
    is_navigation = headers.get("sec-fetch-mode") == "navigate" and headers.get("sec-fetch-dest") == "document"
    return scope["method"] == "GET" and scope["path"] == "/" and is_navigation


def _cookie_name(scope: Scope) -> str:
    server = scope.get("server")
    return f"{COOKIE}_{server[1]}" if server and server[1] else COOKIE


def _cookies(headers: Headers, name: str) -> Iterator[str]:
    """What the browser sends under this name. What neighbours on the same host set, however odd, is passed over."""
    for part in headers.get("cookie", "").split(";"):
        found, _, value = part.strip().partition("=")
        if found == name:
            yield unquote(value)


def _is_of(origin: str, host: str) -> bool:
    try:
        return urlsplit(origin).netloc.lower() == host.lower()
    except ValueError:  # no origin that a browser would send
        return False


def _is_same(offered: str, token: str) -> bool:
    return hmac.compare_digest(offered.encode("utf-8", "surrogateescape"), token.encode())


def _refuse(path: str, status: int, text: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse(to_content(path, status, text), status_code=status, headers=headers)
