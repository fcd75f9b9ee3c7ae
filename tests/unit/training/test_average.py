"""The running mean of the weights."""

import torch
from torch import nn

from seesay.training.average import Average


def test_early_on_it_follows_and_later_it_is_slow():
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, 0.0)
    average = Average(model, 0.9)
    nn.init.constant_(model.weight, 1.0)
    expected = 0.0
    for step in range(200):
        average.update()
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay)
        with average.instead():
            assert abs(float(model.weight.detach()) - expected) < 1e-5
    assert expected > 0.999


def test_within_the_model_has_the_mean_and_afterwards_its_own():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = Average(model, 0.5)
    for tensor in model.state_dict().values():
        tensor.add_(1)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with average.instead():
        assert all((before[name] - 1 - tensor).abs().max() < 1e-6 for name, tensor in model.state_dict().items())
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name])


def test_counts_are_copied():
    model = nn.BatchNorm1d(2)
    average = Average(model, 0.5)
    model.num_batches_tracked.fill_(7)
    average.update()
    with average.instead():
        assert int(model.num_batches_tracked) == 7
