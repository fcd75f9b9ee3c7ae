"""What every backend must do, with the bundle that ships."""

import importlib.util

import numpy as np
import pytest
from PIL import Image

from seesay.base.errors import BundleError, InputError, UnknownNameError, UsageError
from seesay.encoders import BACKENDS, load, selftest
from seesay.encoders.bundle import copy_bundle
from seesay.encoders.encoder import Encoder

TEXTS = ["dog", "a photo of a cat", "two red bicycles lean against an old wall in the rain", "a cup of coffee"]
BATCH_NOISE = 2e-6  # float32 sums in another order


def test_every_backend_is_held_to_this():
    assert set(BACKENDS) == {"onnx", "torch"}


@pytest.fixture(scope="module", params=sorted(BACKENDS))
def encoder(request):
    if request.param == "torch" and importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    # without a memory for texts: every comparison below is one of computations
    return load(backend=request.param, cache_bytes=0, **({"device": "cpu"} if request.param == "torch" else {}))


@pytest.fixture(scope="module")
def pictures():
    return [selftest.make_picture(seed, (300 + 40 * seed, 240)) for seed in range(5)]


def test_rows_are_unit_float32(encoder, pictures):
    assert isinstance(encoder, Encoder)
    for vectors, count in ((encoder.encode_images(pictures), 5), (encoder.encode_texts(TEXTS), 4)):
        assert vectors.shape == (count, encoder.dim)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_patches_are_unit_vectors_in_the_same_space(encoder, pictures):
    patches = encoder.encode_patches(pictures[:2])
    count, rows, columns, dim = patches.shape
    assert (count, dim) == (2, encoder.dim)
    assert rows == columns > 1
    np.testing.assert_allclose(np.linalg.norm(patches, axis=3), 1, atol=1e-5)


def test_features_are_what_the_projection_makes_the_vectors_of(encoder, pictures):
    features = encoder.encode_features(pictures)
    assert (features.shape, features.dtype) == ((5, 1280), np.float32)
    assert np.linalg.norm(features, axis=1).min() > 1.01  # not normalised
    weights = encoder.bundle.read_weights()
    vectors = features @ weights["image_projection.weight"].T + weights["image_projection.bias"]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(vectors, encoder.encode_images(pictures), atol=1e-5)


def test_vectors_and_features_come_of_one_run_of_the_tower(encoder, pictures, monkeypatch):
    pixels = np.stack([encoder.transform(picture) for picture in pictures])
    apart = encoder.encode_pixels(pixels), encoder.encode_features(pictures)
    calls = []
    backend = type(encoder._backend)
    run = backend.embed_pixels_and_features
    monkeypatch.setattr(backend, "embed_pixels_and_features", lambda *given: calls.append(1) or run(*given))
    monkeypatch.setattr(backend, "embed_pixels", lambda *_: pytest.fail("the tower ran again"))
    for one, other in zip(encoder.encode_pixels_and_features(pixels), apart, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)
    assert len(calls) == 1


def test_permuting_the_batch_permutes_the_output(encoder, pictures):
    order = [3, 0, 4, 1, 2]
    images = encoder.encode_images(pictures)
    np.testing.assert_allclose(encoder.encode_images([pictures[i] for i in order]), images[order], atol=BATCH_NOISE)
    texts = encoder.encode_texts(TEXTS)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS[::-1]), texts[::-1], atol=BATCH_NOISE)


def test_the_company_of_a_batch_changes_nothing(encoder, pictures):
    together = encoder.encode_images(pictures)
    alone = np.concatenate([encoder.encode_images([picture]) for picture in pictures])
    np.testing.assert_allclose(alone, together, atol=BATCH_NOISE)
    long = [*TEXTS, "word " * 60]  # what would be padding for the others
    alone = np.concatenate([encoder.encode_texts([text]) for text in TEXTS])
    np.testing.assert_allclose(alone, encoder.encode_texts(long)[:4], atol=BATCH_NOISE)


def test_a_text_that_comes_twice_has_its_vector_twice(encoder):
    vectors = encoder.encode_texts([TEXTS[0], TEXTS[1], TEXTS[0]])
    assert np.array_equal(vectors[0], vectors[2])
    assert np.abs(vectors[0] - vectors[1]).max() > 0.01


def test_an_empty_batch_has_no_rows(encoder):
    assert encoder.encode_images([]).shape == encoder.encode_texts([]).shape == (0, encoder.dim)
    assert len(encoder.encode_features([])) == 0


def test_a_picture_of_one_pixel_has_a_vector(encoder):
    assert np.isfinite(encoder.encode_images([Image.new("RGB", (1, 1), "red")])).all()


def test_what_cannot_be_read_is_refused(encoder):
    with pytest.raises(InputError):
        encoder.encode_texts(["dog", " "])
    with pytest.raises(InputError, match="128"):
        encoder.encode_texts(["word " * 500])
    with pytest.raises(InputError):
        encoder.encode_images([b"no picture"])
    with pytest.raises(UsageError, match="pixels must be uint8"):
        encoder.encode_pixels(np.zeros((1, 8, 8, 3), np.uint8))


def test_the_self_test_passes(encoder):
    assert selftest.run(encoder).max_difference < 1e-4


def test_backends_agree(pictures):
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    ours, reference = load(), load(backend="torch", device="cpu")
    assert ours.id == reference.id
    np.testing.assert_allclose(ours.encode_images(pictures), reference.encode_images(pictures), atol=1e-4)
    np.testing.assert_allclose(ours.encode_features(pictures), reference.encode_features(pictures), atol=1e-4)
    np.testing.assert_allclose(ours.encode_texts(TEXTS), reference.encode_texts(TEXTS), atol=1e-4)
    np.testing.assert_allclose(ours.encode_patches(pictures[:1]), reference.encode_patches(pictures[:1]), atol=1e-3)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"resize": "shortest"', '"resize": "squash"'),
        ('"interpolation": "bicubic_sharp"', '"interpolation": "bilinear"'),
        ("0.498", "0.4"),
        ("0.502", "0.25"),
    ],
)
def test_the_self_test_catches_other_preprocessing(tmp_path, old, new):
    bundle = copy_bundle(load().bundle, tmp_path / "copy")
    for graph in ("image.onnx", "text.onnx", "selftest.json"):
        (tmp_path / "copy" / graph).write_bytes((load().bundle.folder / graph).read_bytes())
    config = tmp_path / "copy" / "config.json"
    text = config.read_text()
    assert selftest.run(load(str(tmp_path / "copy"))).max_difference < 1e-4
    assert old in text
    config.write_text(text.replace(old, new))
    changed = load(str(tmp_path / "copy"))
    assert changed.id != bundle.id
    with pytest.raises(BundleError, match="fails its self-test"):
        selftest.run(changed)


def test_a_changed_file_is_found(tmp_path):
    bundle = copy_bundle(load().bundle, tmp_path / "copy")
    weights = bundle.folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BundleError, match=r"model\.safetensors"):
        bundle.verify()


def test_an_unknown_model_or_backend_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="did you mean starter"):
        load("startr")
    with pytest.raises(UnknownNameError, match="did you mean onnx"):
        load(backend="onx")
