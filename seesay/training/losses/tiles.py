"""Passes over the logits `scale * images @ texts.T` that hold one tile of them at a time.

Plain PyTorch, for any device. Every tile lands in the same buffer. The products are the cost, 2E operations
a logit each, so the rest is kept to few passes over a tile that is still in the processor's cache. On an NVIDIA
GPU, where Triton comes with PyTorch, `kernels.py` makes a tile and what becomes of it in one pass.

No gradients here, and no processes. Shape legend: N images, M texts, E embedding, R x C a tile.
"""

import importlib
import importlib.util
import math
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeAlias

import torch
from torch import Tensor

TILE = {"cpu": (512, 2048), "mps": (2048, 4096), "cuda": (4096, 8192)}
"""Rows and columns by kind of device: 4 MB stay in a CPU's cache, 128 MB keep a GPU busy."""

NARROW = 80.0
"""Two log-sum-exps this near to a common middle need one exponential between them: exp(40) is far from overflow."""


def logsumexps(images: Tensor, texts: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """(N, E), (M, E), () -> (N,) log-sum-exps of the rows of the logits and (M,) of the columns, in one pass."""
    if kernels := _kernels(images):
        return kernels.logsumexps(images, texts, scale)  # type: ignore[no-any-return]
    rows = images.new_full((len(images),), -math.inf)
    columns = images.new_full((len(texts),), -math.inf)
    for row, column, tile in _tiles(images, texts, scale):
        parts = _reduce(tile)
        if parts is None:
            tile = torch.mm(images[row] * scale, texts[column].T, out=tile)
            parts = tile.logsumexp(1), tile.logsumexp(0)
        rows[row] = torch.logaddexp(rows[row], parts[0])
        columns[column] = torch.logaddexp(columns[column], parts[1])
    return rows, columns


def pull(
    images: Tensor,
    texts: Tensor,
    scale: Tensor,
    rows: tuple[Tensor, Tensor],
    columns: tuple[Tensor, Tensor],
    left: Tensor | None,
    right: Tensor | None,
) -> tuple[Tensor | None, Tensor | None]:
    """Products with A_ij = u_i * exp(logit_ij - rows_i) + v_j * exp(logit_ij - columns_j), never held.

    Args:
        images: (N, E).
        texts: (M, E).
        scale: ().
        rows: (N,) log-sum-exps of the rows, at least as large as any logit in them, and (N,) weights u.
        columns: (M,) and (M,) weights v, likewise.
        left: (N, any), or None where A.T @ left is not needed.
        right: (M, any), or None where A @ right is not needed.

    Returns:
        (N, any) A @ right and (M, any) A.T @ left.
    """
    on_images = None if right is None else right.new_zeros(len(images), right.shape[1])
    on_texts = None if left is None else left.new_zeros(len(texts), left.shape[1])
    for row, column, tile in _weighted_tiles(images, texts, scale, rows, columns):
        if on_images is not None and right is not None:
            on_images[row].addmm_(tile, right[column])
        if on_texts is not None and left is not None:
            on_texts[column].addmm_(tile.T, left[row])
    return on_images, on_texts


def add_softplus(
    images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, gradients: tuple[Tensor, Tensor] | None
) -> Tensor:
    """The sum of softplus(logit + bias) over all pairs and its gradient, in one pass.

    Args:
        images: (N, E).
        texts: (M, E).
        scale: ().
        bias: ().
        gradients: (N, E) and (M, E), to which sigmoid(logit + bias) times the other side's vectors is added
            (without the scale); None where only the sum is needed.

    Returns:
        (2,) the sum of softplus, and of sigmoid.
    """
    sums = images.new_zeros(2)
    for row, column, tile in _sigmoid_tiles(images, texts, scale, bias, sums, gradients is not None):
        if gradients is not None:
            gradients[0][row].addmm_(tile, texts[column])
            gradients[1][column].addmm_(tile.T, images[row])
    return sums


Tiles: TypeAlias = Iterator[tuple[slice, slice, Tensor]]
"""Rows, columns, and the tile of them in a buffer that the next one overwrites."""


def _weighted_tiles(
    images: Tensor, texts: Tensor, scale: Tensor, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]
) -> Tiles:
    """Every tile of the A of `pull`."""
    if kernels := _kernels(images):
        for row, column, tile in _empty_tiles(images, texts):
            own_rows, own_columns = [part[row] for part in rows], [part[column] for part in columns]
            kernels.weigh(images[row], texts[column], scale, own_rows, own_columns, tile)
            yield row, column, tile
        return
    weigh = _Weigh(rows, columns)
    for row, column, tile in _tiles(images, texts, scale):
        weigh(tile, row, column)
        yield row, column, tile


