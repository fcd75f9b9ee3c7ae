"""Teaching a text projection what texts look like, the tower below it staying as it is.

What the tower makes of each text is computed once; then a step costs a millisecond for a hundred texts. Noise on
those features stands for the many texts that were not written down: without it the names of classes are learned by
heart, and of classes left out a sixth fewer are found.

Shape legend: N texts, D width of the text tower, E embedding, B batch.
"""

import logging
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from seesay.models.clip import Mlp
from seesay.training.alignment import Matrix
from seesay.training.optimizer import warm_then_linear

log = logging.getLogger("seesay.training.text_side")


@dataclass(frozen=True, kw_only=True, slots=True)
class TextSideConfig:
    """How it is taught."""

    steps: int = 2000
    batch_size: int = 1024
    lr: float = 2e-4
    """Of what adds up to the vector; the hidden layer's weights are larger, and move 30 times as fast."""
    weight_decay: float = 0.01
    noise: float = 0.3
    """Deviation of the noise on the features, where theirs is 1."""
    ridge: float = 3e-4
    """The price of a crooked affine map to start from."""
    warmup_steps: int = 50
    seed: int = 0


def train_text_side(
    projection: Mlp, features_ND: Tensor, looks_NE: Matrix, weights_N: NDArray[np.float64], config: TextSideConfig
) -> list[float]:
    """Teach `projection` in place.

    It starts from the affine map that is best by weighted ridge regression. The loss is one minus the cosine.

    Args:
        projection: its weights are set.
        features_ND: (N, D) what the text tower makes of each text.
        looks_NE: (N, E) unit rows that the texts should become.
        weights_N: (N,) how often each text is seen; they add up to 1.
        config: how.

    Returns:
        The loss of every step.
    """
    torch.manual_seed(config.seed)
    targets_NE, shares_N = torch.from_numpy(looks_NE), torch.from_numpy(weights_N)
    deviation = float(features_ND.std())
    _start(projection, features_ND, targets_NE, shares_N, config, deviation)
    rates = ((projection.affine, 1.0), (projection.up, 30.0), (projection.down, 1.0))
    groups = [{"params": list(part.parameters()), "lr": config.lr * rate} for part, rate in rates]
    optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay)
    schedule = warm_then_linear(optimizer, steps=config.steps, warmup_steps=config.warmup_steps)
    losses = []
    for step in range(config.steps):
        rows_B = torch.multinomial(shares_N, config.batch_size, replacement=True)
        features_BD = features_ND[rows_B]
        features_BD = features_BD + config.noise * deviation * torch.randn_like(features_BD)
        loss = 1 - F.cosine_similarity(projection(features_BD), targets_NE[rows_B]).mean()
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        optimizer.step()
        schedule.step()
        losses.append(float(loss.detach()))
        if (step + 1) % 500 == 0:
            log.info("step %d of %d: loss %.3f", step + 1, config.steps, sum(losses[-500:]) / 500)
    return losses


def _start(
    projection: Mlp,
    features_ND: Tensor,
    targets_NE: Tensor,
    shares_N: Tensor,
    config: TextSideConfig,
    deviation: float,
) -> None:
    mean_D, mean_E = (shares_N.float() @ values for values in (features_ND, targets_NE))
    centred_ND = features_ND - mean_D
    weighted_DN = (centred_ND * shares_N.float()[:, None]).T
    system_DD = (weighted_DN @ centred_ND).double() + config.ridge * torch.eye(len(mean_D)).double()
    map_DE = torch.linalg.solve(system_DD, (weighted_DN @ (targets_NE - mean_E)).double()).float()
    with torch.no_grad():
        projection.affine.weight.copy_(map_DE.T)
        # The mean look is left out: it says nothing of a text, and would pull every text towards it.
        projection.affine.bias.copy_(-mean_D @ map_DE)
        # so that hidden units of features of this size are about as large as a normal number
        nn.init.normal_(projection.up.weight, std=1 / (deviation * len(mean_D) ** 0.5))
        projection.up.bias.zero_()
        projection.down.weight.zero_()
