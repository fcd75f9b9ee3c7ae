"""What happens inside a tile of logits, as Triton kernels: one pass over the tile instead of four.

The products around them stay with the vendor's library. They compute what `tiles.py` computes in plain
PyTorch. Import this only where Triton is installed. Shape legend: R x C a tile, in row-major order.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK_R, BLOCK_C = 32, 128


def reduce_tile(tile: Tensor) -> tuple[Tensor, Tensor]:
    """(R, C) -> (R,) and (C,) log-sum-exps of its rows and columns."""
    num_rows, num_columns = tile.shape
    grid = (triton.cdiv(num_rows, BLOCK_R), triton.cdiv(num_columns, BLOCK_C))
    by_row = tile.new_empty(grid[1], num_rows)
    by_column = tile.new_empty(grid[0], num_columns)
    with torch.cuda.device_of(tile):
        _reduce[grid](tile, by_row, by_column, num_rows, num_columns, BLOCK_R=BLOCK_R, BLOCK_C=BLOCK_C)
    return by_row.logsumexp(0), by_column.logsumexp(0)


def weigh_tile(tile: Tensor, rows: Tensor, u: Tensor, columns: Tensor, v: Tensor) -> None:
    """In place: tile_ij becomes u_i * exp(tile_ij - rows_i) + v_j * exp(tile_ij - columns_j).

    Args:
        tile: (R, C).
        rows: (R,).
        u: (R,).
        columns: (C,).
        v: (C,).
    """
    num_rows, num_columns = tile.shape
    grid = (triton.cdiv(num_rows, BLOCK_R), triton.cdiv(num_columns, BLOCK_C))
    parts = [part.contiguous() for part in (rows, u, columns, v)]
    with torch.cuda.device_of(tile):
        _weigh[grid](tile, *parts, num_rows, num_columns, BLOCK_R=BLOCK_R, BLOCK_C=BLOCK_C)


@triton.jit  # type: ignore[untyped-decorator]
def _reduce(tile, by_row, by_column, num_rows, num_columns, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    inside = (row < num_rows)[:, None] & (column < num_columns)[None, :]
    logits = tl.load(tile + row[:, None] * num_columns + column[None, :], mask=inside, other=float("-inf"))
    # Rows and columns outside the tile are -inf throughout and come out as NaN; they are not stored.
    peak = tl.max(logits, 1)
    total = tl.log(tl.sum(tl.exp(logits - peak[:, None]), 1)) + peak
    tl.store(by_row + tl.program_id(1) * num_rows + row, total, mask=row < num_rows)
    peak = tl.max(logits, 0)
    total = tl.log(tl.sum(tl.exp(logits - peak[None, :]), 0)) + peak
    tl.store(by_column + tl.program_id(0) * num_columns + column, total, mask=column < num_columns)


@triton.jit  # type: ignore[untyped-decorator]
def _weigh(tile, rows, u, columns, v, num_rows, num_columns, BLOCK_R: tl.constexpr, BLOCK_C: tl.constexpr):  # type: ignore[no-untyped-def]
    row = tl.program_id(0) * BLOCK_R + tl.arange(0, BLOCK_R)
    column = tl.program_id(1) * BLOCK_C + tl.arange(0, BLOCK_C)
    in_row, in_column = row < num_rows, column < num_columns
    inside = in_row[:, None] & in_column[None, :]
    place = tile + row[:, None] * num_columns + column[None, :]
    logits = tl.load(place, mask=inside, other=0.0)
    by_row = tl.exp(logits - tl.load(rows + row, mask=in_row, other=0.0)[:, None])
    by_column = tl.exp(logits - tl.load(columns + column, mask=in_column, other=0.0)[None, :])
    by_row *= tl.load(u + row, mask=in_row, other=0.0)[:, None]
    by_column *= tl.load(v + column, mask=in_column, other=0.0)[None, :]
    tl.store(place, by_row + by_column, mask=inside)
