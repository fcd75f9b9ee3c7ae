"""Whether a long picture is found by what lies at one end of it: its middle square alone, and several squares.

    python bench/tall.py imagenet-1000.tar [--model starter] [--photos 4]

Photographs are put beside each other in strips, tall ones and wide ones. The text of each photograph's class then
searches all strips: how often is the strip that has it the first? Each place of the strip is a column. `alone` is the
same search among the photographs themselves, which no way of cutting can be expected to beat.
"""

import argparse
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from seesay.encoders import load
from seesay.encoders.encoder import Encoder
from seesay.evaluation.datasets import open_dataset
from seesay.inputs.pictures import open_picture
from seesay.search.tiles import cut, squares

SIDE_PX = 320  # of one photograph


def main() -> None:
    """Print a line for each shape and each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="anything that `seesay eval --on` takes, one label a picture")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--photos", type=int, default=4, help="of one strip")
    arguments = parser.parse_args()
    encoder = load(arguments.model)
    dataset = open_dataset(arguments.dataset)
    if (truth := dataset.single_labels) is None:
        raise SystemExit(f"{arguments.dataset} has no label for each picture; name a dataset of classes")
    labels, classes = truth.labels, truth.classes
    order = np.random.default_rng(0).permutation(len(labels))
    order = order[: len(order) // arguments.photos * arguments.photos]
    strips = order.reshape(-1, arguments.photos)
    texts_NE = encoder.encode_texts([f"a photo of a {classes[labels[number]]}." for number in order])
    photos = [_photo(dataset.pictures[number]) for number in order]
    vectors_NE = encoder.encode_images(photos)
    print(f"{encoder.id}, {len(strips)} strips of {arguments.photos} photographs, recall@1 by place, and their mean")
    _print("alone", "", _recall(texts_NE, vectors_NE, np.arange(len(order)), np.arange(len(order))), strips.shape)
    owners = np.arange(len(order)) // arguments.photos
    for shape in ("tall", "wide"):
        joined = [
            _join(photos[start : start + arguments.photos], shape) for start in range(0, len(order), arguments.photos)
        ]
        for way in ("middle", "squares"):
            vectors_ME, of_strip = _encode(encoder, joined, way)
            _print(way, shape, _recall(texts_NE, vectors_ME, of_strip, owners), strips.shape)


def _photo(source: object) -> Image.Image:
    return ImageOps.fit(open_picture(source, target_px=SIDE_PX), (SIDE_PX, SIDE_PX))  # type: ignore[arg-type]


def _join(photos: Sequence[Image.Image], shape: str) -> Image.Image:
    step = (0, SIDE_PX) if shape == "tall" else (SIDE_PX, 0)
    strip = Image.new("RGB", (SIDE_PX + step[0] * (len(photos) - 1), SIDE_PX + step[1] * (len(photos) - 1)))
    for number, photo in enumerate(photos):
        strip.paste(photo, (step[0] * number, step[1] * number))
    return strip


def _encode(encoder: Encoder, strips: Sequence[Image.Image], way: str) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """(M, E) vectors, and which strip each is of."""
    pieces = [
        (number, piece)
        for number, strip in enumerate(strips)
        for piece in [strip, *(cut(strip, box) for box in squares(*strip.size) if way == "squares")]
    ]
    return encoder.encode_images([piece for _, piece in pieces]), np.array([number for number, _ in pieces])


def _recall(
    texts_NE: NDArray[np.float32], vectors_ME: NDArray[np.float32], of_file: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(N,) whether the best vector of all is one of the right file."""
    best = (texts_NE @ vectors_ME.T).argmax(axis=1)
    found: NDArray[np.bool_] = of_file[best] == right
    return found


def _print(way: str, shape: str, found_N: NDArray[np.bool_], places: tuple[int, ...]) -> None:
    by_place = 100 * found_N.reshape(places).mean(axis=0)
    print(
        f"{shape:<5} {way:<8}" + "".join(f"{share:7.1f}" for share in by_place) + f"  {by_place.mean():7.1f} %",
        flush=True,
    )


if __name__ == "__main__":
    main()
