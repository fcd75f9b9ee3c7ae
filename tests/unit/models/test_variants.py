"""The table of published architectures, and what they cost."""

import json

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from seesay.models.size import build_empty, measure  # noqa: E402
from seesay.models.variants import VARIANTS  # noqa: E402

# millions of numbers of both towers, from the tables of open_clip's docs/model_profile.csv
PUBLISHED = {
    "RN50": 102.01,
    "RN101": 119.69,
    "RN50x4": 178.3,
    "RN50x16": 290.98,
    "RN50x64": 623.26,
    "ViT-B-32": 151.28,
    "ViT-B-32-256": 151.29,
    "ViT-B-16": 149.62,
    "ViT-L-14": 427.62,
    "ViT-L-14-336": 427.94,
    "ViT-H-14": 986.11,
    "ViT-g-14": 1366.68,
    "ViT-bigG-14": 2539.57,
    "ViT-B-16-SigLIP": 203.16,
    "ViT-L-16-SigLIP-256": 652.15,
    "ViT-SO400M-14-SigLIP": 877.36,
}


def test_the_papers_nine_and_those_that_people_load_most_are_there():
    nine = {"RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336"}
    assert {f"{name}-quickgelu" for name in nine} | nine <= VARIANTS.keys()
    more = {"ViT-H-14", "ViT-g-14", "ViT-B-32-256", "ViT-B-16-SigLIP", "ViT-B-32-SigLIP2-256"}
    assert more | {f"PE-Core-{size}" for size in ("T-16-384", "S-16-384", "B-16", "L-14-336")} <= VARIANTS.keys()


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_json_and_can_be_built(name):
    model = VARIANTS[name].model
    assert json.loads(json.dumps(model)) == model
    assert build_empty(model).dim == model["dim"]


@pytest.mark.parametrize("name", [name for name in VARIANTS if name.endswith("-quickgelu")])
def test_quickgelu_is_the_only_difference_of_its_variants(name):
    quick, plain = (json.dumps(VARIANTS[other].model) for other in (name, name.removesuffix("-quickgelu")))
    assert quick != plain
    assert quick.replace('"quick_gelu"', '"gelu"') == plain


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_model_has_as_many_numbers_as_published(name):
    clip = build_empty(VARIANTS[name].model)
    assert sum(parameter.numel() for parameter in clip.parameters()) / 1e6 == pytest.approx(PUBLISHED[name], abs=0.01)


def test_operations_by_hand():
    size = measure(VARIANTS["ViT-B-32"].model, image_size=224, context_length=77)
    tokens, width, patch = 50, 768, 3 * 32 * 32
    block = tokens * (3 + 1 + 4 + 4) * width * width + 2 * tokens * tokens * width
    # of the last block all tokens give keys and values, and one is computed
    last = tokens * 2 * width * width + (1 + 1 + 4 + 4) * width * width + 2 * tokens * width
    assert size.image_flops == 2 * (49 * patch * width + 11 * block + last + width * 512)
    assert size.image_parameters + size.text_parameters == 151_277_312  # all but the scale


def test_larger_pictures_and_longer_texts_cost_more():
    model = VARIANTS["ViT-S-32"].model
    small, large = (measure(model, image_size=side, context_length=side // 8) for side in (224, 448))
    assert large.image_flops > 3.9 * small.image_flops
    assert large.text_flops > 1.9 * small.text_flops
    assert large.image_parameters == small.image_parameters
