"""Products in 8 bits: fast graphs that still see the same, and a self-test that knows both."""

import numpy as np
import onnx
import pytest
from tiny import RESNET, make_bundle

from seesay.base.errors import BundleError
from seesay.encoders import selftest
from seesay.encoders.bundle import IMAGE_GRAPH, TEXT_GRAPH, Bundle, copy_bundle
from seesay.encoders.export import export
from seesay.encoders.onnx import OnnxBackend
from seesay.encoders.ready import BundleEncoder
from seesay.encoders.torch import TorchBackend
from seesay.encoders.weights import in_8_bits


@pytest.fixture(scope="module")
def bundles(tiny_bundle, tmp_path_factory):
    small = copy_bundle(
        tiny_bundle, tmp_path_factory.mktemp("bundles") / "small", storage=in_8_bits(tiny_bundle.read_weights())
    )
    export(small.folder)
    return tiny_bundle, Bundle.open(small.folder)


def operators(bundle, graph):
    return [node.op_type for node in onnx.load(bundle.folder / graph, load_external_data=False).graph.node]


def encode(bundle, backend=OnnxBackend):
    pictures = [selftest.make_picture(seed, (90 + 7 * seed, 80)) for seed in range(8)]
    options = {"device": "cpu"} if backend is TorchBackend else {}
    return BundleEncoder(bundle, backend(bundle, **options)).encode_images(pictures)


def test_the_image_graph_multiplies_in_8_bits_and_the_text_graph_does_not(bundles):
    whole, small = bundles
    assert "MatMulInteger" not in operators(whole, IMAGE_GRAPH)
    # four in each block, but in the last one qkv is read in parts; and what projects the patches
    assert operators(small, IMAGE_GRAPH).count("MatMulInteger") == 4 * 2 - 1 + 1
    assert "MatMulInteger" not in operators(small, TEXT_GRAPH)


def test_vectors_stay_near_those_in_float32(bundles):
    whole, small = bundles
    cosines = (encode(whole) * encode(small)).sum(axis=1)
    assert cosines.min() >= 0.99
    assert cosines.max() < 0.9999999  # or nothing was rounded


def test_it_is_another_model_to_a_library(bundles):
    whole, small = bundles
    assert whole.id != small.id


def test_a_quarter_of_the_size(bundles):
    whole, small = bundles
    size_bytes = [(bundle.folder / "model.safetensors").stat().st_size for bundle in (whole, small)]
    assert size_bytes[1] < 0.3 * size_bytes[0]


@pytest.mark.parametrize("backend", [OnnxBackend, TorchBackend])
def test_the_self_test_knows_both_ways_to_multiply(bundles, backend):
    small = bundles[1]
    options = {"device": "cpu"} if backend is TorchBackend else {}
    report = selftest.run(BundleEncoder(small, backend(small, **options), truncate=True))
    assert report.max_difference < selftest.TOLERANCE


def test_a_model_that_does_not_stand_8_bits_is_refused(bundles, monkeypatch):
    small = bundles[1]
    monkeypatch.setattr(selftest, "LEAST_COSINE_IN_8_BITS", 1.1)
    before = (small.folder / "selftest.json").read_bytes()
    with pytest.raises(BundleError, match=r"does not stand 8 bits.*without --int8"):
        selftest.write(small, is_in_8_bits=True)
    assert (small.folder / "selftest.json").read_bytes() == before


def test_patches_stay_near_as_well(bundles):
    pictures = [selftest.make_picture(9, (90, 80))]
    patches = [BundleEncoder(bundle, OnnxBackend(bundle)).encode_patches(pictures) for bundle in bundles]
    assert np.sum(patches[0] * patches[1], axis=-1).min() >= 0.98


@pytest.fixture(scope="module")
def resnets(tmp_path_factory):
    whole = make_bundle(tmp_path_factory.mktemp("resnets") / "whole", RESNET, "clip")
    small = copy_bundle(whole, whole.folder.with_name("small"), storage=in_8_bits(whole.read_weights()))
    export(small.folder)
    return whole, Bundle.open(small.folder)


def test_convolutions_multiply_in_8_bits_and_see_nearly_the_same(resnets):
    whole, small = resnets
    nodes = onnx.load(small.folder / IMAGE_GRAPH).graph.node
    made_by = {name: node.op_type for node in nodes for name in node.output}
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    assert len(convolutions) > 10
    assert {made_by[name] for node in convolutions for name in node.input[:2]} == {"DequantizeLinear"}
    assert "BatchNormalization" not in made_by.values()
    cosines = (encode(whole, TorchBackend) * encode(small)).sum(axis=1)
    assert cosines.min() >= 0.99
    assert cosines.max() < 0.9999999


def test_convolutions_that_do_not_stand_8_bits_stay_as_they_are(resnets, tmp_path, monkeypatch):
    monkeypatch.setattr("seesay.encoders.export._LEAST_COSINE", 1.1)
    bundle = copy_bundle(resnets[1], tmp_path / "copy")
    export(bundle.folder)
    assert "DequantizeLinear" not in operators(bundle, IMAGE_GRAPH)
