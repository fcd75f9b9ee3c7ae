"""Whether a part of a picture is nearest to the name of what is there: patch features, without any training for them.

    python bench/starter_patches.py COCO_FOLDER [--model starter]

COCO_FOLDER holds images/, polygons/ (YOLO's text form, a class and the corners in shares of the sides) and
classes.yaml. Counted are the patches whose middle lies in things of one class alone, in pictures of at least two
classes; the choice is among the classes of the picture.
"""

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageOps

from seesay.encoders import load
from seesay.inputs.pictures import open_picture
from seesay.training.phrases import with_article

SIDE = 480
# COCO's numbers of its 80 classes, which the polygons have, with gaps; classes.yaml counts without them
IDS = [number for number in range(1, 91) if number not in {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}]


def read(folder: Path) -> Iterator[tuple[Image.Image, dict[int, NDArray[np.bool_]]]]:
    """Square pictures, and where the things of each class are."""
    for path in sorted((folder / "images").iterdir()):
        picture = open_picture(path)
        masks: dict[int, Image.Image] = {}
        for line in (folder / "polygons" / f"{path.stem}.txt").read_text().splitlines():
            label, *corners = line.split()
            shares = np.array(corners, float).reshape(-1, 2)
            mask = masks.setdefault(int(label), Image.new("1", picture.size))
            ImageDraw.Draw(mask).polygon([tuple(corner) for corner in shares * picture.size], fill=1)
        square = ImageOps.fit(picture, (SIDE, SIDE))
        yield (
            square,
            {label: np.asarray(ImageOps.fit(mask.convert("L"), (SIDE, SIDE))) > 127 for label, mask in masks.items()},
        )


def main() -> None:
    """Print the share of patches that name what is there, and what choosing by chance or by size would give."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="starter")
    arguments = parser.parse_args()
    encoder = load(arguments.model)
    listed = re.findall(r"^ +\d+: (.+)$", (arguments.folder / "classes.yaml").read_text(), re.MULTILINE)
    names = dict(zip(IDS, listed, strict=True))
    right, by_chance, whole = [], [], []
    for picture, masks in read(arguments.folder):
        labels = sorted(masks)
        if len(labels) < 2:
            continue
        texts_CE = encoder.encode_texts([f"a photo of {with_article(names[label])}" for label in labels])
        patches_PPE = encoder.encode_patches([picture])[0]
        middles = ((np.arange(len(patches_PPE)) + 0.5) * SIDE / len(patches_PPE)).astype(int)
        there_CPP = np.stack([masks[label][np.ix_(middles, middles)] for label in labels])
        is_clear = there_CPP.sum(axis=0) == 1
        truth = there_CPP.argmax(axis=0)[is_clear]
        right += list((patches_PPE @ texts_CE.T).argmax(axis=-1)[is_clear] == truth)
        by_chance += [1 / len(labels)] * len(truth)
        whole += list((encoder.encode_images([picture])[0] @ texts_CE.T).argmax() == truth)
    print(f"{encoder.id}: of {len(right)} patches {100 * np.mean(right):.1f} % are right")
    print(f"by chance {100 * np.mean(by_chance):.1f} %")
    print(f"all of a picture named as the whole picture is {100 * np.mean(whole):.1f} %")


if __name__ == "__main__":
    main()
