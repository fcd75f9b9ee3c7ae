"""Teaching a projection at tiny size: what it starts from, what it learns, and what it must not depend on."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from seesay.models.clip import Mlp
from seesay.training.alignment import unit
from seesay.training.text_side import TextSideConfig, train_text_side

N, D, E = 60, 10, 6
CONFIG = TextSideConfig(steps=80, batch_size=64, lr=2e-3, noise=0.1, warmup_steps=5)
START = replace(CONFIG, steps=1, lr=0.0)
EVEN = np.full(N, 1 / N)


def make_lessons():
    """Texts whose look no affine map can say."""
    random = np.random.default_rng(0)
    features_ND = random.standard_normal((N, D)).astype(np.float32)
    looks_NE = unit(np.abs(features_ND @ random.standard_normal((D, E))) - 1)
    return torch.from_numpy(features_ND), looks_NE


def taught(config, features_ND, looks_NE, weights_N=EVEN):
    torch.manual_seed(7)
    projection = Mlp(D, E)
    losses = train_text_side(projection, features_ND, looks_NE, weights_N, config)
    return projection, losses


def cosines(projection, features_ND, looks_NE):
    with torch.no_grad():
        return (unit(projection(features_ND).numpy()) * looks_NE).sum(axis=1)


def test_it_brings_texts_nearer_to_their_looks():
    features_ND, looks_NE = make_lessons()
    before = cosines(taught(START, features_ND, looks_NE)[0], features_ND, looks_NE).mean()
    projection, losses = taught(CONFIG, features_ND, looks_NE)
    assert cosines(projection, features_ND, looks_NE).mean() > before + 0.1
    assert len(losses) == CONFIG.steps
    assert np.mean(losses[-20:]) < np.mean(losses[:20]) - 0.05


def test_it_starts_from_the_affine_map_less_the_mean_look():
    features_ND, _ = make_lessons()
    features_ND = torch.from_numpy(unit(features_ND.numpy()))
    turn_DD = np.linalg.qr(np.random.default_rng(1).standard_normal((D, D)))[0]
    looks_NE = unit(features_ND.numpy() @ turn_DD)
    torch.manual_seed(7)
    projection = Mlp(D, D)
    weights_N = np.random.default_rng(2).dirichlet(np.ones(N))
    train_text_side(projection, features_ND, looks_NE, weights_N, replace(START, ridge=1e-9))
    with torch.no_grad():
        got = projection(features_ND).numpy()
    np.testing.assert_allclose(got, looks_NE - weights_N @ looks_NE, atol=1e-4)


def test_the_same_seed_gives_the_same_bits_and_another_seed_others():
    features_ND, looks_NE = make_lessons()
    config = replace(CONFIG, steps=10)
    one, other, third = (
        taught(replace(config, seed=seed), features_ND, looks_NE)[0].state_dict() for seed in (0, 0, 1)
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["up.weight"], third["up.weight"])


def test_a_text_without_weight_teaches_nothing():
    features_ND, looks_NE = make_lessons()
    weights_N = np.where(np.arange(N) % 3 == 0, 0, 1.0)
    weights_N /= weights_N.sum()
    turned_NE = np.where((weights_N == 0)[:, None], -looks_NE, looks_NE)
    config = replace(CONFIG, steps=10)
    one, other = (taught(config, features_ND, looks, weights_N)[0].state_dict() for looks in (looks_NE, turned_NE))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_of_two_looks_of_one_text_the_one_of_more_weight_is_learned():
    features_ND, looks_NE = make_lessons()
    doubled_ND = torch.cat([features_ND, features_ND])
    both_NE = np.concatenate([looks_NE, np.roll(looks_NE, 1, axis=0)])
    weights_N = np.concatenate([np.full(N, 0.9 / N), np.full(N, 0.1 / N)])
    projection, _ = taught(CONFIG, doubled_ND, both_NE, weights_N)
    heavy, light = cosines(projection, doubled_ND, both_NE).reshape(2, N).mean(axis=1)
    assert heavy > light + 0.3


def test_the_features_are_left_as_they_were():
    features_ND, looks_NE = make_lessons()
    copies = features_ND.clone(), looks_NE.copy()
    taught(replace(CONFIG, steps=3), features_ND, looks_NE)
    assert torch.equal(features_ND, copies[0])
    np.testing.assert_array_equal(looks_NE, copies[1])


def test_how_far_it_is_is_logged_every_500_steps(caplog):
    features_ND, looks_NE = make_lessons()
    with caplog.at_level("INFO", logger="seesay.training.text_side"):
        taught(replace(CONFIG, steps=500, batch_size=2), features_ND, looks_NE)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["step 500 of 500"]


def test_without_noise_the_size_of_features_hardly_matters():
    """The hidden layer starts at the features' own size, and the affine map is solved for."""
    features_ND, looks_NE = make_lessons()
    config = replace(START, noise=0.0, ridge=1e-9)
    (one, _), (ten, _) = (taught(config, size * features_ND, looks_NE) for size in (1, 10))
    with torch.no_grad():
        hidden = [part.up.weight @ (size * features_ND).T for part, size in ((one, 1), (ten, 10))]
    torch.testing.assert_close(hidden[0], hidden[1], rtol=1e-3, atol=1e-4)
    assert cosines(ten, 10 * features_ND, looks_NE) == pytest.approx(cosines(one, features_ND, looks_NE), abs=1e-3)
