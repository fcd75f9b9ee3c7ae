"""Whether colours, numbers and styles are told apart: of one thing shown in several ways, which fits the words best.

    python bench/starter_attributes.py imagenet-1000.tar [--model starter] [--subjects 150]

Colours and numbers are of drawings of Open Clip Art that the model's recipe did not use, styles of photographs of the
dataset, each a fifth. Chance is one over the number of ways.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

import numpy as np
from PIL import ImageOps

from seesay.data.packages import default_cache
from seesay.encoders import load
from seesay.encoders.encoder import Encoder
from seesay.evaluation.datasets import open_dataset
from seesay.inputs.pictures import open_picture
from seesay.training.attributes import ATTRIBUTES, Subject, find_subjects
from seesay.training.phrases import plural, with_article
from seesay.training.recipes.starter import IMAGE_SIZE, StarterConfig, fetch_pictures

COLORS = [name for name, attribute in ATTRIBUTES.items() if attribute.family == "color"]
NUMBERS = {"1": "one {}", "2": "two {}", "4": "four {}", "9": "many {}"}
STYLES = {
    "black and white": "a black and white picture of {}",
    "blurry": "an unsharp, blurry picture of {}",
    "dark": "a very dark picture of {}",
    "bright": "a bright picture of {}",
    "sketch": "a sketch that shows {}",
    "pixelated": "a pixelated picture of {}",
    "sepia": "an old sepia picture of {}",
}


def share_right(encoder: Encoder, subjects: Sequence[Subject], ways: Sequence[str], texts: Sequence[str]) -> float:
    """How often, of one subject in all ways, the picture that a text means is the nearest to it."""
    texts_WE = encoder.encode_texts(texts)
    right = []
    for subject in subjects:
        pictures_WE = encoder.encode_images([ATTRIBUTES[way].show(subject) for way in ways])
        right += list((pictures_WE @ texts_WE.T).argmax(axis=0) == np.arange(len(ways)))
    return float(np.mean(right))


def main() -> None:
    """Print a line for each family."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--subjects", type=int, default=150)
    arguments = parser.parse_args()
    encoder, made, config = load(arguments.model), fetch_pictures(default_cache()), StarterConfig()
    count = config.num_subjects + arguments.subjects
    found = find_subjects(made.drawings, made.photos, count=count, size_px=IMAGE_SIZE, seed=config.seed)
    subjects = list(islice(found, config.num_subjects, None))
    print(f"{encoder.id}, {len(subjects)} drawings")
    for noun in ("object", "thing", "car", "hat", "bird"):
        texts = [f"{with_article(name)} {noun}" for name in COLORS]
        print(f"colour, 'a red {noun}': {100 * share_right(encoder, subjects, COLORS, texts):.1f} %", flush=True)
    for noun in ("thing", "dog", "bottle", "flower"):
        texts = [text.format(noun if way == "1" else plural(noun)) for way, text in NUMBERS.items()]
        print(f"number, 'two {plural(noun)}': {100 * share_right(encoder, subjects, list(NUMBERS), texts):.1f} %")
    dataset, right = open_dataset(arguments.dataset), []
    labels = dataset.single_labels
    assert labels is not None, "needs one label a picture"
    for number in range(0, len(dataset.pictures), 5):
        photo = ImageOps.fit(open_picture(dataset.pictures[number]), (IMAGE_SIZE, IMAGE_SIZE))
        name = with_article(labels.classes[int(labels.labels[number])])
        texts = [text.format(name) for text in STYLES.values()]
        right.append(share_right(encoder, [replace(subjects[0], photo=photo)], list(STYLES), texts))
    print(f"style, 'a very dark picture of a dog', {len(right)} photographs: {100 * np.mean(right):.1f} %")


if __name__ == "__main__":
    main()
