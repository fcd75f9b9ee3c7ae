"""What runs a bundle's towers: arrays in, arrays out, nothing normalised.

Shape legend: N pictures or texts, S picture side in pixels, L tokens, P patches a side, E embedding.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from seesay.encoders.encoder import Pixels, Vectors

Ids = NDArray[np.int64]


class Backend(Protocol):
    """One way to run a bundle. Made as `Kind(bundle, device=..., threads=...)`; N is never zero here."""

    def embed_pixels(self, pixels: Pixels) -> Vectors:
        """(N, S, S, 3) uint8 -> (N, E)."""
        ...

    def embed_patches(self, pixels: Pixels) -> Vectors:
        """(N, S, S, 3) uint8 -> (N, P, P, E), rows top to bottom."""
        ...

    def embed_tokens(self, ids: Ids, mask: Ids) -> Vectors:
        """(N, L) ids and (N, L) mask, 1 for a token -> (N, E)."""
        ...
