"""What a client may do before it has asked anything: how many connections, and how long a request's head may take.

uvicorn has no limit on either: who opens a thousand connections and sends half a request on each keeps everybody else
out for as long as they like. Here the head of a request must come within seconds, and when there are too many
connections, the one that has kept us waiting longest is closed, so that whoever does ask is answered.
"""

import asyncio
from typing import Any, ClassVar

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from seesay.serve.settings import Budget


class _Protocol(H11Protocol):
    """One connection. Subclassed for each server, since uvicorn makes the objects.

    Attributes:
        budget: of the server.
        waiting: connections without a request that is answered now, the longest first.
    """

    budget: ClassVar[Budget]
    waiting: ClassVar[dict["_Protocol", None]]
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.waiting[self] = None
        self._expect_head()
        if len(self.connections) > self.budget.connections:
            longest = next(iter(self.waiting))
            longest.transport.abort()
            longest._forget()  # at once: the transport tells us only in a moment

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_idle and self._head_timer is None:  # the next request of a connection that was kept
            self._expect_head()
        super().data_received(data)
        if not self._is_idle:
            self._stop_timer()
            self.waiting.pop(self, None)

    def on_response_complete(self) -> None:
        if not self.transport.is_closing():
            self.waiting[self] = None
        super().on_response_complete()

    @property
    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(self.budget.head_s, self._give_up)

    def _give_up(self) -> None:
        self._head_timer = None
        if self._is_idle:
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _forget(self) -> None:
        self._stop_timer()
        self.waiting.pop(self, None)
        self.connections.discard(self)


def protocol_with(budget: Budget) -> type[asyncio.Protocol]:
    """The protocol of a server with these limits, for `uvicorn.Config(http=...)`."""
    return type("Protocol", (_Protocol,), {"budget": budget, "waiting": {}})


class Server(uvicorn.Server):
    """A server that tells the application when it is stopping, so that what cannot be finished is answered in time.

    Args:
        config: of uvicorn.
        on_last_moments: called in the event loop when `grace_s` is over.
        grace_s: seconds after SIGTERM in which requests are finished as if nothing were.
    """

    def __init__(self, config: uvicorn.Config, on_last_moments: Any, *, grace_s: float) -> None:
        super().__init__(config)
        self._on_last_moments, self._grace_s = on_last_moments, grace_s

    async def shutdown(self, sockets: Any = None) -> None:
        """Answer what was taken, then stop."""
        timer = asyncio.get_running_loop().call_later(self._grace_s, self._on_last_moments)
        try:
            await super().shutdown(sockets)
        finally:
            timer.cancel()
