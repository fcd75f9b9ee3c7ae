"""Datasets of the Hugging Face library, with a stand-in for it."""

import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from archives import plain

from seesay.base.errors import DataError, InputError, MissingExtraError
from seesay.evaluation.datasets import open_dataset

PICTURES = [plain((number, 0, 0)) for number in range(3)]


class Rows:
    """One split, as `datasets.Dataset` gives it: a row is a dict, a column a list."""

    def __init__(self, columns, names=None, is_decoded=True):
        self._columns, self._names, self.is_decoded = columns, names, is_decoded
        self.column_names = list(columns)
        self.features = {name: SimpleNamespace(**({"names": names} if names else {})) for name in columns}
        self._fingerprint = repr(sorted(columns.items()))

    def __len__(self):
        return len(next(iter(self._columns.values())))

    def __getitem__(self, key):
        if isinstance(key, str):
            return self._columns[key]
        assert not self.is_decoded, "pictures must be asked for as bytes"
        return {name: values[key] for name, values in self._columns.items()}

    def cast_column(self, column, kind):
        return Rows(self._columns, self._names, is_decoded=kind.decode)


@pytest.fixture
def library(monkeypatch):
    """The module; `splits` is what it finds and `asked` what it was asked for."""
    module = ModuleType("datasets")
    module.asked = []

    def load_dataset(*arguments):
        module.asked.append(arguments)
        if module.splits is None:
            raise ValueError("no such dataset\nand a long story")
        return module.splits

    module.load_dataset = load_dataset
    module.Image = lambda decode: SimpleNamespace(decode=decode)
    monkeypatch.setitem(sys.modules, "datasets", module)
    return module


def rows(num=3, **columns):
    names = columns.pop("names", None)
    return Rows({"image": [{"bytes": one, "path": None} for one in PICTURES[:num]], **columns}, names)


def test_labels_have_the_names_of_their_feature(library):
    library.splits = {
        "train": rows(label=[1, 0, 0], names=["big_cow", "ape"]),
        "test": rows(2, label=[1, 0], names=["big_cow", "ape"]),
    }
    dataset = open_dataset("hf:org/own/small", with_train=True)
    assert library.asked == [("org/own", "small")]
    assert dataset.labels.classes == ("big cow", "ape")
    assert dataset.labels.labels.tolist() == [1, 0]
    assert [dataset.pictures[number] for number in range(2)] == PICTURES[:2]
    assert len(dataset.train.pictures) == 3
    assert dataset.pictures.digest != dataset.train.pictures.digest


def test_captions_may_be_several(library):
    library.splits = {"test": rows(caption=[["one", "two"], ["three"], "four"])}
    captions = open_dataset("hf:org/own").captions
    assert captions.texts == ("one", "two", "three", "four")
    np.testing.assert_array_equal(captions.image_of_text, [0, 0, 1, 2])


def test_a_picture_may_lie_in_a_file_or_be_missing(library, tmp_path):
    cells = [{"bytes": None, "path": str(tmp_path / "1.png")}, {"bytes": None, "path": None}, None]
    library.splits = {"test": Rows({"img": cells, "label": [0, 1, 1]}, ["a", "b"])}
    pictures = open_dataset("hf:org/own").pictures
    assert pictures[0] == tmp_path / "1.png"
    for number in (1, 2):
        with pytest.raises(InputError, match="no picture"):
            pictures[number]


def test_what_is_not_there_is_said(library):
    library.splits = {"train": rows(label=[0, 0, 0], names=["a"])}
    with pytest.raises(DataError, match="no split to test on, only train"):
        open_dataset("hf:org/own")
    library.splits = {"test": rows(colour=["red"] * 3)}
    with pytest.raises(DataError, match="has columns image, colour"):
        open_dataset("hf:org/own")
    library.splits = None
    with pytest.raises(DataError, match=r"hf:org/own cannot be opened: no such dataset$"):
        open_dataset("hf:org/own")


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"seesay\[datasets\]"):
        open_dataset("hf:org/own")
