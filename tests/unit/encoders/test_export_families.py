"""The graphs of every family compute what torch computes, whatever the weights are stored as."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("onnxscript", reason="onnxscript is not installed")

from tiny import CLIP, SIGLIP, make_bundle  # noqa: E402

from seesay.encoders.bundle import PACKED_GRAPH, copy_bundle  # noqa: E402
from seesay.encoders.export import export  # noqa: E402
from seesay.encoders.onnx import OnnxBackend  # noqa: E402
from seesay.encoders.packing import pack  # noqa: E402
from seesay.encoders.torch import TorchBackend  # noqa: E402
from seesay.models import variants  # noqa: E402

NEAR = 1e-4  # of vectors as long as 10; float32, in another order of operations
WORDS = variants.text(64, 1)
PE = variants.clip(48, variants.pe_vit(96, 16, 64, 1, 4), WORDS) | {"image_projection": "affine"}
FAMILIES = {
    "vit": CLIP,
    "resnet": variants.clip(48, variants.resnet(64, 8, (1, 1, 1, 1)), WORDS),
    # OpenAI's vocabulary stands in for SigLIP's, whose tokenizer is not here
    "siglip": SIGLIP | {"text": SIGLIP["text"] | {"vocabulary_size": variants.CLIP_VOCABULARY}},
    "pe": PE,
    "mlp": CLIP | {"image_projection": "mlp", "text_projection": "mlp"},
}


@pytest.fixture(scope="module", params=FAMILIES)
def bundle(request, tmp_path_factory):
    family = request.param if request.param in ("siglip", "pe") else "clip"
    bundle = make_bundle(tmp_path_factory.mktemp("bundles") / request.param, FAMILIES[request.param], family)
    export(bundle.folder)
    return bundle


def batches(bundle):
    random = np.random.default_rng(0)
    size = bundle.image.size_px
    length = bundle.text.context_length
    for num in (1, 3):
        ids = random.integers(1, 300, (num, length if bundle.text.padding == "fixed" else 7 + num))
        ids[:, -1] = bundle.model["text"]["end_id"]
        yield random.integers(0, 256, (num, size, size, 3), dtype=np.uint8), ids, np.ones_like(ids)


def compare(bundle, near):
    graphs, reference = OnnxBackend(bundle, threads=1), TorchBackend(bundle, device="cpu")
    for pixels, ids, mask in batches(bundle):
        for method in ("embed_pixels", "embed_patches"):
            got, expected = (getattr(backend, method)(pixels) for backend in (graphs, reference))
            assert got.shape == expected.shape
            np.testing.assert_allclose(got, expected, atol=near)
        for one, other in zip(*(to.embed_pixels_and_features(pixels) for to in (graphs, reference)), strict=True):
            assert one.shape == other.shape
            np.testing.assert_allclose(one, other, atol=near)
        np.testing.assert_allclose(graphs.embed_tokens(ids, mask), reference.embed_tokens(ids, mask), atol=near)
    assert graphs.can_pack == reference.can_pack == (bundle.text.padding == "longest")
    if graphs.can_pack:
        compare_packs(graphs, reference, bundle.model["text"]["end_id"], near)


def compare_packs(graphs, reference, end_id, near):
    """Texts that begin alike, of many lengths, in several packs and in one: the vectors of each text alone."""
    random = np.random.default_rng(1)
    ids = random.integers(1, 3, (60, 20)) + 10 * np.arange(20)
    lengths = random.integers(1, 21, 60)
    ids[np.arange(60), lengths - 1] = end_id
    alone = np.concatenate(
        [
            reference.embed_tokens(row[None, :length], np.ones((1, length), np.int64))
            for row, length in zip(ids, lengths, strict=True)
        ]
    )
    for tokens_per_batch in (40, 4096):
        for batch in pack(ids, lengths, tokens_per_batch=tokens_per_batch):
            for backend in (graphs, reference):
                got = backend.embed_packs(batch.packs)[batch.pack_of_row, batch.end_of_row]
                np.testing.assert_allclose(got, alone[batch.rows], atol=near)


def test_the_graphs_give_torchs_numbers(bundle):
    compare(bundle, NEAR)


def test_they_do_with_weights_in_fewer_bits(bundle, tmp_path):
    if bundle.model is not CLIP:
        pytest.skip("what is stored in fewer bits is decoded alike in every family, and tracing takes seconds")
    smaller = copy_bundle(bundle, tmp_path / "smaller", storage={"image": "float16", "text": "int8"})
    export(smaller.folder)
    compare(smaller, NEAR)


def test_the_packed_graph_holds_no_weights_of_its_own(bundle):
    graph = bundle.folder / PACKED_GRAPH
    assert graph.is_file() == bundle.is_causal
    if bundle.is_causal:
        assert graph.stat().st_size < 100_000
