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
    width = max(
        int(lengths[span[0]] + (lengths[span[1:]] - old[1:]).sum()) for span, old in zip(spans, shared, strict=True)
    )
    ids_BT = np.zeros((num_packs, width), np.int64)
    positions_BT = np.zeros((num_packs, width), np.int64)
    allowed_BTT = np.broadcast_to(np.eye(width, dtype=np.bool_), (num_packs, width, width)).copy()
    place_of_end: list[NDArray[np.intp]] = []
    ends: list[list[int]] = []
    before = np.tri(width, dtype=np.bool_)
    for number, (span, old_of_row) in enumerate(zip(spans, shared, strict=True)):
        path, used, found, places = np.zeros(width, np.int64), 0, list[int](), np.zeros(len(span), np.intp)
        for index, row in enumerate(span):
            length = int(lengths[row])
            old = int(old_of_row[index]) if index else 0
            now = slice(used, used + length - old)
            path[old:length] = np.arange(now.start, now.stop)
            ids_BT[number, now] = ids[row, old:length]
            positions_BT[number, now] = np.arange(old, length)
            if old:
                allowed_BTT[number, now, :used] = allowed_BTT[number, path[old - 1], :used]
            allowed_BTT[number, now, now] = before[: length - old, : length - old]
            used = now.stop
            end = int(path[length - 1])
            if not found or found[-1] != end:  # an equal row comes right after
                found.append(end)
            places[index] = len(found) - 1
        ends.append(found)
        place_of_end.append(places)
    ends_BR = np.zeros((num_packs, max(map(len, ends))), np.int64)
    for number, found in enumerate(ends):
        ends_BR[number, : len(found)] = found
    return Batch(
        packs=Packs(ids_BT, positions_BT, allowed_BTT, ends_BR),
        rows=np.concatenate(spans),
        pack_of_row=np.repeat(np.arange(num_packs), [len(span) for span in spans]),
        end_of_row=np.concatenate(place_of_end),
    )
