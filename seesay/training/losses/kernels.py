"""The passes of `tiles.py` as Triton kernels, for NVIDIA GPUs: a logit is used where it was made, in registers.

Plain PyTorch writes a tile of logits to memory, and reads and writes it again for every exponential, sum and weight.
Here only what comes of a tile is written: a number for each of its rows and columns, or the tile as the two products
of the backward need it. Those products are cuBLAS's in both ways.

Precision: a cosine's error is multiplied by the scale, up to 100. One TF32 product (10 bits) would leave a logit off
by up to 0.05, and its probability by 5 %. Three of them ("tf32x3") keep 21 bits: at most 5e-5, and about 1e-6 as
errors of both signs add up; they run on the tensor cores, where "ieee" would not. Sums are float32.

Only `tiles.py` knows this file, and only where Triton is installed. Shape legend: N images, M texts, E embedding;
R x C the block of logits that one program holds.

Source: the streaming normaliser of arXiv:1805.02867, for rows and columns at once.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

R, C, K = 128, 64, 32
"""A program's rows and columns, and how much of E it multiplies at once: the largest whose registers suffice when
compiled for compute capability 9.0 (8.0 spills a little); not timed on a card."""

STRIP = 128
"""Blocks of rows that leave a number for each column before those are joined: they are M x 128 numbers of memory."""

ENOUGH = 512
"""Programs that keep a GPU of 132 processors busy; where the rows make fewer, the columns are shared out as well."""


def is_usable(tensor: Tensor) -> bool:
    """Whether the kernels are for this tensor: float32, on a GPU whose tensor cores know TF32."""
    has_cores = tensor.is_cuda and torch.version.hip is None and torch.cuda.get_device_capability(tensor.device) >= (8,)
    return has_cores and tensor.dtype == torch.float32


def logsumexps(images: Tensor, texts: Tensor, scale: Tensor) -> tuple[Tensor, Tensor]:
    """(N, E), (M, E), () -> (N,) log-sum-exps of the rows of the logits and (M,) of the columns, in one pass.

    A program takes a block of rows along its share of the columns and keeps each row's maximum and sum in registers.
    Each column gets one partial result a block. Joining those needs no atomics, so it gives the same bits every
    time; a second pass with the roles swapped would need no partial results, but one product of N x M x E more.
    """
    num, num_texts = len(images), len(texts)
    num_blocks = triton.cdiv(num, R)
    num_steps = triton.cdiv(triton.cdiv(num_texts, C), max(1, ENOUGH // num_blocks))  # of a program, along the columns
    num_shares = triton.cdiv(num_texts, C * num_steps)
    rows = images.new_empty(num_shares, num)
    columns = images.new_full((num_texts,), -torch.inf)
    partial = images.new_empty(min(STRIP, num_blocks), num_texts)
    with torch.cuda.device_of(images):  # type: ignore[no-untyped-call]
        for start in range(0, num_blocks, STRIP):
            count = min(STRIP, num_blocks - start)
            _logsumexps[count, num_shares](*_described(images, texts, scale), rows, partial, start, num_steps, **_SHAPE)
            columns = torch.logaddexp(columns, partial[:count].logsumexp(0))
    return rows.logsumexp(0), columns


def weigh(
    images: Tensor,
    texts: Tensor,
    scale: Tensor,
    rows: tuple[Tensor, Tensor],
    columns: tuple[Tensor, Tensor],
    out: Tensor,
) -> Tensor:
    """Fill `out`, (N, M), with A_ij = u_i * exp(logit_ij - rows_i) + v_j * exp(logit_ij - columns_j), as in `pull`."""
    grid = triton.cdiv(len(images), R), triton.cdiv(len(texts), C)
    vectors = (vector.contiguous() for vector in (*rows, *columns))  # a mean's gradient is one number, expanded
    with torch.cuda.device_of(images):  # type: ignore[no-untyped-call]
        _weigh[grid](*_described(images, texts, scale), *vectors, out, **_SHAPE)
    return out


def softplus(images: Tensor, texts: Tensor, scale: Tensor, bias: Tensor, out: Tensor | None) -> Tensor:
    """(2,) the sums of softplus and of sigmoid over all logit + bias; fills `out`, (N, M), with the sigmoids."""
    grid = triton.cdiv(len(images), R), triton.cdiv(len(texts), C)
    sums = images.new_empty(2, *grid)
    with torch.cuda.device_of(images):  # type: ignore[no-untyped-call]
        _softplus[grid](
            *_described(images, texts, scale), bias, sums, sums if out is None else out, out is not None, **_SHAPE
        )
    return sums.sum((1, 2))


_SHAPE = {"R": R, "C": C, "K": K, "num_warps": 8, "num_stages": 3}


def _described(images: Tensor, texts: Tensor, scale: Tensor) -> tuple[Any, ...]:
    """What every kernel takes first. The kernels read rows that are whole in memory."""
    return images.contiguous(), texts.contiguous(), scale.to(images), len(images), len(texts), images.shape[1]


@triton.jit
def _logits(
    images, texts, scale, num, num_texts, width, row, column, R: tl.constexpr, C: tl.constexpr, K: tl.constexpr
):
    """The block of logits at these rows and columns; 0 beyond the ends."""
    block = tl.zeros((R, C), tl.float32)
    # int64: the last of 5 million rows of 512 starts beyond 2**31
    row_start, column_start = row.to(tl.int64)[:, None] * width, column.to(tl.int64)[None, :] * width
    for start in range(0, width, K):
        depth = start + tl.arange(0, K)
        is_left = (row[:, None] < num) & (depth[None, :] < width)
        is_right = (column[None, :] < num_texts) & (depth[:, None] < width)
        left = tl.load(images + row_start + depth[None, :], is_left, 0.0)
        right = tl.load(texts + column_start + depth[:, None], is_right, 0.0)
        block = tl.dot(left, right, block, input_precision="tf32x3")
    return block * tl.load(scale)


@triton.jit
def _logsumexps(
    images,
    texts,
    scale,
    num,
    num_texts,
    width,
    rows,
    partial,
    first,
    num_steps,
    R: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
):
    block, share = tl.program_id(0), tl.program_id(1)
    row = (first + block) * R + tl.arange(0, R)
    peak = tl.full((R,), float("-inf"), tl.float32)
    total = tl.zeros((R,), tl.float32)
    for step in range(num_steps):
        column = (share * num_steps + step) * C + tl.arange(0, C)
        logits = _logits(images, texts, scale, num, num_texts, width, row, column, R, C, K)
        # the first block of a share has a column, so the peak is not -inf after it
        inside = tl.where(column[None, :] < num_texts, logits, float("-inf"))
        higher = tl.maximum(peak, tl.max(inside, 1))
        total = total * tl.exp(peak - higher) + tl.sum(tl.exp(inside - higher[:, None]), 1)
        peak = higher
        inside = tl.where(row[:, None] < num, logits, float("-inf"))
        top = tl.max(inside, 0)
        result = top + tl.log(tl.sum(tl.exp(inside - top[None, :]), 0))
        tl.store(partial + block.to(tl.int64) * num_texts + column, result, column < num_texts)
    tl.store(rows + share * num + row, peak + tl.log(total), row < num)


@triton.jit
def _weigh(
    images,
    texts,
    scale,
    num,
    num_texts,
    width,
    rows,
    u,
    columns,
    v,
    out,
    R: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
):
    row = tl.program_id(0) * R + tl.arange(0, R)
    column = tl.program_id(1) * C + tl.arange(0, C)
    is_row, is_column = row < num, column < num_texts
    logits = _logits(images, texts, scale, num, num_texts, width, row, column, R, C, K)
    by_row, by_column = tl.load(rows + row, is_row, 0.0), tl.load(columns + column, is_column, 0.0)
    u_row, v_column = tl.load(u + row, is_row, 0.0), tl.load(v + column, is_column, 0.0)
    weighted = u_row[:, None] * tl.exp(logits - by_row[:, None])
    weighted += v_column[None, :] * tl.exp(logits - by_column[None, :])
    place = row.to(tl.int64)[:, None] * num_texts + column[None, :]
    tl.store(out + place, weighted, is_row[:, None] & is_column[None, :])


@triton.jit
def _softplus(
    images,
    texts,
    scale,
    num,
    num_texts,
    width,
    bias,
    sums,
    out,
    has_out: tl.constexpr,
    R: tl.constexpr,
    C: tl.constexpr,
    K: tl.constexpr,
):
    row = tl.program_id(0) * R + tl.arange(0, R)
    column = tl.program_id(1) * C + tl.arange(0, C)
    is_inside = (row[:, None] < num) & (column[None, :] < num_texts)
    logits = _logits(images, texts, scale, num, num_texts, width, row, column, R, C, K) + tl.load(bias)
    small = tl.exp(-tl.abs(logits))
    whole = 1 + small
    # log(1 + small) loses a small one; this way of log1p keeps it (W. Kahan). At a bias of -10 most are.
    rest = tl.where(whole == 1, small, tl.log(whole) * (small / tl.where(whole == 1, 1.0, whole - 1)))
    softplus = tl.where(is_inside, tl.maximum(logits, 0.0) + rest, 0.0)
    sigmoid = tl.where(is_inside, tl.where(logits > 0, 1.0, small) / whole, 0.0)
    place = tl.program_id(0) * tl.num_programs(1) + tl.program_id(1)
    tl.store(sums + place, tl.sum(softplus))
    tl.store(sums + tl.num_programs(0) * tl.num_programs(1) + place, tl.sum(sigmoid))
    if has_out:
        tl.store(out + row.to(tl.int64)[:, None] * num_texts + column[None, :], sigmoid, is_inside)
