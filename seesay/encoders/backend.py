"""What runs a bundle's towers: arrays in, arrays out, nothing normalised.

Shape legend: N pictures or texts, S picture side in pixels, L tokens, P patches a side, E embedding,
D image tower's width; B packs, T tokens of a pack, R texts of a pack.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from seesay.encoders.encoder import Pixels, Vectors

Ids = NDArray[np.int64]


class Packs(NamedTuple):
    """Texts laid out as trees, for one call of a causal tower; `seesay.encoders.packing` makes them."""

    ids: Ids
    """(B, T) tokens."""
    positions: Ids
    """(B, T) the place of each token in its own text."""
    allowed: NDArray[np.bool_]
    """(B, T, T) what each token looks at: itself and those before it in its text; padding looks at itself."""
    ends: Ids
    """(B, R) where each text's last token stands in its pack; 0 where a pack has fewer texts."""


class Backend(Protocol):
    """One way to run a bundle. Made as `Kind(bundle, device=..., threads=...)`; N is never zero here."""

    image_batch: int
    """How many pictures it takes best in one call; it takes any number."""

    def embed_pixels(self, pixels: Pixels) -> Vectors:
        """(N, S, S, 3) uint8 -> (N, E)."""
        ...

    def embed_pixels_and_features(self, pixels: Pixels) -> tuple[Vectors, Vectors]:
        """(N, S, S, 3) uint8 -> (N, E) and (N, D) before the projection, in one run of the tower.

        Raises:
            UsageError: this bundle was exported without them.
        """
        ...

    def embed_patches(self, pixels: Pixels) -> Vectors:
        """(N, S, S, 3) uint8 -> (N, P, P, E), rows top to bottom."""
        ...

    def embed_tokens(self, ids: Ids, mask: Ids) -> Vectors:
        """(N, L) ids and (N, L) mask, 1 for a token -> (N, E)."""
        ...

    @property
    def can_pack(self) -> bool:
        """Whether `embed_packs` works: the text tower is causal, and this backend has what it needs."""
        ...

    def embed_packs(self, packs: Packs) -> Vectors:
        """(B, R, E), a vector for each of `packs.ends`."""
        ...
