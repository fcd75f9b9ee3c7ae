from dataclasses import replace
from math import comb

import evaluations
import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from seesay.base.errors import InputError, UsageError
from seesay.evaluation.duplicates import (
    DuplicateConfig,
    differing_bits,
    find_duplicates,
    nearest,
    perceptual_hash,
)
from seesay.evaluation.overlap import overlap, report

RANDOM = np.random.default_rng(0)


def scene(seed, size=(160, 120)):
    """Something with large and small shapes, as photographs have."""
    random = np.random.default_rng(seed)
    picture = Image.new("RGB", (4, 3))
    picture.putdata([tuple(int(value) for value in colour) for colour in random.integers(0, 256, (12, 3))])
    picture = picture.resize(size, Image.Resampling.BICUBIC)
    fine = Image.fromarray(random.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize(size)
    return Image.blend(picture, fine, 0.3)


class Painted(evaluations.MadePictures):
    """Pictures in memory, as files."""

    def __init__(self, folder, pictures):
        super().__init__(len(pictures))
        self.paths = []
        for number, picture in enumerate(pictures):
            self.paths.append(folder / f"{number}.png")
            folder.mkdir(exist_ok=True)
            picture.save(self.paths[-1])

    def __getitem__(self, number):
        return self.paths[number]


def vectors(seeds, noise=0.0):
    """A vector for each scene; the same scene has the same one, but for noise."""
    rows = np.stack([np.random.default_rng(seed).standard_normal(16) for seed in seeds])
    return evaluations.unit(rows + noise * np.random.default_rng(99).standard_normal(rows.shape))


COPIES = {
    "smaller": lambda picture: picture.resize((60, 45)),
    "of another shape": lambda picture: picture.resize((96, 96)),
    "mirrored": ImageOps.mirror,
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.15),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "cut at the edges": lambda picture: ImageOps.crop(picture, 4),
}


@pytest.mark.parametrize("change", COPIES)
def test_a_changed_copy_is_found_and_other_pictures_are_not(tmp_path, change):
    train = Painted(tmp_path / "train", [scene(seed) for seed in range(8)])
    test = Painted(tmp_path / "test", [COPIES[change](scene(5)), scene(20), COPIES[change](scene(2))])
    found = find_duplicates((test, vectors([5, 20, 2], 0.1)), (train, vectors(range(8))))
    assert [(pair.test, pair.train) for pair in found] == [(0, 5), (2, 2)]


def test_vectors_alone_make_no_copy(tmp_path):
    train, test = Painted(tmp_path / "train", [scene(1)]), Painted(tmp_path / "test", [scene(2)])
    assert not find_duplicates((test, vectors([1])), (train, vectors([1])))


def test_a_copy_is_found_that_the_encoder_takes_for_something_else(tmp_path):
    train = Painted(tmp_path / "train", [scene(seed) for seed in range(8)])
    test = Painted(tmp_path / "test", [ImageOps.mirror(scene(5))])
    found = find_duplicates((test, -vectors([5])), (train, vectors(range(8))), DuplicateConfig(neighbours=1))
    assert [(pair.test, pair.train) for pair in found] == [(0, 5)]


def test_of_close_vectors_more_bits_may_differ(tmp_path):
    cut = ImageOps.crop(scene(1), 9)
    bits = differing_bits(perceptual_hash(cut), perceptual_hash(scene(1)))
    config = DuplicateConfig(sure_bits=bits - 0.01, close_bits=bits + 0.01, cosine=0.9)
    train, test = Painted(tmp_path / "train", [scene(1)]), Painted(tmp_path / "test", [cut])
    assert len(find_duplicates((test, vectors([1])), (train, vectors([1])), config)) == 1
    assert not find_duplicates((test, vectors([7])), (train, vectors([1])), config)


def test_a_picture_that_cannot_be_read_is_no_copy(tmp_path):
    class Broken(Painted):
        def __getitem__(self, number):
            if number == 0:
                raise InputError("gone")
            return super().__getitem__(number)

    pictures = [scene(0), scene(1)]
    test, train = Broken(tmp_path / "test", pictures), Broken(tmp_path / "train", pictures)
    found = find_duplicates((test, vectors([0, 1])), (train, vectors([0, 1])))
    assert [(pair.test, pair.train) for pair in found] == [(1, 1)]


def test_the_hash_of_the_mirror_image_is_the_mirrors_hash():
    picture = scene(3, (64, 64))
    own, mirrored = perceptual_hash(picture), perceptual_hash(ImageOps.mirror(picture))
    assert (own[1] == mirrored[0]).all()
    assert (own[0] == mirrored[1]).all()


