"""What a Prometheus server may collect: requests, the model's batches, what waits, what the library holds.

All in a registry of its own: importing this changes nothing for others in the process.
"""

import time
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_SECONDS = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Metrics:
    """The service's numbers.

    Attributes:
        registry: of these metrics alone.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "seesay_requests", "Requests by route and status.", ("method", "route", "status"), registry=self.registry
        )
        self._seconds = Histogram(
            "seesay_request_seconds", "From request to answer.", ("route",), buckets=_SECONDS, registry=self.registry
        )
        self._batches = Histogram(
            "seesay_batch_size",
            "Texts or pictures that went through the model together.",
            ("kind",),
            buckets=(1, 2, 4, 8, 16, 32, 64),
            registry=self.registry,
        )

    def note_batch(self, kind: str, size: int) -> None:
        """A run of the model."""
        self._batches.labels(kind).observe(size)

    def note_request(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request that was answered."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def watch(self, name: str, what: str, value: Callable[[], float]) -> None:
        """A number that is asked for when somebody collects."""
        Gauge(name, what, registry=self.registry).set_function(value)


class Measured:
    """ASGI middleware that notes each request under its route, never under its path: paths have no end."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app, self._metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, and note."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500
        began = time.perf_counter()

        async def send_noting(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting)
        finally:
            route = getattr(scope.get("route"), "path", "other")
            method = scope["method"] if scope["method"] in ("GET", "POST", "HEAD", "OPTIONS") else "other"
            self._metrics.note_request(method, route, status, time.perf_counter() - began)
