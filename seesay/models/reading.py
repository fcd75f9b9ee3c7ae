"""Where a text tower reads a text: one rule, for training, for search, and for every graph.

Works on NumPy's arrays and on torch's tensors alike, and imports neither torch nor a model.
Shape legend: N texts, L tokens.
"""

from typing import Any, Literal

Pooling = Literal["end", "largest", "last"]
"""`end`: at the first end token. `largest`: at the first of the largest token numbers, which is how OpenAI's code finds
the end token, and how checkpoints with more tokens than OpenAI's are read by who still does so. `last`: at the last
place, whatever stands there (SigLIP)."""


def read_places(tokens: Any, *, pooling: Pooling, end_id: int) -> Any:
    """The place in each row that the vector is read at.

    Args:
        tokens: (N, L) token numbers, an array or a tensor.
        pooling: how the place is found.
        end_id: the token that ends a text; only "end" looks for it, and a row without it is read at its start.

    Returns:
        (N,) places, as whole numbers of the same library.
    """
    if pooling == "end":
        return ((tokens == end_id) * 1).argmax(1)  # the first of several, in both libraries
    if pooling == "largest":
        return tokens.argmax(1)
    return tokens[:, 0] * 0 + (tokens.shape[1] - 1)
