"""How the weights move: groups of parameters, their rates over time, AdamW and Muon."""

import math
import re
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.distributed.tensor import DTensor

from seesay.training.config import OptimConfig
from seesay.training.processes import whole

_BLOCK = re.compile(r"(image|text)_tower\.(?:blocks|stages|layers)\.(\d+)\.")
_IN_BLOCK = re.compile(r"\.(?:blocks|stages|layers)\.\d+\.")


def make_optimizers(model: nn.Module, config: OptimConfig) -> list[torch.optim.Optimizer]:
    """AdamW over everything that is trained, or Muon for the blocks' matrices and AdamW for the rest.

    Gains, biases and all other vectors have no decay, as in the paper. A group's `base_lr` is its rate at the top of
    the schedule.
    """
    groups: dict[tuple[int, float, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            is_muon = config.name == "muon" and parameter.ndim == 2 and _IN_BLOCK.search(name) is not None
            # numbers by themselves: FSDP keeps them whole, and one call cannot move both kinds
            factor = config.temporal_lr if name.startswith("temporal.") else 1.0
            key = (min(parameter.ndim, 2), factor * _depth_factor(name, model, config.layer_decay), is_muon)
            groups.setdefault(key, []).append(parameter)

    def of(wanted: bool, lr: float) -> list[dict[str, object]]:
        return [
            {
                "params": parameters,
                "weight_decay": config.weight_decay if ndim == 2 else 0.0,
                "lr": lr * factor,
                "base_lr": lr * factor,
            }
            for (ndim, factor, is_muon), parameters in groups.items()
            if is_muon is wanted
        ]

    made: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(of(False, config.lr), lr=config.lr, betas=config.betas, eps=config.eps)
    ]
    if muon := of(True, config.muon_lr):
        made.append(torch.optim.Muon(muon, lr=config.muon_lr))
    return made


def set_rates(optimizers: Iterable[torch.optim.Optimizer], step: int, steps: int, warmup: int) -> float:
    """Set every group's rate for a step: linear warm-up, then half a cosine to 0; returns the factor, 0 to 1."""
    factor = rate_factor(step, steps, warmup)
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = group["base_lr"] * factor
    return factor


def rate_factor(step: int, steps: int, warmup: int) -> float:
    """The schedule at a step, from 0; source: arXiv:2103.00020, section 2.5, and open_clip's cosine_lr."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))


def warm_then_linear(
    optimizer: torch.optim.Optimizer, *, steps: int, warmup_steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """For runs of minutes: up to the full rate within `warmup_steps`, and down to nothing at the last step."""
    return torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1.0, (step + 1) / warmup_steps) * (1 - step / steps)
    )


def clip_gradients(model: nn.Module, longest: float) -> float:
    """Shorten the gradient to `longest` where it is longer, 0 for never; returns its length."""
    parameters = [parameter for parameter in model.parameters() if parameter.grad is not None]
    # what lies in shards and what does not cannot be multiplied in one call
    kinds = [[one for one in parameters if isinstance(one, DTensor) is is_sharded] for is_sharded in (True, False)]
    norms = [nn.utils.get_total_norm([one.grad for one in kind if one.grad is not None]) for kind in kinds if kind]
    norm = torch.stack([whole(each) for each in norms]).norm()
    if longest > 0:
        for kind in kinds:
            nn.utils.clip_grads_with_norm_(kind, longest, norm)
    return float(norm)


def _depth_factor(name: str, model: nn.Module, decay: float) -> float:
    """1 for what comes after the blocks; for a block `decay` to the power of how many come after it."""
    if decay == 1.0 or "projection" in name or not name.startswith(("image_tower", "text_tower")):
        return 1.0
    tower = name.split("_", 1)[0]
    numbers = [
        int(found[2]) for other, _ in model.named_parameters() if (found := _BLOCK.match(other)) and found[1] == tower
    ]
    if not numbers:
        return 1.0
    if found := _BLOCK.match(name):
        return decay ** (max(numbers) - int(found[2]))
    is_after = any(part in name for part in (".last_norm", ".pool"))
    return 1.0 if is_after else decay ** (max(numbers) + 1)
