"""What `seesay train classes` learns from ten pictures a class, and what it forgets of ImageNet; accuracy only.

    python bench/classes.py cifar10-test-2000.tar imagenet-1000.tar [--seeds 3] [--num 10]

Five classes of CIFAR-10 that are alike (bird, cat, deer, dog, horse), once with their names and once with made-up
names that no model knows. All pictures that are not trained on are the test. The image tower stays as it is, so its
features of the test pictures are computed once, and each run's projection is applied to them.
"""

import argparse
import dataclasses
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from seesay.encoders import load
from seesay.encoders.bundle import Bundle
from seesay.encoders.catalog import open_bundle
from seesay.encoders.encoder import Encoder
from seesay.evaluation.dataset import Dataset, Labels
from seesay.evaluation.datasets import open_dataset
from seesay.tasks.classify import DEFAULT_TEMPLATE, build_classifier
from seesay.training.loop import train
from seesay.training.recipes import find_recipe

CLASSES = ("bird", "cat", "deer", "dog", "horse")
MADE_UP = ("Zorbax 40", "Quilby", "Nantero mug", "Fexil", "Ombra 2000")
_AT_ONCE = 64


def main() -> None:
    """Print a line for each run, and the means."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cifar")
    parser.add_argument("imagenet")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--num", type=int, default=10, help="pictures of a class to train on")
    arguments = parser.parse_args()
    encoder = load("starter")
    cifar, imagenet = open_dataset(arguments.cifar), open_dataset(arguments.imagenet)
    alike = np.flatnonzero(np.isin(_labels(cifar).labels, [_labels(cifar).classes.index(name) for name in CLASSES]))
    features = {"imagenet": _features(encoder, imagenet, np.arange(len(imagenet.pictures)))}
    features["cifar"] = np.zeros((len(cifar.pictures), features["imagenet"].shape[1]), np.float32)
    features["cifar"][alike] = _features(encoder, cifar, alike)
    known = encoder.encode_texts([DEFAULT_TEMPLATE.replace("{}", name) for name in _labels(imagenet).classes])
    print(f"{encoder.id}, {arguments.num} pictures a class, top-1", flush=True)
    for title, names in (("their names", CLASSES), ("made-up names", MADE_UP)):
        rows = []
        for seed in range(arguments.seeds):
            chosen, tested, labels = _split(_labels(cifar), seed, arguments.num)
            with tempfile.TemporaryDirectory() as folder:
                _write(cifar, chosen, names, Path(folder) / "pictures")
                bundle = _train(Path(folder), seed)
                classifier = build_classifier(encoder, list(names))  # the text side stays, so one does for both
                row = []
                for projection in (open_bundle("starter"), bundle):
                    row.append(_top1(projection, features["cifar"][tested], labels, classifier))
                    row.append(_top1(projection, features["imagenet"], _labels(imagenet).labels, known))
            rows.append(row)
            print(f"{title}, seed {seed}, {len(tested)} pictures: {_said(row)}", flush=True)
        print(f"{title}, mean: {_said(np.mean(rows, axis=0))}", flush=True)


def _said(row: "list[float] | NDArray[np.float64]") -> str:
    before, imagenet_before, after, imagenet_after = row
    return f"{before:.1%} before, {after:.1%} after; ImageNet {imagenet_before:.1%} before, {imagenet_after:.1%} after"


def _labels(dataset: Dataset) -> Labels:
    assert dataset.single_labels is not None
    return dataset.single_labels


def _features(encoder: Encoder, dataset: Dataset, numbers: NDArray[np.int64]) -> NDArray[np.float32]:
    sources = [dataset.pictures[int(number)] for number in numbers]
    starts = range(0, len(sources), _AT_ONCE)
    return np.concatenate([encoder.encode_features(sources[start : start + _AT_ONCE]) for start in starts])


def _split(labels: Labels, seed: int, num: int) -> tuple[list[tuple[int, int]], NDArray[np.int64], NDArray[np.int64]]:
    random = np.random.default_rng(seed)
    chosen, tested, classes = [], [], []
    for place, name in enumerate(CLASSES):
        order = random.permutation(np.flatnonzero(labels.labels == labels.classes.index(name)))
        chosen += [(int(number), place) for number in order[:num]]
        tested += order[num:].tolist()
        classes += [place] * (len(order) - num)
    return chosen, np.array(tested), np.array(classes)


def _write(dataset: Dataset, chosen: list[tuple[int, int]], names: tuple[str, ...], folder: Path) -> None:
    for number, place in chosen:
        path = folder / names[place] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        content = dataset.pictures[number]
        assert isinstance(content, bytes)
        path.write_bytes(content)


def _train(folder: Path, seed: int) -> Bundle:
    config = find_recipe("classes")
    data = dataclasses.replace(config.data, sources=(str(folder / "pictures"),), hold_out=0.0)
    bundle = train(dataclasses.replace(config, data=data, seed=seed), folder / "run")
    assert bundle is not None
    return bundle


def _top1(
    bundle: Bundle,
    features: NDArray[np.float32],
    labels: NDArray[np.int64] | NDArray[np.bool_],
    classifier: NDArray[np.float32],
) -> float:
    weights = bundle.read_weights()
    vectors = features @ weights["image_projection.weight"].T + weights["image_projection.bias"]
    return float(np.mean(np.argmax(vectors @ classifier.T, axis=1) == labels))


if __name__ == "__main__":
    main()