def _sigmoid_tiles(
    images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, sums: Tensor, has_gradient: bool
) -> Tiles:
    """Every tile of sigmoid(logit + bias), empty without a gradient; adds to `sums` as `add_softplus` returns them."""
    if kernels := _kernels(images):
        for row, column, tile in _empty_tiles(images, texts):
            sums += kernels.softplus(images[row], texts[column], scale, bias, tile if has_gradient else None)
            yield row, column, tile
        return
    zero = images.new_zeros(())
    other = images.new_empty(math.prod(_tile_shape(images, texts)))
    for row, column, tile in _tiles(images, texts, scale):
        tile += bias
        sums[0] += torch.logaddexp(tile, zero, out=other[: tile.numel()].view_as(tile)).sum()
        if has_gradient:
            sums[1] += tile.sigmoid_().sum()
        yield row, column, tile


def _tiles(images: Tensor, texts: Tensor, scale: Tensor) -> Tiles:
    """Every tile of the logits."""
    scaled, top = images, -1
    for row, column, tile in _empty_tiles(images, texts):
        if row.start != top:
            scaled, top = images[row] * scale, row.start
        yield row, column, torch.mm(scaled, texts[column].T, out=tile)


def _empty_tiles(images: Tensor, texts: Tensor) -> Tiles:
    """Every tile, to be filled."""
    tile_rows, tile_columns = _tile_shape(images, texts)
    buffer = images.new_empty(tile_rows * tile_columns)
    for top in range(0, len(images), tile_rows):
        row = slice(top, min(top + tile_rows, len(images)))
        for start in range(0, len(texts), tile_columns):
            column = slice(start, min(start + tile_columns, len(texts)))
            shape = (row.stop - row.start, column.stop - column.start)
            yield row, column, buffer[: math.prod(shape)].view(shape)


def _kernels(tensor: Tensor) -> Any:
    """The module `kernels` where Triton is installed and the kernels are for this tensor, else None."""
    if tensor.is_cuda and _has_triton():
        kernels = importlib.import_module("seesay.training.losses.kernels")
        return kernels if kernels.is_usable(tensor) else None
    return None


@cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


def _tile_shape(images: Tensor, texts: Tensor) -> tuple[int, int]:
    rows, columns = TILE.get(images.device.type, TILE["cpu"])
    return min(rows, len(images)), min(columns, len(texts))


def _reduce(tile: Tensor) -> tuple[Tensor, Tensor] | None:
    """(R, C), which is overwritten -> (R,) and (C,) log-sum-exps; None where the quick way is not exact."""
    if tile.device.type != "cpu":
        return tile.logsumexp(1), tile.logsumexp(0)  # the check below would make the device wait
    # One exponential serves rows and columns when both are measured from the tile's peak. Terms below e^-87 of
    # the peak vanish; where a whole row or column is that low, this is not exact.
    peak = tile.amax()
    tile.sub_(peak).exp_()
    by_row, by_column = tile.sum(1), tile.sum(0)
    if not min(by_row.min().item(), by_column.min().item()) > 1e-20:
        return None
    return by_row.log_().add_(peak), by_column.log_().add_(peak)


class _Weigh:
    """Turns a tile of logits into the same tile of A, in place (see `pull`)."""

    def __init__(self, rows: tuple[Tensor, Tensor], columns: tuple[Tensor, Tensor]) -> None:
        self.rows, self.columns = rows, columns
        self.other = rows[0].new_empty(0)
        self.middle: Tensor | None = None
        if rows[0].device.type == "cpu":
            ends = torch.stack([end for part in (rows[0], columns[0]) for end in part.aminmax()])
            if (ends.max() - ends.min()).item() <= NARROW:
                self.middle = (ends.max() + ends.min()) / 2
                self.by_row = rows[1] * (self.middle - rows[0]).exp()
                self.by_column = columns[1] * (self.middle - columns[0]).exp()

    def __call__(self, tile: Tensor, row: slice, column: slice) -> None:
        (rows, u), (columns, v) = self.rows, self.columns
        if self.other.numel() < tile.numel():
            self.other = torch.empty_like(tile).flatten()
        other = self.other[: tile.numel()].view_as(tile)
        if self.middle is not None:
            torch.add(self.by_row[row, None], self.by_column[column], out=other)
            tile.sub_(self.middle).exp_().mul_(other)
        else:
            torch.sub(tile, rows[row, None], out=other).exp_().mul_(u[row, None])
            tile.sub_(columns[column]).exp_().mul_(v[column]).add_(other)
