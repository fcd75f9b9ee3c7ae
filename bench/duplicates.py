"""How well near-duplicates are found: altered copies of photographs, and photographs that are no copies.

    python bench/duplicates.py --photos imagenet-1000.tar --others cifar10-test-2000.tar [--model starter]

The training set is the first half of the photographs. The test set is every fifth photograph of all, changed by turns
in one of the ways of `CHANGES`: those of the first half are copies, the others are not. A second test set has no copy
at all, and is also searched for pictures that it holds twice. No time is measured here.
"""

import argparse
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageEnhance, ImageOps

from seesay.encoders import load
from seesay.encoders.encoder import Encoder
from seesay.evaluation.dataset import Pictures
from seesay.evaluation.datasets import open_dataset
from seesay.evaluation.datasets.pictures import Part
from seesay.evaluation.duplicates import DuplicateConfig, differing_bits, find_duplicates, nearest, perceptual_hash
from seesay.inputs.pictures import open_picture


def crop(share: float) -> Callable[[Image.Image], Image.Image]:
    """Keep the middle `share` of each side."""

    def change(picture: Image.Image) -> Image.Image:
        x, y = (round(side * (1 - share) / 2) for side in picture.size)
        return picture.crop((x, y, picture.width - x, picture.height - y))

    return change


CHANGES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "recompressed": lambda picture: picture,
    "two thirds the size": lambda picture: picture.resize((picture.width * 2 // 3, picture.height * 2 // 3)),
    "mirrored": ImageOps.mirror,
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.3),
    "cropped to 92 %": crop(0.92),
    "cropped to 80 %": crop(0.8),
}


class Copies:
    """Pictures changed one after the other in each way, as JPEG of quality 60."""

    digest = ""

    def __init__(self, pictures: Pictures) -> None:
        self._pictures = pictures

    def __len__(self) -> int:
        return len(self._pictures)

    def __getitem__(self, number: int, /) -> bytes:
        picture = list(CHANGES.values())[number % len(CHANGES)](open_picture(self._pictures[number]))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=60)
        return file.getvalue()

    def key(self, number: int) -> str:
        """As the pictures call it."""
        return self._pictures.key(number)


def encode(encoder: Encoder, pictures: Pictures) -> NDArray[np.float32]:
    """(N, E), a few pictures in memory at a time."""
    parts = [range(start, min(start + 64, len(pictures))) for start in range(0, len(pictures), 64)]
    return np.concatenate([encoder.encode_images([pictures[number] for number in part]) for part in parts])


def main() -> None:
    """Print a line for each kind of change, and what was found where nothing should be."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", required=True)
    parser.add_argument("--others", required=True)
    parser.add_argument("--model", default="starter")
    arguments = parser.parse_args()
    encoder = load(arguments.model)
    photos, others = open_dataset(arguments.photos).pictures, open_dataset(arguments.others).pictures
    train = Part(photos, np.arange(len(photos) // 2))
    train_side = (train, encode(encoder, train))

    sources = np.arange(0, len(photos), 5)
    copies = Copies(Part(photos, sources))
    found = find_duplicates((copies, encode(encoder, copies)), train_side)
    right = {pair.test for pair in found if sources[pair.test] == pair.train}
    print(f"{encoder.id}: {len(copies)} altered photographs, {len(train)} in the training set")
    for number, name in enumerate(CHANGES):
        own = [i for i, source in enumerate(sources) if i % len(CHANGES) == number and source < len(train)]
        print(f"  {name:<20} found {len(right & set(own)):>2} of {len(own)}")
    print(f"  taken for a copy of another picture, or though there was none: {len(found) - len(right)}")

    other_vectors = encode(encoder, others)
    print(f"{len(others)} pictures without a copy: {len(find_duplicates((others, other_vectors), train_side))} found")
    sure, close = DuplicateConfig().sure_bits, DuplicateConfig().close_bits
    hashes = [perceptual_hash(open_picture(others[number], target_px=64)) for number in range(len(others))]
    for one, numbers in enumerate(nearest(other_vectors, other_vectors, 4)[1]):
        for other in numbers[numbers > one]:
            bits = differing_bits(hashes[one], hashes[other])
            if bits <= sure or (
                bits <= close and other_vectors[one] @ other_vectors[other] >= DuplicateConfig().cosine
            ):
                print(
                    f"  the same picture twice: {others.key(one)} and {others.key(int(other))} ({bits:.2f} of the bits)"
                )


if __name__ == "__main__":
    main()
