"""One process or many: started by torchrun, or not at all. The recipe is the same, and so are the numbers."""

import contextlib
import os
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_model_state_dict,
    get_optimizer_state_dict,
    set_model_state_dict,
    set_optimizer_state_dict,
)
from torch.nn.parallel import DistributedDataParallel

from seesay.models.clip import Clip
from seesay.models.resnet import Bottleneck
from seesay.models.transformer import Block

_WHOLE = StateDictOptions(full_state_dict=True, cpu_offload=True)


@contextlib.contextmanager
def joined() -> Iterator[torch.device]:
    """Join the processes that torchrun started, and leave them at the end; gives this one's device."""
    has_cuda = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if has_cuda else torch.device("cpu")
    if has_cuda:
        torch.cuda.set_device(device)
    is_many = int(os.environ.get("WORLD_SIZE", "1")) > 1
    if is_many:
        dist.init_process_group("nccl" if has_cuda else "gloo")
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
    from torch.distributed.fsdp import fully_shard, register_fsdp_forward_method

    for module in clip.modules():
        if isinstance(module, Block | Bottleneck):
            fully_shard(module)
            for method in ("update", "alone"):  # blocks are read through these too
                if hasattr(module, method):
                    register_fsdp_forward_method(module, method)
    fully_shard(clip)
    return clip


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
