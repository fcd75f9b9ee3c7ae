"""Datasets and views for tests of the evaluation: no picture, no model, only vectors that say the truth or nothing."""

from dataclasses import replace

import numpy as np

from seesay.evaluation.dataset import Captions, Choices, Dataset, Labels

CLASSES = ("ant", "bee", "cat", "dog", "elk", "fox", "gnu", "hen")
PER_CLASS = 6


class MadePictures:
    """Pictures that are never opened."""

    def __init__(self, num, digest="made"):
        self.num, self.digest = num, digest

    def __len__(self):
        return self.num

    def __getitem__(self, number):
        raise AssertionError("a task must not open pictures")

    def key(self, number):
        return f"picture {number}"


class MadeView:
    """A view whose vectors are given: `images` (N, E), `of_text` a function of a sentence, `feature_rows` (N, D)."""

    encoder = "made@000000000000"
    scale = 100.0

    def __init__(self, dataset, images, of_text, feature_rows=None, train=None, validation=None):
        self.dataset, self._images, self._of_text = dataset, images, of_text
        self._features = images if feature_rows is None else feature_rows
        self.train, self.validation = train, validation

    def images(self):
        return self._images

    def features(self):
        return self._features

    def texts(self, sentences):
        return np.stack([self._of_text(sentence) for sentence in sentences]).astype(np.float32)

    def prompts(self, sentences):
        rows = np.stack([self.texts(some).mean(axis=0) for some in sentences])
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def labelled(metric="accuracy", classes=CLASSES, per_class=PER_CLASS):
    """Every class as often as the others, with a split to train on."""
    labels = np.repeat(np.arange(len(classes)), per_class)
    made = Dataset(
        name="made", pictures=MadePictures(len(labels)), labels=Labels(classes=classes, labels=labels, metric=metric)
    )
    return replace(made, train=made)


def several_labels():
    """Of each picture one or two of the classes."""
    marks = np.zeros((40, len(CLASSES)), bool)
    marks[np.arange(40), np.arange(40) % len(CLASSES)] = True
    marks[np.arange(0, 40, 3), (np.arange(0, 40, 3) + 2) % len(CLASSES)] = True
    labels = Labels(classes=CLASSES, labels=marks, metric="map_11_point")
    made = Dataset(name="made", pictures=MadePictures(40), labels=labels)
    return replace(made, train=made)


def captioned(num=24):
    """One to three texts a picture, each naming its picture."""
    owners = np.concatenate([np.full(1 + number % 3, number) for number in range(num)])
    texts = tuple(f"picture {number} once more {place}" for place, number in enumerate(owners))
    return Dataset(
        name="made", pictures=MadePictures(num), captions=Captions(texts=texts, image_of_text=owners.astype(np.int64))
    )


def winoground(num=12):
    """Two pictures and two texts a question."""
    return Dataset(
        name="made",
        pictures=MadePictures(2 * num),
        choices=Choices(
            images=tuple((2 * number, 2 * number + 1) for number in range(num)),
            texts=tuple((f"picture {2 * number}", f"picture {2 * number + 1}") for number in range(num)),
            tags=tuple(("object", "relation")[number % 2] for number in range(num)),
        ),
    )


def sugarcrepe(num=12):
    """One picture, its text and a wrong one."""
    return Dataset(
        name="made",
        pictures=MadePictures(num),
        choices=Choices(
            images=tuple((number,) for number in range(num)),
            texts=tuple((f"picture {number}", f"picture {num + number}") for number in range(num)),
            tags=tuple(("replace", "swap")[number % 2] for number in range(num)),
        ),
    )


def grouped():
    """Labels, and of each picture a group."""
    made = labelled()
    return replace(made, groups=tuple("ab"[number % 2] for number in range(len(made.pictures))))


DATASETS = {
    "labels": labelled,
    "several labels": several_labels,
    "captions": captioned,
    "two pictures, two texts": winoground,
    "one picture, two texts": sugarcrepe,
    "groups": grouped,
}


def perfect_view(dataset):
    """Each picture's vector says what it shows, and each text's what it says."""
    num = len(dataset.pictures)
    if dataset.labels is not None:
        classes, labels = dataset.labels.classes, dataset.labels.labels
        images = unit(labels.astype(float)) if labels.dtype == bool else np.eye(len(classes))[labels]
        images = np.pad(images, ((0, 0), (0, 1)))
        named = np.eye(len(classes) + 1)  # the last is for texts about something else

        def of_text(sentence):
            said = [named[place] for place, name in enumerate(classes) if name in sentence]
            return sum(said) if said else named[-1]

    else:
        images = np.eye(2 * num)[:num]

        def of_text(sentence):
            return np.eye(2 * num)[int(sentence.split()[1])]

    return _view(dataset, images.astype(np.float32), of_text)


def constant_view(dataset):
    """The same vector for whatever it is given."""
    same = unit(np.ones(16))
    return _view(dataset, np.tile(same, (len(dataset.pictures), 1)), lambda sentence: same)


def broken_view(dataset):
    """Vectors that are no numbers."""
    view = perfect_view(dataset)
    images = view.images().copy()
    images[0, 0] = np.nan
    return _view(dataset, images, view._of_text)


def _view(dataset, images, of_text):
    alone = replace(dataset, train=None)
    train = MadeView(alone, images, of_text) if dataset.train is not None else None
    return MadeView(dataset, images, of_text, train=train)
