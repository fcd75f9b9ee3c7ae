"""One process or many: started by torchrun, or not at all. The recipe is the same, and so are the numbers."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor
from torch.nn.parallel import DistributedDataParallel

from seesay.encoders.torch import best_device, open_device
from seesay.models.clip import Clip
from seesay.models.resnet import Bottleneck
from seesay.models.transformer import Block

_PATIENCE = timedelta(hours=2)
_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


@contextlib.contextmanager
def joined(name: str = "") -> Iterator[torch.device]:
    """Join the processes that torchrun started, and leave them at the end; gives this one's device.

    Args:
        name: of the device, as PyTorch has it; "" for CUDA or MPS where there is one.

    Raises:
        UsageError: there is no such device.
    """
    device = open_device(name or best_device())
    is_cuda = device.type == "cuda"
    if is_cuda and ":" not in name:
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    if is_cuda:
        torch.cuda.set_device(device)
    is_many = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if is_many:
        # the others wait while the first one evaluates or writes, which may take longer than the usual ten minutes
        dist.init_process_group("nccl" if is_cuda else "gloo", timeout=_PATIENCE)
    try:
        yield device
    finally:
        if is_many:
            dist.destroy_process_group()


def wrap(clip: Clip, kind: str, device: torch.device) -> nn.Module:
    """A model whose gradients are the mean over the processes: copies ("ddp"), or one in shards ("fsdp")."""
    if not dist.is_initialized():
        return clip
    if kind == "ddp":
        # a locked tower has weights without gradient, which DDP leaves alone
        return DistributedDataParallel(clip, device_ids=[device.index] if device.type == "cuda" else None)
    for module in clip.modules():
        if isinstance(module, Block | Bottleneck):
            fully_shard(module)
        if isinstance(module, Block):
            for method in ("update", "alone"):  # blocks are read through these too
                register_fsdp_forward_method(module, method)
    scalars = {parameter for parameter in clip.parameters() if parameter.ndim == 0}  # FSDP has no shards of one number
    fully_shard(clip, ignored_params=scalars)
    for scalar in (scalar for scalar in scalars if scalar.requires_grad):
        scalar.register_post_accumulate_grad_hook(_average_gradient)  # type: ignore[no-untyped-call]
    return clip


def _average_gradient(parameter: Tensor) -> None:
    """What FSDP and DDP do for all others; once more of what is averaged already changes nothing."""
    assert parameter.grad is not None
    dist.all_reduce(parameter.grad)
    parameter.grad /= dist.get_world_size()


def is_sharded(model: nn.Module) -> bool:
    """Whether this process holds a part of the model only."""
    return any(isinstance(parameter, DTensor) for parameter in model.parameters())


def whole(tensor: Tensor) -> Tensor:
    """A tensor, gathered where it lies in shards; every process must ask."""
    return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor


def get_state(clip: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> dict[str, Any]:
    """Weights and what the optimisers remember, whole and on the CPU, by the weights' names."""
    return {
        "model": get_model_state_dict(clip, options=_WHOLE),
        "optimizers": [get_optimizer_state_dict(clip, each, options=_WHOLE) for each in optimizers],
    }


def set_state(clip: nn.Module, optimizers: Sequence[torch.optim.Optimizer], state: dict[str, Any]) -> None:
    """Put back what `get_state` gave, into one process or many."""
    set_model_state_dict(clip, state["model"], options=_WHOLE)
    for optimizer, own in zip(optimizers, state["optimizers"], strict=True):
        set_optimizer_state_dict(clip, optimizer, own, options=_WHOLE)


def gather(own: Any) -> list[Any]:
    """Something of each process, by rank."""
    if not dist.is_initialized():
        return [own]
    every: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(every, own)
    return every


def any_of(own: bool, device: torch.device) -> bool:
    """Whether it is so in any process: they must stop at the same step."""
    if not dist.is_initialized():
        return own
    flag = torch.tensor(float(own), device=device)
    dist.all_reduce(flag, op=dist.ReduceOp.MAX)
    return bool(cast(float, flag.item()))
