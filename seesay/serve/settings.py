"""What a service is told when it starts."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from seesay.base.errors import UsageError

NAMES_OF_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one request, one client and all of them together may cost. Beyond a limit the answer says which it is."""

    connections: int = 512
    """Open at once; the one that has waited longest without asking is closed for a new one."""
    head_s: float = 10.0
    """Seconds in which the head of a request must come."""
    body_s: float = 60.0
    """Seconds of silence at most while a body comes."""
    body_bytes: int = 64 << 20
    """The largest body of a request."""
    json_values: int = 100_000
    """Values that a JSON body may hold; 2,048 messages of a chat with all their fields have some 40,000."""
    json_depth: int = 32
    """How deep they may be nested."""
    threads: int = 128
    """Requests that are worked on at once; most of them wait for the model, together."""
    waiting: int = 512
    """Texts, or pictures, that may wait for the model; who comes when it is full is told to come again."""
    pixels: int = 100_000_000
    """The most pixels that an uploaded picture may declare: decoding takes up to 15 bytes each."""
    decoded_at_once: int = 2
    """Uploaded pictures that are decoded at the same time."""
    grace_s: float = 25.0
    """Seconds after SIGTERM in which requests are finished; then those that remain are told to come again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where it listens, what it serves, and its limits."""

    library: Path | None = None
    """The library's folder; by default that of the commands."""
    model: str | None = None
    """By default the one that made the library, and without a library the starter."""
    host: str = "127.0.0.1"
    port: int = 8421
    """0 takes a free one."""
    token: str | None = None
    """Who asks must know it; needed wherever other machines can reach the service."""
    hosts: tuple[str, ...] = ()
    """Names under which it may be asked, beside those of this machine and `host`."""
    batch_size: int = 32
    """Texts, or pictures, that go through the model together at most; 1: each alone."""
    budget: Budget = Budget()

    def __post_init__(self) -> None:
        """Refuse what would be open to everybody.

        Raises:
            UsageError: other machines could ask, and there is no token; or a token that nobody could send.
        """
        if self.token is not None and not (self.token.isascii() and self.token.isprintable() and len(self.token) >= 8):
            raise UsageError("a token needs at least 8 characters, all of them printable ASCII")
        if self.token is None and not self.is_local:
            raise UsageError(
                f"other machines could reach {self.host}, so whoever asks must know a token: add --token SECRET"
            )

    @property
    def is_local(self) -> bool:
        """Whether this machine alone can ask."""
        try:
            return ipaddress.ip_address(self.host.strip("[]")).is_loopback
        except ValueError:
            return self.host == "localhost"
