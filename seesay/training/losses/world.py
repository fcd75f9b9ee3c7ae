"""One process or many: the few exchanges a loss needs, each with its gradient.

The convention, which makes every gradient exact: each process calls backward on the value it got, and what
is differentiated is the *sum* of those values. A loss ends in `World.mean`, so every process returns the loss
L of the whole batch and the sum is W * L. The gradient at a process's own vectors is therefore
W * dL/d(vectors), and after DistributedDataParallel (or FSDP) has averaged the parameters' gradients over the
W processes, they are those of L in one process.

Losses, models and data are not known here. Shape legend: W processes, n rows of each, N = W * n.
"""

from collections.abc import Callable
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor
from torch.autograd import Function

from seesay.base.errors import UsageError


class World:
    """The processes that share a batch; by default this one alone, where every exchange is the identity.

    Attributes:
        size: W, how many processes.
        rank: which of them this is, from 0.
    """

    def __init__(self, group: dist.ProcessGroup | None = None) -> None:
        self.group = group
        self.size = dist.get_world_size(group) if group else 1
        self.rank = dist.get_rank(group) if group else 0

    @classmethod
    def current(cls) -> "World":
        """All processes of this run where `torch.distributed` was started, else this one alone."""
        return cls(dist.group.WORLD) if dist.is_available() and dist.is_initialized() else cls()

    def gather(self, rows: Tensor) -> Tensor:
        """(n, ...) of each process -> (N, ...) in the order of the ranks; its gradient is summed back."""
        return cast(Tensor, _Gather.apply(rows, self)) if self.group else rows  # type: ignore[no-untyped-call]

    def logsumexp(self, partial: Tensor) -> Tensor:
        """(N,) log-sum-exps over each process's part -> (N,) over all parts."""
        return cast(Tensor, _LogSumExp.apply(partial, self)) if self.group else partial  # type: ignore[no-untyped-call]

    def mean(self, value: Tensor) -> Tensor:
        """() of each process -> () their mean, the same everywhere."""
        return cast(Tensor, _Mean.apply(value, self)) if self.group else value  # type: ignore[no-untyped-call]

    def ring(self, block: Tensor, visit: Callable[[Tensor, Tensor], None]) -> Tensor:
        """Show every process's block to `visit`, holding two at a time.

        Blocks move to the next rank while `visit` computes; a gradient buffer moves along with each.

        Args:
            block: (n, ...) this process's own.
            visit: called W times with a block and its gradient buffer, to which it adds in place.

        Returns:
            (n, ...) what all processes added for this process's block.
        """
        gradient = torch.zeros_like(block)
        for step in range(self.size):
            more = step + 1 < self.size
            coming = torch.empty_like(block) if more else block
            moving = self._pass_on(block, coming) if more else []
            visit(block, gradient)
            for request in moving:
                request.wait()
            block = coming
            if self.size > 1:
                arrived = torch.empty_like(gradient)
                for request in self._pass_on(gradient, arrived):
                    request.wait()
                gradient = arrived
        return gradient

    def check_equal(self, what: str, sizes: tuple[int, ...], device: torch.device) -> None:
        """Every process must bring the same sizes: the mean of unequal parts is not the mean of the whole.

        Raises:
            UsageError: they differ; on every process, so that none is left waiting.
        """
        if not self.group:
            return
        own = torch.tensor([sizes], device=device)
        every = [tuple(row) for row in self.gather(own).tolist()]
        if len(set(every)) > 1:
            raise UsageError(f"every process must bring as many {what}; got {every} by rank: drop the last short batch")

    def sum_(self, tensor: Tensor, op: Any = dist.ReduceOp.SUM) -> Tensor:
        """Reduce in place over the processes; without gradient."""
        dist.all_reduce(tensor, op=op, group=self.group)
        return tensor

    def _pass_on(self, tensor: Tensor, into: Tensor) -> list[dist.Work]:
        assert self.group is not None
        to, source = (dist.get_global_rank(self.group, (self.rank + turn) % self.size) for turn in (1, -1))
        send = dist.P2POp(dist.isend, tensor.contiguous(), to, self.group)
        receive = dist.P2POp(dist.irecv, into, source, self.group)
        return dist.batch_isend_irecv([send, receive])


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, world: World) -> Tensor:
        ctx.world = world
        every = rows.new_empty(world.size * len(rows), *rows.shape[1:])
        dist.all_gather_into_tensor(every, rows.contiguous(), group=world.group)
        return every

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        own = gradient.new_empty(len(gradient) // ctx.world.size, *gradient.shape[1:])
        dist.reduce_scatter_tensor(own, gradient.contiguous(), group=ctx.world.group)
        return own, None


class _LogSumExp(Function):
    @staticmethod
    def forward(ctx: Any, partial: Tensor, world: World) -> Tensor:
        peak = world.sum_(partial.clone(), dist.ReduceOp.MAX)
        total = world.sum_((partial - peak).exp())
        whole = total.log() + peak
        ctx.world = world
        ctx.save_for_backward(partial, whole)
        return whole

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        partial, whole = ctx.saved_tensors
        return (partial - whole).exp() * ctx.world.sum_(gradient.clone()), None


class _Mean(Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor, world: World) -> Tensor:
        ctx.world = world
        return world.sum_(value.clone()) / world.size

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return ctx.world.sum_(gradient.clone()) / ctx.world.size, None


ALONE = World()
