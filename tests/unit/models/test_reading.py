"""Where a text is read: the same place in NumPy and in torch, and the place that a loop finds."""

import numpy as np
import pytest

from seesay.models.reading import read_places

torch = pytest.importorskip("torch", reason="torch is not installed")

TOKENS = np.array([[7, 3, 9, 2, 0, 0], [7, 2, 9, 2, 2, 2], [7, 9, 9, 9, 9, 2], [2, 1, 1, 1, 1, 1]])


def looped(row, pooling):
    if pooling == "end":
        return next(place for place, token in enumerate(row) if token == 2)
    if pooling == "largest":
        return next(place for place, token in enumerate(row) if token == max(row))
    return len(row) - 1


@pytest.mark.parametrize("pooling", ["end", "largest", "last"])
def test_the_place_is_the_first_that_a_loop_finds(pooling):
    expected = [looped(row, pooling) for row in TOKENS.tolist()]
    assert read_places(TOKENS, pooling=pooling, end_id=2).tolist() == expected
    assert read_places(torch.from_numpy(TOKENS), pooling=pooling, end_id=2).tolist() == expected
