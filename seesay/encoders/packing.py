"""Token rows that begin alike, laid out so that a causal tower computes each shared beginning once.

The rows are sorted and written down as trees: of a row that begins like the one before it only the rest is
added, and looks back at the beginning that is there. Several trees share a pack, and a row does not see what
stands beside it, so no vector pays for padding or depends on another text.

    a photo of a cat .        a  photo  of  a  cat  .  dog  .  the  sea  .
    a photo of a dog .        ╰────────────────────╯
    a photo of the sea .      ╰─────────────╯          ╰────╯
                              ╰──────────╯                     ╰─────────╯

Knows token numbers only: no model, no text. Shape legend: N rows, L tokens of the longest row, B packs,
T tokens of the longest pack, R rows of the pack with most.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from seesay.encoders.backend import Ids, Packs

WIDTHS = (32, 64, 96, 128, 192, 256)
"""How long a pack may be, in tokens, where no single row is longer."""
ATTENTION_COST = 1 / 1000
"""What a token costs more for every token in its pack, as a share of its cost alone: it looks at all of them, and
most are hidden. Longer packs repeat fewer beginnings instead. Measured on a CPU at a width of 512."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Some of the rows, ready for one call of the tower."""

    packs: Packs
    rows: NDArray[np.intp]
    """(n,) the numbers of the rows."""
    pack_of_row: NDArray[np.intp]
    """(n,) the pack that each stands in."""
    end_of_row: NDArray[np.intp]
    """(n,) its place in that pack's `ends`; equal rows share one."""


def pack(ids: Ids, lengths: Ids, *, tokens_per_batch: int) -> Iterator[Batch]:
    """Lay rows out in packs, and the packs in batches; every row comes once.

    Args:
        ids: (N, L) token numbers, at least 0; what stands after a row's end does not matter.
        lengths: (N,) tokens of each row, at least 1.
        tokens_per_batch: how many tokens a batch may have; a longer pack comes alone.
    """
    if not len(ids):
        return
    order, shared = _sort(ids, lengths)
    longest = int(lengths.max())
    cuts = [_cut(lengths[order], shared, max(width, longest)) for width in WIDTHS]
    starts, used = min(cuts, key=lambda cut: _cost(cut[1], tokens_per_batch))
    for chosen in _batches(used, tokens_per_batch):
        spans = [slice(starts[number], starts[number + 1]) for number in chosen]
        yield _lay_out(ids, lengths, [order[span] for span in spans], [shared[span] for span in spans])


def _sort(ids: Ids, lengths: Ids) -> tuple[NDArray[np.intp], Ids]:
    """Rows in lexical order, and how many tokens each shares with the one before it; the first shares none."""
    longest = int(lengths.max())
    # a row's end is 0 and sorts first; as big-endian bytes, because those NumPy compares in one go
    text_NL = np.where(np.arange(longest) < lengths[:, None], ids[:, :longest] + 1, 0).astype(">u4")
    order = np.argsort(text_NL.view(f"S{4 * longest}")[:, 0], kind="stable")
    sorted_NL, length_N = text_NL[order], lengths[order]
    is_same = np.zeros((len(ids), longest + 1), np.bool_)
    is_same[1:, :longest] = sorted_NL[1:] == sorted_NL[:-1]
    shared = is_same.argmin(axis=1)
    shared[1:] = np.minimum(shared[1:], np.minimum(length_N[1:], length_N[:-1]))
    return order, shared


def _cut(lengths: Ids, shared: Ids, width: int) -> tuple[Ids, Ids]:
    """Sorted rows into packs of at most `width` tokens: (B + 1,) where each begins, and (B,) tokens in each."""
    starts, used = [0], [0]
    for row, (length, old) in enumerate(zip(lengths.tolist(), shared.tolist(), strict=True)):
        if row and used[-1] + length - old > width:
            starts.append(row)
            used.append(length)
        else:
            used[-1] += length - old
    return np.array([*starts, len(lengths)]), np.array(used)


