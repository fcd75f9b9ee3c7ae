"""The recipe at tiny size: what it fits is the optimum it says, and what it writes can be loaded."""

import numpy as np
import pytest
import torch

from seesay.base.paths import ASSETS
from seesay.encoders.bundle import Bundle
from seesay.inputs.tokenizer import TextConfig, Tokenizer
from seesay.models.clip import build
from seesay.training import alignment
from seesay.training.alignment import Concept
from seesay.training.recipes import starter
from seesay.training.recipes.starter import StarterConfig

DIM, NUM_CLASSES = 8, 12
TEXT_CONFIG = TextConfig(context_length=16, pad_id=0, padding="longest", cleaner="none")


@pytest.fixture
def clip():
    torch.manual_seed(0)
    text = starter.TEXT_TOWER | {"context_length": 16, "width": 24, "num_layers": 1, "num_heads": 2, "mlp_dim": 48}
    return build(starter.model_section(StarterConfig(dim=DIM)) | {"text": text}).eval()


def make_concepts():
    names = ["cat", "dog", "fox", "cow", "hen", "owl", "ant", "bee", "car", "bus", "jar", "cup"]
    return [Concept(name, (name,), f"it is a {name}", (index,), True) for index, name in enumerate(names)]


TEXTS = [text for concept in make_concepts() for text in alignment.write_texts(concept)]


def objective(clip, tokenizer, rows_CF, axes_EF, config, weight_ED, bias_E):
    """The regression's cost as its docstring says it, added up text by text."""
    texts, owners, weights = alignment.concept_rows(
        make_concepts(), kind_weight=config.kind_weight, other_weight=config.other_weight
    )
    weights = weights.astype(np.float64) * 1000 / weights.sum()
    features = starter.read_texts(clip, tokenizer, texts).astype(np.float64)
    cost = config.ridge * np.square(weight_ED).sum()
    for feature, owner, share in zip(features, owners, weights, strict=True):
        look = alignment.look_of(make_concepts()[owner], alignment.directions(rows_CF)) @ axes_EF.T
        cost += share * np.square(weight_ED @ feature + bias_E - look).sum()
    return cost


def test_the_fit_is_the_least_of_its_cost(clip):
    tokenizer = Tokenizer(ASSETS / "starter" / "tokenizer.json", TEXT_CONFIG)
    config = StarterConfig(dim=DIM)
    rows_CF = np.random.default_rng(0).standard_normal((NUM_CLASSES, 1280)).astype(np.float32)
    axes_EF = alignment.principal_axes(alignment.directions(rows_CF), DIM)
    features = dict(zip(TEXTS, starter.read_texts(clip, tokenizer, TEXTS), strict=True))
    starter.fit(clip, features, make_concepts(), rows_CF, axes_EF, config)
    weight = clip.text_projection.weight.detach().numpy().astype(np.float64)
    bias = clip.text_projection.bias.detach().numpy().astype(np.float64)

    # The fit leaves the mean look out of the bias, so the best bias is its own plus that mean.
    _, owners, counts = alignment.concept_rows(
        make_concepts(), kind_weight=config.kind_weight, other_weight=config.other_weight
    )
    looks = alignment.directions(rows_CF) @ axes_EF.T
    bias += (looks[owners] * (counts / counts.sum())[:, None]).sum(axis=0)

    least = objective(clip, tokenizer, rows_CF, axes_EF, config, weight, bias)
    random = np.random.default_rng(1)
    for _ in range(5):
        step_ED, step_E = 1e-2 * random.standard_normal(weight.shape), 1e-2 * random.standard_normal(bias.shape)
        for sign in (1, -1):
            moved = objective(clip, tokenizer, rows_CF, axes_EF, config, weight + sign * step_ED, bias + sign * step_E)
            assert moved > least


def test_pictures_are_centred_on_the_mean_of_the_tower(clip):
    norm = clip.image_tower.head.norm
    torch.nn.init.normal_(norm.bias)
    mean, _ = alignment.relu6_moments(norm.bias.detach().numpy(), norm.weight.detach().numpy())
    axes = np.linalg.qr(np.random.default_rng(0).standard_normal((1280, DIM)))[0].T.astype(np.float32)
    starter.centre_images(clip, axes)
    centre = clip.image_projection(torch.from_numpy(mean)).detach().numpy()
    np.testing.assert_allclose(centre, 0, atol=1e-4)


def test_the_shipped_bundle_is_what_the_recipe_describes():
    bundle = Bundle.open(ASSETS / "starter")
    config = StarterConfig()
    assert bundle.model == starter.model_section(config)
    assert bundle.dim == config.dim
    size_bytes = sum(file.stat().st_size for file in (ASSETS / "starter").iterdir())
    assert size_bytes <= 40e6
    assert build(bundle.model).text_tower.width == 384
