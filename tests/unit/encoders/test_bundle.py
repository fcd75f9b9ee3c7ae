"""A bundle is read strictly: what is missing, extra or of another kind is named."""

import json

import numpy as np
import pytest
import tiny

from seesay.base.errors import BundleError
from seesay.encoders.bundle import CONFIG, TOKENIZER, WEIGHTS, Bundle
from seesay.encoders.torch import TorchBackend
from seesay.encoders.weights import read_weights, write_weights


@pytest.fixture
def folder(tmp_path):
    return tiny.make_bundle(tmp_path / "tiny", tiny.CLIP, "clip").folder


def change(folder, **values):
    raw = json.loads((folder / CONFIG).read_text())
    raw.update(values)
    raw = {key: value for key, value in raw.items() if value != "gone"}
    (folder / CONFIG).write_text(json.dumps(raw))


def test_a_bundle_comes_back_as_it_was_written(folder):
    bundle = Bundle.open(folder)
    bundle.verify()
    assert bundle.name == "tiny"
    assert json.loads((folder / CONFIG).read_text()) == json.loads(json.dumps(bundle.to_dict()))


def test_the_least_cosine_grows_with_every_doubling_of_the_library(folder):
    change(folder, calibration={"least_cosine": 0.2, "per_doubling": 0.03})
    bundle = Bundle.open(folder)
    assert [bundle.least_cosine(count) for count in (0, 1, 20)] == [0.2] * 3
    assert bundle.least_cosine(160) == pytest.approx(0.29)
    assert bundle.least_cosine(640) == bundle.least_cosine(10**6) == pytest.approx(0.35)  # measured no further
    assert bundle.id == Bundle.open(folder).id
    change(folder, calibration=None)
    assert Bundle.open(folder).least_cosine(160) is None


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"dim": "gone"}, "lacks dim"),
        ({"colour": "red"}, "has unknown colour"),
        ({"dim": "48"}, "dim is '48', expected int"),
        ({"format": 99}, "format 99"),
        ({"files": {"model.safetensors": "0"}}, r"files lacks tokenizer\.json"),
        ({"image": {"size_px": 32}}, "image"),
        ({"calibration": {"least_cosine": 0.2}}, "calibration lacks per_doubling"),
    ],
)
def test_a_config_that_is_not_whole_is_named(folder, values, message):
    change(folder, **values)
    with pytest.raises(BundleError, match=message):
        Bundle.open(folder)


@pytest.mark.parametrize("name", [WEIGHTS, TOKENIZER, CONFIG])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(BundleError, match=name):
        Bundle.open(folder)


def test_a_file_cut_short_is_named(folder):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[:-1])
    with pytest.raises(BundleError, match="fetch or make it again"):
        Bundle.open(folder)


def test_a_changed_file_is_found_by_its_hash(folder):
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-1] ^= 1
    (folder / WEIGHTS).write_bytes(content)
    with pytest.raises(BundleError, match=rf"{WEIGHTS} was changed"):
        Bundle.open(folder).verify()


def test_the_id_says_weights_and_preprocessing(folder):
    before = Bundle.open(folder).id
    raw = json.loads((folder / CONFIG).read_text())
    change(folder, image=raw["image"] | {"mean": [0.5, 0.5, 0.5]})
    assert Bundle.open(folder).id != before


def missing(weights):
    weights.pop("text_projection.weight")


def extra(weights):
    weights["spare"] = np.zeros(3, np.float32)


def misshapen(weights):
    weights["text_projection.weight"] = weights["text_projection.weight"][:, :-1].copy()


@pytest.mark.parametrize(("spoil", "name"), [(missing, "text_projection"), (extra, "spare"), (misshapen, "text_proj")])
def test_weights_that_do_not_fit_are_named(folder, spoil, name):
    weights = read_weights(folder / WEIGHTS)
    spoil(weights)
    write_weights(folder / WEIGHTS, weights)
    with pytest.raises(BundleError, match=name):
        TorchBackend(Bundle.open(folder)).embed_tokens(np.ones((1, 4), np.int64), np.ones((1, 4), np.int64))
