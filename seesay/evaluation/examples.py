"""What costs time when a logistic regression is fitted: products with the features, and what is made of each logit.

Two implementations of one protocol, on the CPU by NumPy and on a GPU by torch, which is only imported when a GPU is
asked for. How the weights are searched for (`lbfgs`) and what they mean (`logistic`) is not known here.

Products are in float32, sums over examples in float64. Residuals are computed without subtracting a probability from
1: of an example that is surely right, 1 - p would be rounding error, and fits with little regularisation are decided
by exactly those.

Shape legend: N examples, D features (the last one is 1, so that its weight is the bias), C classes.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import torch

Matrix: TypeAlias = NDArray[np.float64]
Labels: TypeAlias = NDArray[np.int64] | NDArray[np.bool_]

_THREADS = min(8, os.cpu_count() or 1)
_BLOCK = 1 << 16  # logits at a time, 256 kB: they stay in the cache over the dozen passes that a softmax is


class Examples(Protocol):
    """N examples with their labels, kept where the products are made."""

    num: int
    """N."""

    def multiply(self, weights: Matrix) -> Any:
        """(D, C) weights -> (N, C) logits, without the offset that examples may have."""
        ...

    def add(self, logits: Any, step: float, more: Any) -> Any:
        """(N, C) `logits + step * more`."""
        ...

    def judge(self, logits: Any) -> tuple[float, Any]:
        """The mean loss in nats, and (N, C) its derivative by each logit, times N."""
        ...

    def slope(self, residuals: Any, direction: Any) -> float:
        """How the mean loss changes when the logits move in that (N, C) direction."""
        ...

    def gradient(self, residuals: Any) -> Matrix:
        """(D, C) the derivative of the mean loss by the weights."""
        ...

    def curvature(self, residuals: Any) -> tuple[Matrix, Matrix]:
        """The second derivative of the mean loss by one class's weights, in two parts.

        Returns:
            (D, D) its mean over the classes, and (C,) its last number, that of the bias, for each class.
        """
        ...


class NumpyExamples:
    """Examples on the CPU.

    Args:
        features: (N, D) float32.
        labels: (N,) numbers of classes for a softmax, or (N, C) marks for a yes-or-no question a class.
        num_classes: C.
        offset: (N, C) what is added to the logits; by default nothing.
    """

    def __init__(
        self,
        features: NDArray[np.float32],
        labels: Labels,
        num_classes: int,
        offset: NDArray[np.float32] | None = None,
    ) -> None:
        self.num = len(features)
        self._features = features
        self._labels = labels
        self._offset = np.float32(0) if offset is None else offset.astype(np.float32)
        self._has_several = labels.dtype == np.bool_
        self._rows = max(1, _BLOCK // num_classes)
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="seesay-probe")

    def multiply(self, weights: Matrix) -> NDArray[np.float32]:
        """(D, C) weights -> (N, C) logits, without the offset."""
        return self._features @ weights.astype(np.float32)

    def add(self, logits: NDArray[np.float32], step: float, more: NDArray[np.float32]) -> NDArray[np.float32]:
        """(N, C) `logits + step * more`."""
        moved = np.multiply(more, np.float32(step))
        moved += logits
        return moved

    def judge(self, logits: NDArray[np.float32]) -> tuple[float, NDArray[np.float32]]:
        """The mean loss in nats, and (N, C) its derivative by each logit, times N."""
        residuals_NC = np.add(logits, self._offset)
        judge_block: Callable[[Any, Any], float] = _judge_marks if self._has_several else _judge_numbers

        def judge_from(start: int) -> float:
            stop = start + self._rows
            return judge_block(residuals_NC[start:stop], self._labels[start:stop])

        # NumPy lets go of the interpreter while it works on a block; the sum keeps its order
        return sum(self._pool.map(judge_from, range(0, self.num, self._rows))) / self.num, residuals_NC

    def slope(self, residuals: NDArray[np.float32], direction: NDArray[np.float32]) -> float:
        """How the mean loss changes when the logits move in that (N, C) direction."""
        blocks = range(0, self.num, self._rows)
        return (
            sum(float(np.vdot(residuals[a : a + self._rows], direction[a : a + self._rows])) for a in blocks) / self.num
        )

    def gradient(self, residuals: NDArray[np.float32]) -> Matrix:
        """(D, C) the derivative of the mean loss by the weights."""
        return np.asarray(self._features.T @ residuals, np.float64) / self.num

    def curvature(self, residuals: NDArray[np.float32]) -> tuple[Matrix, Matrix]:
        """(D, D) and (C,): the second derivative of the mean loss by one class's weights, see `Examples`."""
        size_NC = np.abs(residuals)
        size_NC -= np.square(size_NC)  # p (1 - p), for the label and for every other
        rooted_ND = self._features * np.sqrt(size_NC.mean(axis=1))[:, None]
        mean_DD = np.asarray(rooted_ND.T @ rooted_ND, np.float64) / self.num
        return mean_DD, np.asarray(size_NC.mean(axis=0, dtype=np.float64), np.float64)


