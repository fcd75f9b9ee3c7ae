"""Every recipe on a small model of every family, in micro batches: what trains, and what is refused."""

import dataclasses
from typing import get_args

import pytest
import tokenizers
import torch
from clips import make_clips
from tiny import make_bundle

from seesay.base.errors import UsageError
from seesay.models import IMAGE_TOWERS, TEXT_TOWERS, variants
from seesay.models.variants import Family
from seesay.training import loop
from seesay.training.checkpoint import Checkpoints
from seesay.training.loop import train
from seesay.training.monitor import read_log
from seesay.training.recipes import RECIPES, find_recipe, shrink

WORDS = ("<pad>", "</s>", "<unk>", "a", "picture", "red", "green", "blue", "white", "walking", "running")

_VIT = variants.vit(64, 32, 64, 2, 1)
_TEXT = variants.text(64, 2, context_length=16) | {"vocabulary_size": len(WORDS), "end_id": WORDS.index("</s>")}
_SIGLIP_TEXT = _TEXT | variants.SIGLIP_READING
_SIGLIP_VIT = variants.siglip_vit(64, 32, 64, 2, 4, 128, "gelu")
_PE_VIT = variants.pe_vit(64, 32, 64, 2, 8)
_EFFICIENTNET = {"tower": "efficientnet_lite", "channel_factor": 0.25, "depth_factor": 0.3, "head_dim": 64}
_BERT = {
    "tower": "bert",
    "vocabulary_size": len(WORDS),
    "context_length": 16,
    "width": 64,
    "num_layers": 2,
    "num_heads": 4,
    "mlp_dim": 64,
    "norm_eps": 1e-12,
    "pooling": "mean",
}

# a family's preprocessing, and a model with all that is special about how such models are built
FAMILIES = {
    "CLIP ViT": ("clip", variants.clip(64, _VIT, _TEXT)),
    "CLIP ResNet": ("clip", variants.clip(32, variants.resnet(64, 8, (1, 1, 1, 1)), _TEXT)),
    "SigLIP": ("siglip", variants.clip(64, _SIGLIP_VIT, _SIGLIP_TEXT) | variants.SIGLIP_HEAD),
    "SigLIP i18n": (
        "siglip_i18n",
        variants.clip(64, _SIGLIP_VIT, _SIGLIP_TEXT) | variants.SIGLIP_HEAD | {"text_projection": "none"},
    ),
    "SigLIP 2": (
        "siglip2",
        variants.clip(64, _SIGLIP_VIT | {"activation": "gelu_tanh"}, _SIGLIP_TEXT | {"activation": "gelu_tanh"})
        | variants.SIGLIP_HEAD,
    ),
    "PE-Core": ("pe", variants.clip(64, _PE_VIT, _TEXT) | {"image_projection": "affine"}),
    "PE-Core bigG": (
        "pe",
        variants.clip(64, _PE_VIT | {"has_class_token": False}, _TEXT) | {"image_projection": "affine"},
    ),
    "Chinese CLIP": ("clip", variants.clip(64, _VIT, _BERT | {"pooling": "class"})),
    "the starter": (
        "clip",
        variants.clip(64, _EFFICIENTNET, _BERT) | {"image_projection": "affine", "text_projection": "mlp"},
    ),
}
CONVOLUTIONS = ("CLIP ResNet", "the starter")
ROTARY = ("PE-Core", "PE-Core bigG")
REFUSED = {
    recipe: dict.fromkeys(families, message)
    for recipe, families, message in (
        ("tiny", (*CONVOLUTIONS, *ROTARY), "model.patch_dropout is a share"),
        ("openclipart_vit_tiny", (*CONVOLUTIONS, *ROTARY), "model.patch_dropout is a share"),
        ("lora_finetune", CONVOLUTIONS, "model.lora_rank adds to linear layers.*model.lora_towers=text"),
    )
}


def make_tokenizer():
    """A few words, each a token: reading OpenAI's 49,408 takes longer than two steps."""
    words = tokenizers.models.WordLevel({word: number for number, word in enumerate(WORDS)}, "<unk>")
    tokenizer = tokenizers.Tokenizer(words)
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer.post_processor = tokenizers.processors.TemplateProcessing(
        single="$A </s>", special_tokens=[("</s>", WORDS.index("</s>"))]
    )
    return tokenizer.to_str().encode()


@pytest.fixture(scope="module")
def bundles(tmp_path_factory):
    tokenizer = make_tokenizer()
    return {
        name: str(make_bundle(tmp_path_factory.mktemp("bundle") / "tiny", model, family, tokenizer).folder)
        for name, (family, model) in FAMILIES.items()
    }


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    return make_clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(autouse=True)
def unwritten(monkeypatch):
    """What is written is tested where it is written; here models train."""
    monkeypatch.setattr(loop, "write_trainee", lambda trainee, folder: trainee.bundle)


def config_of(recipe, start, source):
    config = shrink(find_recipe(recipe))
    return dataclasses.replace(
        config,
        model=dataclasses.replace(config.model, start=start),
        data=dataclasses.replace(config.data, sources=(source,)),
        micro_batch=4,
    )


def test_the_table_has_every_family_and_tower():
    assert {family for family, _ in FAMILIES.values()} == set(get_args(Family))
    assert {model["image"]["tower"] for _, model in FAMILIES.values()} == set(IMAGE_TOWERS)
    assert {model["text"]["tower"] for _, model in FAMILIES.values()} == set(TEXT_TOWERS)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("recipe", RECIPES)
def test_every_recipe_trains_every_family(recipe, family, bundles, pair_folder, class_folder, clips, tmp_path):
    whole = find_recipe(recipe)
    source = clips if whole.model.video.num_frames else class_folder if whole.data.hold_out else pair_folder
    config = config_of(recipe, bundles[family], source)
    if family in REFUSED.get(recipe, {}):
        with pytest.raises(UsageError, match=REFUSED[recipe][family]):
            train(config, tmp_path / "run")
        return
    train(config, tmp_path / "run")
    losses = [line["loss"] for line in read_log(tmp_path / "run")]
    assert len(losses) == 2
    assert torch.tensor(losses).isfinite().all()


@pytest.mark.parametrize("loss", ["softmax", "matching"])
def test_a_bias_that_the_loss_does_not_use_keeps_its_value(loss, bundles, pair_folder, tmp_path):
    config = config_of("lora_finetune", bundles["SigLIP"], pair_folder)
    train(dataclasses.replace(config, loss=loss), tmp_path / "run")
    assert float(Checkpoints(tmp_path / "run" / "checkpoints").read()["model"]["bias"]) == -10.0  # as it was written


@pytest.mark.parametrize(("family", "loss"), [("SigLIP", "sigmoid"), ("CLIP ViT", "softmax")])
@pytest.mark.parametrize("recipe", ["lora_finetune", "lit_finetune"])
def test_fine_tuning_keeps_the_loss_that_the_model_was_trained_with(
    recipe, family, loss, bundles, pair_folder, tmp_path
):
    config = config_of(recipe, bundles[family], pair_folder)
    for name, chosen in (("auto", config), ("named", dataclasses.replace(config, loss=loss))):
        train(chosen, tmp_path / name)
    auto, named = (Checkpoints(tmp_path / name / "checkpoints").read()["model"] for name in ("auto", "named"))
    assert auto.keys() == named.keys()
    assert all(torch.equal(auto[name], named[name]) for name in auto)
    assert ("bias" in auto) is (loss == "sigmoid")
