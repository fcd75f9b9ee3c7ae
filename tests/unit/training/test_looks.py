"""Guessing looks from definitions: what is known comes back, what is like nothing known is no guess at all."""

import numpy as np
import pytest

from seesay.training import looks
from seesay.training.alignment import unit
from seesay.training.looks import fit_looks

N, D, E = 20, 12, 5


def make_known(seed=0):
    """Texts of only the first D - 1 numbers, so that the last points away from all of them."""
    random = np.random.default_rng(seed)
    texts_ND = random.standard_normal((N, D)).astype(np.float32)
    texts_ND[:, -1] = 0
    return texts_ND, unit(random.standard_normal((N, E)) + 0.5)


def make_asked():
    return np.random.default_rng(1).standard_normal((9, D)).astype(np.float32)


def test_with_little_noise_it_gives_back_what_it_knows():
    texts_ND, looks_NE = make_known()
    guessed_NE, surety_N = fit_looks(texts_ND, looks_NE, noise=1e-8).of(texts_ND)
    np.testing.assert_allclose(guessed_NE, looks_NE, atol=1e-5)
    np.testing.assert_allclose(surety_N, np.linalg.norm(looks_NE - looks_NE.mean(axis=0), axis=1), atol=1e-5)


def test_the_more_noise_the_less_sure_it_is():
    texts_ND, looks_NE = make_known()
    sureties = [fit_looks(texts_ND, looks_NE, noise=noise).of(texts_ND)[1].mean() for noise in (0.01, 0.1, 0.5, 5)]
    assert sureties == sorted(sureties, reverse=True)
    assert sureties[-1] < sureties[0] / 2


def test_far_from_all_that_is_known_the_surety_is_0_and_the_guess_the_mean():
    texts_ND, looks_NE = make_known()
    away_D = np.zeros(D, np.float32)
    away_D[-1] = 5
    guessed_ME, surety_M = fit_looks(texts_ND, looks_NE, length=0.1).of((texts_ND.mean(axis=0) + away_D)[None])
    assert surety_M[0] == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose(guessed_ME[0], unit(looks_NE.mean(axis=0)), atol=1e-6)


def test_surety_falls_on_the_way_from_what_is_known():
    texts_ND, looks_NE = make_known()
    away_D = np.eye(D, dtype=np.float32)[-1]
    way_MD = np.stack([texts_ND[0] + step * away_D for step in (0, 1, 2, 4, 8)])
    surety_M = fit_looks(texts_ND, looks_NE, noise=0.01).of(way_MD)[1]
    assert (np.diff(surety_M) < 0).all()


def test_rows_are_unit_and_sureties_between_0_and_1():
    guessed_ME, surety_M = fit_looks(*make_known()).of(make_asked())
    assert (guessed_ME.dtype, surety_M.dtype) == (np.float32, np.float32)
    np.testing.assert_allclose(np.linalg.norm(guessed_ME, axis=1), 1, rtol=1e-6)
    assert (surety_M >= 0).all()
    assert (surety_M <= 1).all()


def test_the_order_of_what_is_known_changes_nothing():
    texts_ND, looks_NE = make_known()
    order_N = np.random.default_rng(2).permutation(N)
    for one, other in zip(
        fit_looks(texts_ND, looks_NE).of(make_asked()),
        fit_looks(texts_ND[order_N], looks_NE[order_N]).of(make_asked()),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_how_many_are_asked_for_at_once_changes_nothing(monkeypatch):
    process = fit_looks(*make_known())
    together = process.of(make_asked())
    monkeypatch.setattr(looks, "_AT_ONCE", 2)
    for one, other in zip(together, process.of(make_asked()), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_only_directions_from_the_centre_count():
    texts_ND, looks_NE = make_known()
    shift_D = np.random.default_rng(3).standard_normal(D).astype(np.float32)
    plain = fit_looks(texts_ND, looks_NE).of(make_asked())
    for one, other in zip(
        plain, fit_looks(7 * texts_ND + shift_D, looks_NE).of(7 * make_asked() + shift_D), strict=True
    ):
        np.testing.assert_allclose(one, other, atol=1e-4)


def test_things_said_to_be_alike_look_alike():
    """Two groups of texts with a look each: a new text of a group gets the group's look."""
    random = np.random.default_rng(4)
    middles_KD = random.standard_normal((2, D))
    texts_ND = (middles_KD[np.arange(N) % 2] + 0.1 * random.standard_normal((N, D))).astype(np.float32)
    looks_NE = np.eye(E, dtype=np.float32)[np.arange(N) % 2]
    guessed_ME, _ = fit_looks(texts_ND, looks_NE).of(middles_KD.astype(np.float32))
    assert guessed_ME[:, :2].argmax(axis=1).tolist() == [0, 1]


@pytest.mark.parametrize(("length", "noise"), [(0.3, 0.5), (0.7, 0.1)])
def test_it_is_scikit_learns_process_of_the_same_kernel(length, noise):
    gaussian_process = pytest.importorskip("sklearn.gaussian_process", reason="scikit-learn is not installed")
    texts_ND, looks_NE = make_known()
    process = gaussian_process.GaussianProcessRegressor(
        gaussian_process.kernels.RBF(length), alpha=noise, optimizer=None
    )
    centre_D = texts_ND.mean(axis=0)
    process.fit(unit(texts_ND - centre_D), looks_NE - looks_NE.mean(axis=0))
    moved_ME = process.predict(unit(make_asked() - centre_D))
    guessed_ME, surety_M = fit_looks(texts_ND, looks_NE, length=length, noise=noise).of(make_asked())
    np.testing.assert_allclose(guessed_ME, unit(moved_ME + looks_NE.mean(axis=0)), atol=1e-4)
    np.testing.assert_allclose(surety_M, np.linalg.norm(moved_ME, axis=1), atol=1e-4)
