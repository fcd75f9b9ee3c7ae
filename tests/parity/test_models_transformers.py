"""CLIPModel and SiglipModel of transformers give our vectors, from the same random weights."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from references import compare, hf_model, hf_vectors, inputs, ours, shrink, vectors  # noqa: E402

from seesay.models.variants import VARIANTS  # noqa: E402

# float32: we measure 2e-7. GELU in its tanh form moves a vector of two layers by 2e-5 only, at a cosine of
# 0.9999999, so the usual tolerance of 1e-4 would let it pass
COSINE, DIFFERENCE = 0.999999, 2e-6
NAMES = (
    "ViT-B-32-quickgelu",
    "ViT-B-16-quickgelu",
    "ViT-L-14-quickgelu",
    "ViT-H-14",
    "ViT-g-14",
    "ViT-B-16-SigLIP",
    "ViT-SO400M-14-SigLIP-384",
    "ViT-B-32-SigLIP2-256",
)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", NAMES)
def test_vectors_are_transformers(transformers, name):
    config = shrink(VARIANTS[name].model)
    clip = ours(config)
    theirs = hf_vectors(hf_model(transformers, config, clip), config)
    for one, other in zip(vectors(clip, config), theirs, strict=True):
        cosine, difference = compare(one, other)
        assert cosine >= COSINE
        assert difference < DIFFERENCE


def test_padding_with_the_end_token_is_padding_with_anything(transformers):
    """transformers pads with the end token, OpenAI with zeros: the first end counts in both."""
    config = shrink(VARIANTS["ViT-B-32-quickgelu"].model)
    clip = ours(config)
    _, tokens, mask = inputs(config)
    padded = tokens.masked_fill(mask == 0, config["text"]["end_id"])
    with torch.inference_mode():
        theirs = hf_model(transformers, config, clip).get_text_features(padded, attention_mask=mask)
        theirs = torch.nn.functional.normalize(theirs.pooler_output, dim=1)
        assert compare(clip.embed_texts(padded, mask), theirs)[1] < DIFFERENCE
        assert compare(clip.embed_texts(tokens, mask), theirs)[1] < DIFFERENCE