def _batches(used: Ids, tokens_per_batch: int) -> Iterator[NDArray[np.intp]]:
    """Numbers of packs that go together; they are as long as the longest of a batch, so like goes with like."""
    by_size = np.argsort(-used, kind="stable")
    first = 0
    while first < len(used):
        chosen = by_size[first : first + max(1, tokens_per_batch // int(used[by_size[first]]))]
        yield chosen
        first += len(chosen)


def _cost(used: Ids, tokens_per_batch: int) -> float:
    """What it takes to compute packs of these sizes, in tokens that look at nothing."""
    total = 0.0
    for chosen in _batches(used, tokens_per_batch):
        width = int(used[chosen[0]])
        total += len(chosen) * width * (1 + ATTENTION_COST * width)
    return total


def _lay_out(ids: Ids, lengths: Ids, spans: list[NDArray[np.intp]], shared: list[Ids]) -> Batch:
    """Packs of the rows of each span; `shared` is what each row shares with the one before it."""
    num_packs = len(spans)
    trees = [_Tree.grow(ids, lengths, span, old) for span, old in zip(spans, shared, strict=True)]
    num_tokens, num_ends = max(len(tree.ids) for tree in trees), max(len(tree.ends) for tree in trees)
    packs = Packs(
        ids=np.zeros((num_packs, num_tokens), np.int64),
        positions=np.zeros((num_packs, num_tokens), np.int64),
        allowed=np.broadcast_to(np.eye(num_tokens, dtype=np.bool_), (num_packs, num_tokens, num_tokens)).copy(),
        ends=np.zeros((num_packs, num_ends), np.int64),
    )
    for number, tree in enumerate(trees):
        used = len(tree.ids)
        packs.ids[number, :used] = tree.ids
        packs.positions[number, :used] = tree.positions
        packs.allowed[number, :used, :used] = tree.allowed
        packs.ends[number, : len(tree.ends)] = tree.ends
    return Batch(
        packs=packs,
        rows=np.concatenate(spans),
        pack_of_row=np.repeat(np.arange(num_packs), [len(span) for span in spans]),
        end_of_row=np.concatenate([tree.end_of_row for tree in trees]),
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tree:
    """One pack, as long as it needs to be: T tokens of n sorted rows, which end at R places."""

    ids: Ids
    positions: Ids
    allowed: NDArray[np.bool_]
    ends: Ids
    end_of_row: NDArray[np.intp]
    """(n,) which of `ends`; equal rows share one."""

    @classmethod
    def grow(cls, ids: Ids, lengths: Ids, rows: NDArray[np.intp], shared: Ids) -> "_Tree":
        """Add row after row; the first brings all its tokens, whatever it shares with one that is not here."""
        new = lengths[rows] - shared
        new[0] = lengths[rows[0]]
        size = int(new.sum())
        node_ids, positions = np.empty(size, np.int64), np.empty(size, np.int64)
        allowed, before = np.zeros((size, size), np.bool_), np.tri(size, dtype=np.bool_)
        path = np.empty(size, np.int64)  # where the tokens of the present row stand
        ends: list[int] = []
        end_of_row = np.empty(len(rows), np.intp)
        used = 0
        for index, (row, count) in enumerate(zip(rows, new.tolist(), strict=True)):
            length = int(lengths[row])
            old, added = length - count, slice(used, used + count)
            path[old:length] = range(used, used + count)
            node_ids[added], positions[added] = ids[row, old:length], range(old, length)
            if old:
                allowed[added, :used] = allowed[path[old - 1], :used]
            allowed[added, added] = before[:count, :count]
            used += count
            if count or not ends:  # sorted rows that bring nothing new are equal to the one before
                ends.append(int(path[length - 1]))
            end_of_row[index] = len(ends) - 1
        return cls(ids=node_ids, positions=positions, allowed=allowed, ends=np.array(ends), end_of_row=end_of_row)