@pytest.mark.parametrize("block", [3, 7, 2048])
def test_the_nearest_are_those_of_the_whole_matrix_whatever_the_blocks(monkeypatch, block):
    monkeypatch.setattr("seesay.evaluation.duplicates._BLOCK", block)
    queries, rows = (evaluations.unit(RANDOM.standard_normal((num, 6))) for num in (20, 40))
    cosines, numbers = nearest(queries, rows, 4)
    expected = np.argsort(-(queries @ rows.T), axis=1)[:, :4]
    assert (numbers == expected).all()
    assert cosines == pytest.approx(np.take_along_axis(queries @ rows.T, expected, axis=1), abs=1e-6)


def test_fewer_rows_than_neighbours_are_all_found():
    rows = evaluations.unit(RANDOM.standard_normal((2, 6)))
    assert nearest(rows, rows, 5)[1].tolist() == [[0, 1], [1, 0]]


def test_vectors_that_do_not_match_are_an_error(tmp_path):
    rows = vectors([1, 2])
    with pytest.raises(UsageError, match=r"got \(2, 16\) and \(2, 15\)"):
        nearest(rows, rows[:, :-1], 1)
    with pytest.raises(UsageError, match="must be numbers"):
        nearest(rows * np.nan, rows, 1)
    with pytest.raises(UsageError, match="2 vectors for 1 pictures"):
        find_duplicates((evaluations.MadePictures(1), rows), (evaluations.MadePictures(2), rows))


def test_the_report_by_hand():
    right = np.array([1, 1, 1, 0, 1, 0, 0, 1, 0, 0], float)
    is_copy = np.arange(10) < 4
    found = report(right, is_copy)
    assert (found.num_samples, found.num_overlap) == (10, 4)
    assert (found.accuracy, found.accuracy_clean, found.accuracy_overlap) == (0.5, pytest.approx(1 / 3), 0.75)
    assert found.gain == pytest.approx(0.5 - 1 / 3)
    # three or four of four right, each with a probability of 1/3
    assert found.p_value == pytest.approx(sum(comb(4, k) * 2 ** (4 - k) for k in (3, 4)) / 3**4)
    assert found.low < 0.75 < found.high


def test_without_overlap_or_without_a_clean_part_what_cannot_be_said_is_left_out():
    right = np.array([1.0, 0.0])
    none, every = report(right, np.zeros(2, bool)), report(right, np.ones(2, bool))
    assert (none.accuracy_overlap, none.p_value, none.gain, (none.low, none.high)) == (None, None, 0, (0, 1))
    assert (every.accuracy_clean, every.p_value, every.gain) == (None, None, None)
    with pytest.raises(UsageError, match="one at least"):
        report(np.zeros(0), np.zeros(0, bool))


@pytest.fixture
def train_and_test(tmp_path):
    """Two of the four test pictures are in the training set, and only those are classified right."""
    train = Painted(tmp_path / "train", [scene(seed) for seed in range(6)])
    test = Painted(tmp_path / "test", [ImageOps.mirror(scene(4)), scene(31), scene(0), scene(32)])
    made = evaluations.labelled(classes=("ant", "bee"), per_class=2)
    dataset = replace(made, name="test", pictures=test, train=None)
    rows = vectors([4, 31, 0, 32])

    def of_text(sentence):
        # ant lies at the first picture and away from the second, bee at the third and away from the fourth
        return rows[0] - 2 * rows[1] if "ant" in sentence else rows[2] - 2 * rows[3]

    training = replace(dataset, name="train", pictures=train, labels=None)
    return (evaluations.MadeView(training, vectors(range(6)), of_text), evaluations.MadeView(dataset, rows, of_text))


def test_the_overlap_of_a_test_set_and_its_effect(train_and_test):
    result = overlap(train_and_test)
    found = {measure.name: measure.value for measure in result.measures}
    assert [(pair.test, pair.train) for pair in result.details["pairs"]["test"]] == [(0, 4), (2, 0)]
    assert found == {
        "mean_overlap": 0.5,
        "overlap[test]": 0.5,
        "accuracy[test]": 0.5,
        "accuracy_clean[test]": 0.0,
        "accuracy_overlap[test]": 1.0,
        "gain[test]": 0.5,
    }
    assert result.details["reports"]["test"].num_overlap == 2


def test_a_test_set_without_labels_has_its_share_alone(train_and_test):
    train, test = train_and_test
    bare = evaluations.MadeView(replace(test.dataset, labels=None), test.images(), test._of_text)
    assert [measure.name for measure in overlap([train, bare]).measures] == ["mean_overlap", "overlap[test]"]


def test_one_dataset_is_an_error(train_and_test):
    with pytest.raises(UsageError, match="training data with one test set or more"):
        overlap(train_and_test[:1])
