"""One step: a batch through the towers, the loss over all of it, one move of the weights.

A batch larger than memory goes through the towers in parts, twice ("gradient caching"): once without gradients for
its vectors, then, when the loss has said how each vector should move, once more with them. The loss is evaluated
once, over the whole batch; random state is replayed, so that dropped patches are the same in both passes; batch
norms update their statistics in the first pass only.

Shape legend: B pictures and M texts of this process, E embedding.

Source: arXiv:2101.06983 (GradCache); open_clip's --accum-freq is the same idea.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from seesay.data.loader import Batch
from seesay.models.clip import ClipOutput, normalize_pixels
from seesay.training.config import Precision
from seesay.training.losses.distillation import distillation_loss
from seesay.training.losses.labels import labels_loss
from seesay.training.losses.matching import matching_loss
from seesay.training.losses.scale import clamp_scale
from seesay.training.losses.sigmoid import sigmoid_loss
from seesay.training.losses.softmax import softmax_loss
from seesay.training.losses.world import World
from seesay.training.optimizer import clip_gradients

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_STATISTICS = ("running_mean", "running_var", "num_batches_tracked")


class OnDevice(NamedTuple):
    """A batch where the model is."""

    images: Tensor
    """(B, 3, S, S) normalised float; of videos what `VideoClip` takes."""
    ids: Tensor
    mask: Tensor
    image_groups: Tensor
    text_groups: Tensor
    taught: tuple[Tensor, Tensor] | None = None
    """(B, T) and (M, T) a teacher's unit rows."""
    image_labels: Tensor | None = None
    """(B, K) of images that show several classes."""


def to_device(batch: Batch, mean: Tensor, std: Tensor, taught: tuple[Tensor, Tensor] | None = None) -> OnDevice:
    """Move a batch as bytes and normalise it there; `mean` and `std` are (3,) on the device."""
    pixels, *rest = (torch.from_numpy(array) for array in batch[:5])
    if mean.device.type == "cuda":
        pixels, *rest = (tensor.pin_memory().to(mean.device, non_blocking=True) for tensor in (pixels, *rest))
    else:
        pixels, *rest = (tensor.to(mean.device) for tensor in (pixels, *rest))
    ids, mask, image_groups, text_groups = rest
    images = normalize_pixels(pixels, mean, std) if pixels.dtype == torch.uint8 else pixels  # vectors of frames
    labels = None if batch.image_labels is None else torch.from_numpy(batch.image_labels).to(mean.device)
    return OnDevice(images, ids, mask, image_groups, text_groups, taught, labels)


def find_loss(name: str, world: World) -> Callable[[ClipOutput, OnDevice], Tensor]:
    """The loss of a recipe as a function of the towers' output and the batch."""

    def softmax(out: ClipOutput, _: OnDevice) -> Tensor:
        return softmax_loss(out.images, out.texts, scale=out.scale, world=world)

    def sigmoid(out: ClipOutput, _: OnDevice) -> Tensor:
        assert out.bias is not None
        return sigmoid_loss(out.images, out.texts, scale=out.scale, bias=out.bias, world=world)

    def matching(out: ClipOutput, batch: OnDevice) -> Tensor:
        if batch.image_labels is not None:
            return labels_loss(
                out.images,
                out.texts,
                scale=out.scale,
                image_labels=batch.image_labels,
                text_labels=batch.text_groups,
                world=world,
            )
        return matching_loss(
            out.images,
            out.texts,
            scale=out.scale,
            image_groups=batch.image_groups,
            text_groups=batch.text_groups,
            world=world,
        )

    return {"softmax": softmax, "sigmoid": sigmoid, "matching": matching}[name]


def with_teacher(
    loss: Callable[[ClipOutput, OnDevice], Tensor], *, scale: float, weight: float, world: World
) -> Callable[[ClipOutput, OnDevice], Tensor]:
    """A loss, and beside it `weight` times that of learning from a teacher whose cosines are scaled by `scale`."""

    def both(out: ClipOutput, batch: OnDevice) -> Tensor:
        assert batch.taught is not None
        learned = distillation_loss(
            out.images,
            out.texts,
            scale=out.scale,
            teacher_images=batch.taught[0],
            teacher_texts=batch.taught[1],
            teacher_scale=scale,
            world=world,
        )
        return loss(out, batch) + weight * learned

    return both


