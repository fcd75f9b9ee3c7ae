"""A running mean of a model's weights, which is often better than the weights themselves."""

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn


class Average:
    """The mean lies beside the model in the same shards, so it can take the model's place and go back.

    Args:
        model: as it is before the first step.
        decay: share of the mean that a step leaves, once the run is old; of the first steps less, (1 + n) / (10 + n),
            so that the fresh weights are soon forgotten.

    Source: the rule for the first steps is that of TensorFlow's ExponentialMovingAverage.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self._model, self._decay, self.num_steps = model, decay, 0
        self._weights = {name: tensor.clone() for name, tensor in self._tensors()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights as they are."""
        decay = min(self._decay, (1 + self.num_steps) / (10 + self.num_steps))
        self.num_steps += 1
        for name, tensor in self._tensors():
            if tensor.is_floating_point():
                self._weights[name].lerp_(tensor, 1 - decay)
            else:
                self._weights[name].copy_(tensor)

    @contextlib.contextmanager
    def instead(self) -> Iterator[None]:
        """Within it the model has the mean for its weights."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()

    @torch.no_grad()
    def _exchange(self) -> None:
        for name, tensor in self._tensors():
            kept = tensor.clone()
            tensor.copy_(self._weights[name])
            self._weights[name].copy_(kept)

    def tensors(self) -> Iterable[Tensor]:
        """The mean itself, in the model's shards."""
        return self._weights.values()

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        yield from self._model.state_dict().items()
