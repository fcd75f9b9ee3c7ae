"""The field's silent errors, each made on purpose: every shape stays right, and the self-test says no."""

import dataclasses

import pytest

from seesay.base.errors import BundleError
from seesay.encoders import selftest
from seesay.encoders.ready import BundleEncoder
from seesay.encoders.torch import TorchBackend


def run(bundle):
    return selftest.run(BundleEncoder(bundle, TorchBackend(bundle, device="cpu"), truncate=True))


def test_it_passes_as_it_is(tiny_bundle):
    assert run(tiny_bundle).max_difference < selftest.TOLERANCE / 10


@pytest.mark.parametrize(
    "change",
    [
        {"mean": (0.5, 0.5, 0.5)},
        {"std": (0.5, 0.5, 0.5)},
        {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)},  # ImageNet's, the usual mistake
        {"resize": "squash"},
        {"interpolation": "bilinear"},
        {"mean": (0.40821073, 0.4578275, 0.48145466)},  # blue first
    ],
    ids=str,
)
def test_another_preprocessing_is_caught(tiny_bundle, change):
    changed = dataclasses.replace(tiny_bundle, image=dataclasses.replace(tiny_bundle.image, **change))
    with pytest.raises(BundleError, match="fails its self-test: its image vectors are off"):
        run(changed)


@pytest.mark.parametrize(("side", "named"), [("image", "image"), ("text", "text")])
@pytest.mark.parametrize("activation", ["gelu", "gelu_tanh"])
def test_another_activation_is_caught(tiny_bundle, side, named, activation):
    model = tiny_bundle.model | {side: tiny_bundle.model[side] | {"activation": activation}}
    with pytest.raises(BundleError, match=f"its {named} vectors are off"):
        run(dataclasses.replace(tiny_bundle, model=model))


def test_a_tokenizer_that_does_not_clean_is_caught(tiny_bundle):
    changed = dataclasses.replace(tiny_bundle, text=dataclasses.replace(tiny_bundle.text, cleaner="none"))
    with pytest.raises(BundleError, match="its text vectors are off"):
        run(changed)