@dataclass(kw_only=True)
class Stepper:
    """Everything that a step moves.

    Args:
        model: a Clip, or one wrapped for several processes.
        log_scale: the Clip's own, which is clamped after each step.
        optimizers: what moves the weights.
        loss: as `find_loss` returns it.
        precision: of matrix products; weights and loss stay in float32.
        micro_batch: pictures that go through the towers at once; 0 for all.
        clip_norm: the longest gradient; 0 for any.
    """

    model: nn.Module
    log_scale: Tensor
    optimizers: Sequence[torch.optim.Optimizer]
    loss: Callable[[ClipOutput, OnDevice], Tensor]
    precision: Precision = "float32"
    micro_batch: int = 0
    clip_norm: float = 0.0

    def __post_init__(self) -> None:
        """A float16 gradient is too small to hold without a factor."""
        device = self.log_scale.device.type
        self.scaler = torch.amp.GradScaler(device, enabled=self.precision == "float16")
        self._norm: float | None = None
        self._statistics = [
            buffer for name, buffer in self.model.named_buffers() if name.rsplit(".", 1)[-1] in _STATISTICS
        ]
        self._before: list[Tensor] = []

    def gradients(self, batch: OnDevice) -> float:
        """Compute the loss and its gradients, which stay in the parameters; returns the loss."""
        self._norm = None
        self._before = [buffer.clone() for buffer in self._statistics]
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        if 0 < self.micro_batch < len(batch.images):
            loss = self._in_parts(batch)
        else:
            loss = self.loss(self._towers(batch.images, batch.ids, batch.mask), batch)
            torch.autograd.backward(self.scaler.scale(loss))
        return float(loss.detach())

    def norm(self) -> float:
        """The gradient's length over all processes, before it is shortened; NaN or infinite where a part of it is."""
        if self._norm is None:
            for optimizer in self.optimizers:
                self.scaler.unscale_(optimizer)
            self._norm = clip_gradients(self.model, self.clip_norm)
        return self._norm

    def move(self) -> tuple[float, bool]:
        """Move the weights along their gradients; returns the gradient's length and whether the scale was clamped."""
        norm = self.norm()
        for optimizer in self.optimizers:
            self.scaler.step(optimizer)
        self.scaler.update()
        return norm, bool(clamp_scale(self.log_scale))

    def is_scaled(self) -> bool:
        """Whether gradients that are not finite may be so for the factor alone that float16 needs."""
        return self.scaler.is_enabled() and self.scaler.get_scale() > 1

    def leave_out(self, *, has_overflowed: bool) -> None:
        """Forget a batch whose gradients are there: nothing is as it would not be without it, but for random state.

        Args:
            has_overflowed: lower the factor of the gradients; the same in every process, which the scaler's own rule
                need not be where each holds a shard.
        """
        self.norm()  # after which the scaler may be told of its next factor
        with torch.no_grad():
            for buffer, before in zip(self._statistics, self._before, strict=True):
                buffer.copy_(before)  # a batch that overflows leaves NaN in a batch norm for good
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)
        if self.scaler.is_enabled():
            factor = self.scaler.get_backoff_factor() if has_overflowed else 1.0
            self.scaler.update(self.scaler.get_scale() * factor)

    def _towers(self, images: Tensor, ids: Tensor, mask: Tensor) -> ClipOutput:
        dtype = _DTYPES[self.precision]
        with torch.autocast(images.device.type, dtype, enabled=dtype != torch.float32):
            out = cast(ClipOutput, self.model(images, ids, mask))
        # unit length in float32 at least: in bfloat16 a cosine would be off by a hundredth
        kind = torch.promote_types(out.images.dtype, torch.float32)
        return out._replace(
            images=F.normalize(out.images.to(kind), dim=-1), texts=F.normalize(out.texts.to(kind), dim=-1)
        )

    def _in_parts(self, batch: OnDevice) -> Tensor:
        count = -(-len(batch.images) // self.micro_batch)
        parts = [
            (images, *texts)
            for images, *texts in zip(*(torch.tensor_split(side, count) for side in batch[:3]), strict=True)
        ]
        states: list[Any] = []
        outs: list[ClipOutput] = []
        with torch.no_grad():
            for part in parts:
                states.append(random_state(batch.images.device))
                outs.append(self._towers(*part))
        joined = ClipOutput(
            torch.cat([out.images for out in outs]).requires_grad_(),
            torch.cat([out.texts for out in outs]).requires_grad_(),
            outs[0].scale.detach().requires_grad_(),
            None if outs[0].bias is None else outs[0].bias.detach().requires_grad_(),
        )
        loss = self.loss(joined, batch)
        torch.autograd.backward(loss)
        image_grads, text_grads = (torch.tensor_split(cast(Tensor, side.grad), count) for side in joined[:2])
        after = random_state(batch.images.device)
        with _kept_statistics(self.model):
            for number, part in enumerate(parts):
                set_random_state(states[number], batch.images.device)
                is_last = number + 1 == count
                with contextlib.nullcontext() if is_last else _unsynced(self.model):
                    out = self._towers(*part)
                    pull = (out.images * image_grads[number]).sum() + (out.texts * text_grads[number]).sum()
                    for own, joint in ((out.scale, joined.scale), (out.bias, joined.bias)):
                        # a bias has none under a loss that does not use it
                        if own is not None and joint is not None and joint.grad is not None:
                            # in the last part only: it is one number for all
                            pull = pull + own * joint.grad * float(is_last)
                    torch.autograd.backward(self.scaler.scale(pull))
        set_random_state(after, batch.images.device)
        return loss.detach()


def _unsynced(model: nn.Module) -> Any:
    """Gradients of a part are summed here, and exchanged with the last one."""
    return model.no_sync() if isinstance(model, DistributedDataParallel) else contextlib.nullcontext()


@contextlib.contextmanager
def _kept_statistics(model: nn.Module) -> Iterator[None]:
    """Batch norms train as before, and their running statistics are afterwards what they were."""
    kept = [
        (buffer, buffer.clone()) for name, buffer in model.named_buffers() if name.rsplit(".", 1)[-1] in _STATISTICS
    ]
    try:
        yield
    finally:
        for buffer, before in kept:
            buffer.copy_(before)


def random_state(device: torch.device) -> dict[str, Tensor]:
    """Of the generators that a step draws from, by kind of device."""
    states = {"cpu": torch.get_rng_state()}
    if device.type != "cpu":
        states[device.type] = torch.get_device_module(device).get_rng_state()
    return states


def set_random_state(states: dict[str, Tensor], device: torch.device) -> None:
    """Put back what `random_state` gave."""
    torch.set_rng_state(states["cpu"])
    if device.type in states and device.type != "cpu":  # a run may go on elsewhere
        torch.get_device_module(device).set_rng_state(states[device.type])
