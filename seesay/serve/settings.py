"""What a service is told when it starts."""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

from seesay.base.errors import UsageError

NAMES_OF_THIS_MACHINE = frozenset({"localhost", "127.0.0.1", "[::1]"})


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
    room: int = 512
    """Texts, or pictures, that may wait for the model; who comes when it is full is told to come again."""
    upload_bytes: int = 64 << 20
    """The largest body of a request."""
    upload_pixels: int = 100_000_000
    """The most pixels that an uploaded picture may declare."""

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