def _judge_numbers(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> float:
    """Softmax: the summed loss of a block; its logits become residuals."""
    rows = np.arange(len(labels))
    logits -= logits.max(axis=1, keepdims=True)
    own_n = logits[rows, labels]
    np.exp(logits, out=logits)
    logits[rows, labels] = 0
    others_n = logits.sum(axis=1)
    total_n = others_n + np.exp(own_n)
    logits /= total_n[:, None]
    logits[rows, labels] = -others_n / total_n
    # where the label is ahead, its own term is 1 and the logarithm is one of 1 + little
    losses_n = np.where(own_n == 0, np.log1p(others_n), np.log(total_n) - own_n)
    return float(losses_n.sum(dtype=np.float64))


def _judge_marks(logits: NDArray[np.float32], marks: NDArray[np.bool_]) -> float:
    """A yes-or-no question a class: the summed loss of a block; its logits become residuals."""
    signs_nC = np.where(marks, np.float32(1), np.float32(-1))
    margins_nC = logits * signs_nC
    small_nC = np.exp(-np.abs(margins_nC))
    loss = float((np.log1p(small_nC) + np.maximum(-margins_nC, 0)).sum(dtype=np.float64))
    logits[:] = -signs_nC * np.where(margins_nC > 0, small_nC, np.float32(1)) / (1 + small_nC)
    return loss


class TorchExamples:
    """The same on a device of torch's, which `device` names; the other arguments are those of `NumpyExamples`."""

    def __init__(
        self,
        features: NDArray[np.float32],
        labels: Labels,
        offset: NDArray[np.float32] | None = None,
        *,
        device: str,
    ) -> None:
        import torch

        self._torch = torch
        self._device = torch.device(device)
        self.num = len(features)
        self._features = torch.from_numpy(features).to(self._device)
        self._offset = torch.zeros(1) if offset is None else torch.from_numpy(offset.astype(np.float32))
        self._offset = self._offset.to(self._device)
        self._has_several = labels.dtype == np.bool_
        self._labels = torch.from_numpy(labels).to(self._device)

    def multiply(self, weights: Matrix) -> "torch.Tensor":
        """(D, C) weights -> (N, C) logits, without the offset."""
        return self._features @ self._torch.from_numpy(weights.astype(np.float32)).to(self._device)

    def add(self, logits: "torch.Tensor", step: float, more: "torch.Tensor") -> "torch.Tensor":
        """(N, C) `logits + step * more`."""
        return logits.add(more, alpha=step)

    def judge(self, logits: "torch.Tensor") -> "tuple[float, torch.Tensor]":
        """The mean loss in nats, and (N, C) its derivative by each logit, times N."""
        torch, logits = self._torch, logits + self._offset
        if self._has_several:
            margins_NC = torch.where(self._labels, logits, -logits)
            losses = torch.nn.functional.softplus(-margins_NC, threshold=100.0)
            return self._mean(losses), torch.where(self._labels, -1.0, 1.0) * torch.sigmoid(-margins_NC)
        own_N1 = self._labels[:, None]
        logits = logits - logits.amax(dim=1, keepdim=True)
        label_logit_N1 = logits.gather(1, own_N1)
        residuals_NC = logits.exp().scatter(1, own_N1, 0.0)
        others_N1 = residuals_NC.sum(dim=1, keepdim=True)
        total_N1 = others_N1 + label_logit_N1.exp()
        residuals_NC = (residuals_NC / total_N1).scatter(1, own_N1, -others_N1 / total_N1)
        losses = torch.where(label_logit_N1 == 0, others_N1.log1p(), total_N1.log() - label_logit_N1)
        return self._mean(losses), residuals_NC

    def slope(self, residuals: "torch.Tensor", direction: "torch.Tensor") -> float:
        """How the mean loss changes when the logits move in that (N, C) direction."""
        return self._mean((residuals * direction).sum(dim=1))

    def gradient(self, residuals: "torch.Tensor") -> Matrix:
        """(D, C) the derivative of the mean loss by the weights."""
        return self._to_numpy(self._features.T @ residuals) / self.num

    def curvature(self, residuals: "torch.Tensor") -> tuple[Matrix, Matrix]:
        """(D, D) and (C,): the second derivative of the mean loss by one class's weights, see `Examples`."""
        spread_NC = residuals.abs() - residuals.square()
        rooted_ND = self._features * spread_NC.mean(dim=1).sqrt()[:, None]
        of_class_C = spread_NC.sum(dim=0, dtype=self._torch.float64)
        return self._to_numpy(rooted_ND.T @ rooted_ND) / self.num, self._to_numpy(of_class_C) / self.num

    def _mean(self, values: "torch.Tensor") -> float:
        return float(values.sum(dtype=self._torch.float64)) / self.num

    @staticmethod
    def _to_numpy(tensor: "torch.Tensor") -> Matrix:
        return np.asarray(tensor.cpu().numpy(), np.float64)
