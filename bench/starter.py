"""What the starter scores: ImageNet and CIFAR-10 through text, on WebDataset tars that you have.

    python bench/starter.py --imagenet imagenet-1000.tar --cifar10 cifar10-test-2000.tar [--model starter]

A tar holds `KEY.jpg` and `KEY.cls`. Intervals are 95 % (Wilson).
"""

import argparse
import json
import math
import tarfile
import time
from pathlib import Path

import numpy as np

from seesay.base.paths import ASSETS
from seesay.encoders import load
from seesay.tasks.classify import build_classifier

CIFAR10 = ["airplane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def read_tar(path: Path) -> tuple[list[bytes], list[int]]:
    """Encoded pictures and class numbers, in the order of their keys."""
    with tarfile.open(path) as archive:
        files = {
            member.name: file.read()
            for member in archive.getmembers()
            if (file := archive.extractfile(member)) is not None
        }
    keys = sorted(name.removesuffix(".cls") for name in files if name.endswith(".cls"))
    return [files[f"{key}.jpg"] for key in keys], [int(files[f"{key}.cls"]) for key in keys]


def wilson(share: float, count: int) -> tuple[float, float]:
    """The 95 % interval of a share of `count`."""
    z = 1.96
    middle = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / (1 + z * z / count)
    return middle - half, middle + half


def main() -> None:
    """Print a line for each tar."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--imagenet", type=Path)
    parser.add_argument("--cifar10", type=Path)
    parser.add_argument("--model", default="starter")
    arguments = parser.parse_args()
    encoder = load(arguments.model)
    print(encoder.id)
    facts = json.loads((ASSETS / "imagenet-classes.json").read_text("utf-8"))
    imagenet = [name for _, name in facts["classes"]]
    for title, path, names in (("ImageNet", arguments.imagenet, imagenet), ("CIFAR-10", arguments.cifar10, CIFAR10)):
        if path is None:
            continue
        images, classes = read_tar(path)
        classifier = build_classifier(encoder, list(dict.fromkeys(names)))
        unique = list(dict.fromkeys(names))
        wanted = np.array([unique.index(names[number]) for number in classes])
        begun = time.perf_counter()
        vectors = encoder.encode_images(images)
        rate = len(images) / (time.perf_counter() - begun)
        order = np.argsort(-(vectors @ classifier.T), axis=1)
        for at_most in (1, 5):
            share = float((order[:, :at_most] == wanted[:, None]).any(axis=1).mean())
            low, high = wilson(share, len(images))
            print(f"{title} top-{at_most}: {share:.1%} [{low:.1%}, {high:.1%}], n = {len(images)}, {rate:.0f} images/s")


if __name__ == "__main__":
    main()
