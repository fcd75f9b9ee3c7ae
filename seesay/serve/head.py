"""HEAD: what GET would answer, without the body. FastAPI has it for no route of its own."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class HeadAsGet:
    """ASGI middleware that asks the routes with GET, and sends the head of what they answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on; of a HEAD as a GET."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def send_head(message: Message) -> None:
            await send(message | {"body": b""} if message["type"] == "http.response.body" else message)

        # a file's response looks for this method too, and does not read the file: see files.py
        await self._app({**scope, "method": "GET", "seesay.is_head": True}, receive, send_head)
