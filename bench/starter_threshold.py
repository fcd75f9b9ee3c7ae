"""When a picture matches a text: cosines of true matches, and of the best of a library that has no match.

    python bench/starter_threshold.py imagenet-1000.tar [--model starter] [--size 250] [--libraries 200]

Libraries are drawn, each of the pictures of so many classes. Asked for a class it has, one should show the picture;
asked for one it has not, it should say that nothing matches. For each threshold: the share of absent classes that are
recognised because their best picture is below it, and of present ones that are missed so. Classes with even numbers
choose the threshold, and the others judge.
"""

import argparse

import numpy as np
from numpy.typing import NDArray

from seesay.encoders import load
from seesay.evaluation.datasets import open_dataset

TEMPLATE = "a photo of a {}"


def main() -> None:
    """Print a line for each threshold, and then how the one that was chosen does."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--size", type=int, default=250, help="classes of a library")
    parser.add_argument("--libraries", type=int, default=200)
    parser.add_argument("--most-hidden", type=float, default=0.08)
    arguments = parser.parse_args()
    encoder, dataset = load(arguments.model), open_dataset(arguments.dataset)
    labels = dataset.single_labels
    assert labels is not None, "needs one label a picture"
    images_NE = encoder.encode_images([dataset.pictures[number] for number in range(len(dataset.pictures))])
    texts_CE = encoder.encode_texts([TEMPLATE.format(name) for name in labels.classes])
    cosines_NC = images_NE @ texts_CE.T
    print(f"{encoder.id}, {len(images_NE)} pictures of {len(labels.classes)} classes, libraries of {arguments.size}")
    numbers_N = np.asarray(labels.labels, np.int64)
    halves = [np.flatnonzero(numbers_N % 2 == half) for half in (0, 1)]
    best = [_best(cosines_NC, numbers_N, rows, arguments.size, arguments.libraries) for rows in halves]
    chosen = float(np.quantile(best[0][1], arguments.most_hidden))
    for threshold in (*np.arange(0.1, 0.5, 0.01), chosen):
        cells = [
            f"{name}: absent told {(absent < threshold).mean():.1%}, present missed {(own < threshold).mean():.1%}"
            for name, (absent, own) in zip(("choosing", "judging"), best, strict=True)
        ]
        print(f"{threshold:.3f}  " + "   ".join(cells), flush=True)


def _best(
    cosines_NC: NDArray[np.float32], labels_N: NDArray[np.int64], rows: NDArray[np.int64], size: int, libraries: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The best cosine in each library for 20 classes that it has not, and for 20 that it has."""
    random = np.random.default_rng(0)
    absent, own = [], []
    for _ in range(libraries):
        order = random.permutation(rows)
        inside, outside = order[:size], np.setdiff1d(labels_N[order[size:]], labels_N[order[:size]])
        cosines_SC = cosines_NC[inside]
        absent.append(cosines_SC[:, random.permutation(outside)[:20]].max(axis=0))
        own.append(cosines_SC[:, random.permutation(labels_N[inside])[:20]].max(axis=0))
    return np.concatenate(absent), np.concatenate(own)


if __name__ == "__main__":
    main()
