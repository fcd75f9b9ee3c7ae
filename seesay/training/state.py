"""All that a step changes: weights, what optimisers remember, random states, the place in the data.

    state = State(config, device, world)    # as before the first step
    loss = state.gradients(batch)           # of one batch
    rate, norm, was_clamped = state.move()  # the weights along them; or state.leave_out(...), where state.norm() is bad
    kept = state.content()                  # whole, for a checkpoint
    state.restore(kept)                     # into one process or many

Files, logs and evaluations are not known here.
"""

import contextlib
from typing import Any, cast

import torch
from torch import Tensor
from torch.distributed.tensor import DTensor

from seesay.base.errors import UsageError
from seesay.data.loader import Batch
from seesay.models.clip import Clip
from seesay.training.average import Average
from seesay.training.config import TrainConfig
from seesay.training.losses.world import World
from seesay.training.optimizer import make_optimizers, set_rates
from seesay.training.processes import any_of, gather, get_state, is_sharded, set_state, wrap
from seesay.training.step import Stepper, find_loss, random_state, set_random_state, to_device, with_teacher
from seesay.training.teacher import open_teacher
from seesay.training.trainee import dress, freeze_statistics, open_trainee, with_loss


class State:
    """A model on its way, in this process.

    Args:
        config: the run's; its loss "auto" becomes the one that the model has.
        device: where it trains.
        world: the processes that train it together.

    Attributes:
        step: steps done.
        cursor: where the next batch comes from; None before the first.
    """

    def __init__(self, config: TrainConfig, device: torch.device, world: World) -> None:
        self.trainee = open_trainee(config.model, seed=config.seed)
        config = with_loss(config, self.trainee.clip)
        self.config, self.device, self.world = config, device, world
        self.clip = self.trainee.clip
        torch.manual_seed(config.seed)
        dress(self.clip, config)
        self.clip.to(device)
        torch.manual_seed(config.seed + 1 + world.rank)  # what is dropped differs between processes
        model = wrap(self.clip, config.parallel, device)
        self.average = Average(self.clip, config.optim.ema) if config.optim.ema else None
        self.optimizers = make_optimizers(self.clip, config.optim)
        loss, self.teacher = find_loss(config.loss, world), None
        if config.teacher.model:
            self.teacher = open_teacher(config.teacher.model, device)
            loss = with_teacher(loss, scale=self.teacher.scale, weight=config.teacher.weight, world=world)
        self.stepper = Stepper(
            model=cast(Any, torch.compile(model)) if config.model.compile else model,
            log_scale=self.clip.log_scale,
            optimizers=self.optimizers,
            loss=loss,
            precision=config.precision,
            micro_batch=config.micro_batch,
            clip_norm=config.optim.clip_norm,
        )
        image = self.trainee.bundle.image
        self._mean, self._std = (torch.tensor(values, device=device) for values in (image.mean, image.std))
        self.step = 0
        self.cursor: dict[str, Any] | None = None

    def train_mode(self) -> None:
        """Ready to step; needed again after whatever set the model to evaluate."""
        self.clip.train()
        freeze_statistics(self.clip)

    def gradients(self, batch: Batch) -> float:
        """The loss of a batch, its gradients left in the weights."""
        taught = None if self.teacher is None else self.teacher(batch)
        on_device = to_device(batch, self._mean, self._std, taught)
        if self.config.model.compile:  # batches differ in the length of their longest text: one graph for all
            for tensor in (on_device.ids, on_device.mask):
                torch._dynamo.mark_dynamic(tensor, 1)
        loss = self.stepper.gradients(on_device)
        self.cursor = batch.cursor
        return loss

    def norm(self) -> float:
        """The gradient's length, before it is shortened."""
        return self.stepper.norm()

    def leave_out(self, *, has_overflowed: bool) -> None:
        """Forget the last batch."""
        self.stepper.leave_out(has_overflowed=has_overflowed)

    def has_finite_weights(self) -> bool:
        """Whether weights and their running mean are finite in every process; every process must ask."""
        tensors = [*self.clip.state_dict().values(), *(self.average.tensors() if self.average is not None else ())]
        own = (tensor.to_local() if isinstance(tensor, DTensor) else tensor for tensor in tensors)
        is_sound = [torch.isfinite(tensor).all() for tensor in own if tensor.is_floating_point()]
        return not any_of(not bool(torch.stack(is_sound).all()), self.device)

    def move(self) -> tuple[float, float, bool]:
        """Move the weights; returns the rate, the gradient's length, and whether the scale was clamped."""
        optim = self.config.optim
        factor = set_rates(self.optimizers, self.step, self.config.steps, optim.warmup_steps)
        norm, was_clamped = self.stepper.move()
        if self.average is not None:
            self.average.update()
        return optim.lr * factor, norm, was_clamped

    def averaged(self) -> contextlib.AbstractContextManager[None]:
        """Within it the model has the running mean for its weights, where one is kept."""
        return contextlib.nullcontext() if self.average is None else self.average.instead()

    def weights(self) -> dict[str, Tensor]:
        """The model's, or their running mean, whole and on the CPU; every process must ask."""
        with self.averaged():
            return cast(dict[str, Tensor], get_state(self.clip, [])["model"])

    def plain(self) -> Clip | None:
        """The model as one process can use it; None in all but the first. Every process must ask."""
        if not is_sharded(self.clip):
            return self.clip if self.world.rank == 0 else None
        weights = get_state(self.clip, [])["model"]
        if self.world.rank != 0:
            return None
        clip = open_trainee(self.config.model, seed=self.config.seed).clip
        dress(clip, self.config)
        clip.load_state_dict(weights)
        return clip.to(self.device)

    def content(self) -> dict[str, Any]:
        """Everything that `restore` needs, whole and on the CPU; every process must ask."""
        average = None
        if self.average is not None:
            average = {"model": self.weights(), "num_steps": self.average.num_steps}
        return {
            **get_state(self.clip, self.optimizers),
            "step": self.step,
            "each": gather({"cursor": self.cursor, "random": random_state(self.device)}),
            "average": average,
            "scaler": self.stepper.scaler.state_dict(),
        }

    def restore(self, kept: dict[str, Any]) -> None:
        """Go on where `content` was taken.

        Raises:
            UsageError: another number of processes, which would have another order of examples.
        """
        if len(kept["each"]) != self.world.size:
            raise UsageError(
                f"the run has {len(kept['each'])} processes, and goes on with as many, not {self.world.size}"
            )
        if self.average is not None:
            with self.average.instead():
                set_state(self.clip, [], {"model": kept["average"]["model"], "optimizers": []})
            self.average.num_steps = kept["average"]["num_steps"]
        set_state(self.clip, self.optimizers, kept)
        own = kept["each"][self.world.rank]
        self.step, self.cursor = kept["step"], own["cursor"]
        set_random_state(own["random"], self.device)
        self.stepper.scaler.load_state_dict(kept["scaler"])
