"""Texts through every backend with a causal tower: shared beginnings, remembered vectors, what is too long."""

import numpy as np
import pytest

pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

from tiny import CLIP, make_bundle

from seesay.base.errors import InputError, UsageError
from seesay.encoders import BACKENDS, load
from seesay.encoders.bundle import PACKED_GRAPH
from seesay.encoders.export import export

NEAR = 1e-5  # of unit vectors; float32 sums in another order
NAMES = ("cat", "golden retriever", "stop sign", "hen", "cat sitting on a very old and rather large sofa")
TEMPLATES = ("a photo of a {}.", "a photo of the {}.", "a bad photo of a {}.", "{}", "itap of a {} in a video game.")
TEXTS = [template.replace("{}", name) for name in NAMES for template in TEMPLATES]
TOO_LONG = "word " * 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    bundle = make_bundle(tmp_path_factory.mktemp("bundles") / "tiny", CLIP, "clip")
    export(bundle.folder)
    return bundle.folder


@pytest.fixture(params=sorted(BACKENDS))
def open_encoder(request, folder):
    def open_encoder(**options):
        return load(str(folder), backend=request.param, device="cpu", threads=1, **options)

    return open_encoder


@pytest.fixture
def counted(open_encoder, monkeypatch):
    """An encoder, and how many texts its model was asked for."""
    encoder, counts = open_encoder(truncate=True), []
    embed = encoder._embed_tokens
    monkeypatch.setattr(encoder, "_embed_tokens", lambda tokens: counts.append(len(tokens.ids)) or embed(tokens))
    return encoder, counts


def alone(encoder, texts):
    """Each text by itself, whole, through the plain graph."""
    tokens = [encoder._tokenize([text], [text]) for text in texts]
    return encoder._unit(np.concatenate([encoder._backend.embed_tokens(*token) for token in tokens]))


@pytest.mark.parametrize(
    "texts",
    [
        TEXTS,
        TEXTS[:1],
        ["cat", "cat", "cat"],
        ["a", "a photo", "a photo of", "a photo of a cat"],
        [TOO_LONG, "short", "word " * 74 + "cat"],
    ],
    ids=["templates", "one", "identical", "beginnings of others", "full context"],
)
def test_sharing_changes_nothing(open_encoder, texts):
    encoder = open_encoder(truncate=True, cache_bytes=0)
    assert encoder._backend.can_pack
    np.testing.assert_allclose(encoder.encode_texts(texts), alone(encoder, texts), atol=NEAR)


def test_the_company_of_a_text_changes_nothing(open_encoder):
    encoder = open_encoder(cache_bytes=0)
    vectors = encoder.encode_texts(TEXTS)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS[::-1])[::-1], vectors, atol=NEAR)
    np.testing.assert_allclose(encoder.encode_texts(TEXTS[3:9]), vectors[3:9], atol=NEAR)
    assert np.abs(vectors[0] - vectors[1]).max() > 100 * NEAR


def test_a_bundle_without_the_packed_graph_gives_the_same_vectors(folder):
    expected = load(str(folder)).encode_texts(TEXTS)
    graph = (folder / PACKED_GRAPH).read_bytes()
    (folder / PACKED_GRAPH).unlink()
    try:
        encoder = load(str(folder))
        assert not encoder._backend.can_pack
        np.testing.assert_allclose(encoder.encode_texts(TEXTS), expected, atol=NEAR)
    finally:
        (folder / PACKED_GRAPH).write_bytes(graph)


def test_no_texts_have_no_rows(open_encoder):
    assert open_encoder().encode_texts([]).shape == (0, CLIP["dim"])


def test_a_text_that_comes_again_costs_nothing(counted):
    encoder, counts = counted
    first = encoder.encode_texts(["a cat", "a dog", "a cat"])
    assert counts == [2]
    assert np.array_equal(encoder.encode_texts(["a dog", "a cat"]), first[[1, 0]])
    assert counts == [2]
    encoder.encode_texts(["a bird", "a dog"])
    assert counts == [2, 1]


def test_writing_into_a_row_changes_no_later_one(open_encoder):
    encoder = open_encoder()
    expected = encoder.encode_texts(["a cat"]).copy()
    for _ in range(2):  # the first time, and from memory
        vectors = encoder.encode_texts(["a cat", "a cat"])
        vectors[0] = 7
        assert np.array_equal(vectors[1:], expected)
    assert np.array_equal(encoder.encode_texts(["a cat"]), expected)


def test_a_fault_is_counted_as_the_caller_counts(open_encoder):
    encoder = open_encoder()
    encoder.encode_texts(["a cat", "a dog"])
    with pytest.raises(InputError, match=r"text 3 of 4, .* has 102 tokens.*77; shorten it or pass truncate=True"):
        encoder.encode_texts(["a cat", "a dog", "a cat", TOO_LONG])
    with pytest.raises(InputError, match="text 1 of 2 is empty"):
        encoder.encode_texts(["a cat", " "])
    with pytest.raises(UsageError, match="put it in a list"):
        encoder.encode_texts("a cat")
    with pytest.raises(UsageError, match="number 1 is of type list"):
        encoder.encode_texts(["a cat", ["a dog"]])


def test_what_is_cut_is_said_once(open_encoder):
    heard = []
    encoder = open_encoder(truncate=True, on_cut=heard.append)
    vectors = encoder.encode_texts(["a cat", TOO_LONG, TOO_LONG])
    assert len(heard) == 1
    assert "has 102 tokens, and the model's context is 77; its end was cut" in heard[0]
    assert np.array_equal(vectors[1], vectors[2])
