"""What one backend has and another has not: devices, precisions, instruction sets."""

import numpy as np
import onnx as onnx_format
import pytest

from seesay.base.errors import UsageError
from seesay.encoders import onnx, selftest
from seesay.encoders.bundle import IMAGE_GRAPH, copy_bundle
from seesay.encoders.ready import BundleEncoder
from seesay.encoders.torch import TorchBackend, torch

TEXTS = ["a photo of a dog", "a photo of a cat on a sofa", "red"]


def pixels(bundle, count):
    side = bundle.image.size_px
    return np.random.default_rng(0).integers(0, 256, (count, side, side, 3), dtype=np.uint8)


def lowest_cosine(one, other):
    return (one * other).sum(axis=-1).min()


@pytest.mark.parametrize(
    ("flags", "expected"), [("fma avx512_vnni", True), ("avx2 avx_vnni", True), ("fma avx2", False)]
)
def test_vnni_is_read_from_the_flags_of_the_cpu(flags, expected, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(f"processor : 0\nflags : fpu {flags} sse\n")
    monkeypatch.setattr(onnx, "Path", lambda _: tmp_path / "cpuinfo")
    assert onnx._has_vnni.__wrapped__() is expected


def test_a_system_that_does_not_tell_is_taken_to_have_no_vnni(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "Path", lambda _: tmp_path / "nothing")
    assert onnx._has_vnni.__wrapped__() is False


@pytest.mark.parametrize("device", ["nonsense", "cuda:99"])
def test_a_device_that_is_not_there(device, tiny_bundle):
    with pytest.raises(UsageError, match=f"the torch backend cannot run on '{device}'"):
        TorchBackend(tiny_bundle, device=device)


def test_bfloat16_sees_nearly_the_same(tiny_bundle):
    whole = BundleEncoder(tiny_bundle, TorchBackend(tiny_bundle, device="cpu"))
    half = BundleEncoder(tiny_bundle, TorchBackend(tiny_bundle, device="cpu", is_bf16=True))
    some = pixels(tiny_bundle, 3)
    pictures = [selftest.make_picture(1, (90, 80))]
    for one, other in (
        (whole.encode_pixels(some), half.encode_pixels(some)),
        (whole.encode_texts(TEXTS), half.encode_texts(TEXTS)),
        (whole.encode_patches(pictures), half.encode_patches(pictures)),
    ):
        assert other.dtype == np.float32
        assert 0.999 <= lowest_cosine(one, other) < 0.9999999  # or nothing was rounded


def test_more_pictures_than_a_call_takes(tiny_bundle):
    backend = TorchBackend(tiny_bundle, device="cpu")
    some = pixels(tiny_bundle, 7)
    expected = BundleEncoder(tiny_bundle, backend).encode_pixels(some)
    backend.image_batch = 3
    np.testing.assert_allclose(BundleEncoder(tiny_bundle, backend).encode_pixels(some), expected, atol=1e-6)


def test_a_graph_of_an_older_seesay_says_how_to_get_features(tiny_bundle, tmp_path):
    bundle = copy_bundle(tiny_bundle, tmp_path / "old")
    graph = onnx_format.load(tiny_bundle.folder / IMAGE_GRAPH, load_external_data=False)
    kept = [entry for entry in graph.graph.output if entry.name != "features"]
    assert len(kept) == len(graph.graph.output) - 1
    del graph.graph.output[:]
    graph.graph.output.extend(kept)
    (bundle.folder / IMAGE_GRAPH).write_bytes(graph.SerializeToString())
    encoder = BundleEncoder(bundle, onnx.OnnxBackend(bundle))
    assert encoder.encode_pixels(pixels(bundle, 1)).shape == (1, bundle.dim)
    with pytest.raises(UsageError, match="older seesay; make it again with `seesay export"):
        encoder.encode_pixels_and_features(pixels(bundle, 1))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA here")
class TestCuda:
    def test_vectors_are_those_of_the_cpu(self, tiny_bundle):
        cpu, cuda = (BundleEncoder(tiny_bundle, TorchBackend(tiny_bundle, device=device)) for device in ("cpu", "cuda"))
        some = pixels(tiny_bundle, 256 + 3)  # a full batch, which is compiled, and one that is not
        assert lowest_cosine(cpu.encode_pixels(some), cuda.encode_pixels(some)) >= 0.999
        assert lowest_cosine(cpu.encode_texts(TEXTS), cuda.encode_texts(TEXTS)) >= 0.999

    def test_in_float32_they_are_equal(self, tiny_bundle):
        cpu = BundleEncoder(tiny_bundle, TorchBackend(tiny_bundle, device="cpu"))
        cuda = BundleEncoder(tiny_bundle, TorchBackend(tiny_bundle, device="cuda", is_bf16=False))
        some = pixels(tiny_bundle, 3)
        np.testing.assert_allclose(cuda.encode_pixels(some), cpu.encode_pixels(some), atol=1e-4)
