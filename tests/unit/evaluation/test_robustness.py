import json
from dataclasses import replace
from pathlib import Path

import evaluations
import numpy as np
import pytest

import seesay.evaluation.robustness as module
from seesay.base.errors import DataError, UsageError
from seesay.evaluation.robustness import (
    effective_robustness,
    find_shift,
    fit_line,
    load_shifts,
    logit,
    match,
    read_points,
    robustness,
)
from seesay.evaluation.zeroshot import zeroshot


def noisy_view(name="imagenet", classes=evaluations.CLASSES, *, noise=0.5, seed=0, order=None):
    """Pictures near what they show; every encoder is the same one."""
    dataset = replace(evaluations.labelled(classes=classes), name=name, train=None)
    names = evaluations.CLASSES
    truth = np.array([names.index(classes[label]) for label in dataset.labels.labels])
    random = np.random.default_rng(seed)
    images = evaluations.unit(np.eye(len(names))[truth] + noise * random.standard_normal((len(truth), len(names))))

    def of_text(sentence):
        return np.eye(len(names))[next(number for number, one in enumerate(names) if one in sentence)]

    return evaluations.MadeView(dataset, images, of_text)


def values(result):
    return {measure.name: measure.value for measure in result.measures}


def test_the_reference_is_cut_down_to_the_classes_of_the_shift():
    imagenet, shift = noisy_view(), noisy_view("imagenet-a", ("cat", "ant", "hen"), noise=0.9, seed=1)
    found = values(robustness([imagenet, shift]))
    kept = np.isin(imagenet.dataset.labels.labels, [0, 2, 7])
    scores = imagenet.images()[kept][:, [0, 2, 7]]
    by_hand = (np.array([0, 2, 7])[scores.argmax(axis=1)] == imagenet.dataset.labels.labels[kept]).mean()
    assert found["reference_accuracy[imagenet-a]"] == pytest.approx(by_hand)
    assert found["reference_accuracy[imagenet-a]"] > zeroshot(imagenet).measures[0].value  # of 3 classes, not of 8
    assert found["accuracy[imagenet-a]"] == zeroshot(shift).measures[0].value
    assert found["drop[imagenet-a]"] == pytest.approx(by_hand - found["accuracy[imagenet-a]"])


def test_a_dataset_is_no_shift_of_itself():
    view = noisy_view()
    result = robustness([view, noisy_view("imagenet-v2")])
    assert values(result)["drop[imagenet-v2]"] == 0
    drop = next(measure for measure in result.measures if measure.name.startswith("drop"))
    assert drop.low < 0 < drop.high


def test_the_mean_is_over_the_shifts():
    one, other = noisy_view("imagenet-v2", noise=0.8, seed=1), noisy_view("imagenet-sketch", noise=1.2, seed=2)
    found = values(robustness([noisy_view(), one, other]))
    assert found["mean_shift_accuracy"] == pytest.approx(
        (found["accuracy[imagenet-v2]"] + found["accuracy[imagenet-sketch]"]) / 2
    )


def test_equal_names_are_paired_in_their_order():
    classes = ("crane", "bird", "crane")
    view, shift = (
        evaluations.perfect_view(replace(evaluations.labelled(classes=classes), name=name)) for name in ("one", "two")
    )
    same, shifted = match(view, shift)
    assert (same, shifted) == (view, shift)


def test_known_shifts_have_as_many_classes_as_their_papers_say():
    shifts = load_shifts()
    assert tuple(shifts) == module.SHIFTS
    # A and R: 200; ObjectNet: 113 of its 313 classes are 125 of ImageNet's
    assert [len(shift.classes) for shift in shifts.values()] == [1000, 1000, 200, 200, 125]
    assert len(shifts["objectnet"].own) == 113
    for shift in shifts.values():
        assert len(set(shift.classes)) == len(shift.classes)
        assert set(shift.classes) <= set(range(1000))
    assert len(set(shifts["objectnet"].own)) == 113
    assert max(shifts["objectnet"].own) < 313


@pytest.mark.parametrize(
    ("name", "shift"),
    [
        ("imagenet-a", "imagenet-a"),
        ("ImageNet_R", "imagenet-r"),
        ("wds_imagenet_sketch", "imagenet-sketch"),
        ("imagenetv2-matched-frequency-format-val", "imagenet-v2"),
        ("objectnet-1.0", "objectnet"),
    ],
)
def test_a_shift_is_known_by_the_names_it_goes_by(name, shift):
    assert find_shift(name).name == shift


def test_imagenet_real_is_not_taken_for_imagenet_r():
    with pytest.raises(UsageError, match="imagenet-real is no known shift"):
        find_shift("imagenet-real")


def objectnet_view(num_classes):
    names = tuple(f"object {number}" for number in range(num_classes))
    return evaluations.constant_view(replace(evaluations.labelled(classes=names, per_class=1), name="objectnet"))


def test_objectnet_is_matched_by_number_whether_it_comes_whole_or_cut():
    names = tuple(f"thing {number}" for number in range(1000))
    imagenet = evaluations.constant_view(replace(evaluations.labelled(classes=names, per_class=1), name="imagenet"))
    same, whole = match(imagenet, objectnet_view(313))
    assert len(same.dataset.labels.classes) == 125
    assert len(whole.dataset.labels.classes) == 113
    assert whole.dataset.labels.classes[0] == "object 1"  # the alarm clock; the air freshener is none of ImageNet's
    assert len(match(imagenet, objectnet_view(113))[1].dataset.labels.classes) == 113
    with pytest.raises(UsageError, match=r"200 classes beside 1000, not 313"):
        match(imagenet, objectnet_view(200))


def test_datasets_without_a_class_in_common_are_an_error():
    other = evaluations.perfect_view(replace(evaluations.labelled(classes=("yak", "zebu")), name="farm"))
    with pytest.raises(UsageError, match="farm shares hardly a class name with imagenet"):
        robustness([noisy_view(), other])


def test_one_dataset_or_two_encoders_are_an_error():
    other = noisy_view("imagenet-v2")
    other.encoder = "another"
    for views in ([noisy_view()], [noisy_view(), other]):
        with pytest.raises(UsageError, match="one encoder on two datasets"):
            robustness(views)


def test_the_line_goes_through_points_that_lie_on_one():
    before = np.linspace(0.2, 0.9, 9)
    after = 1 / (1 + np.exp(-(0.8 * logit(before) - 0.5)))
    line = fit_line(np.stack([before, after], axis=1))
    assert (line.slope, line.intercept) == (pytest.approx(0.8), pytest.approx(-0.5))
    assert effective_robustness(0.76, line(0.76), line) == pytest.approx(0)
    assert effective_robustness(0.76, line(0.76) + 0.1, line) == pytest.approx(0.1)


def test_the_line_is_the_one_of_least_squares():
    points = np.random.default_rng(0).uniform(0.1, 0.9, (20, 2))
    line = fit_line(points)
    slope, intercept = np.polyfit(logit(points[:, 0]), logit(points[:, 1]), 1)
    assert (line.slope, line.intercept) == (pytest.approx(slope), pytest.approx(intercept))


def test_one_model_makes_no_line():
    with pytest.raises(DataError, match="two models of different accuracy"):
        fit_line(np.array([[0.5, 0.4]]))


COLUMNS = ("val", "imagenetv2-matched-frequency-format-val")


def write_table(path, rows, columns=COLUMNS):
    path.write_text("\n".join([",".join(["model", *columns]), *(",".join(map(str, row)) for row in rows)]))
    return path


def test_of_the_testbeds_table_only_standard_models_are_taken(tmp_path):
    rows = [
        ("resnet50", 76.1, 63.2),
        ("efficientnet-l2-noisystudent", 88.3, 80.8),
        ("vgg11", 69.0, ""),
        ("alexnet", 56.5, 43.5),
    ]
    points = read_points(write_table(tmp_path / "points.csv", rows), COLUMNS)
    assert points == pytest.approx(np.array([[0.761, 0.632], [0.565, 0.435]]))
    mine = read_points(write_table(tmp_path / "mine.csv", [("mine", 50, 40), ("yours", 60, 45)]), COLUMNS)
    assert len(mine) == 2


def test_effective_robustness_is_measured_with_points(tmp_path):
    rows = [("alexnet", 56.5, 43.5), ("vgg16", 71.6, 58.5), ("resnet50", 76.1, 63.2), ("resnet152", 78.3, 66.9)]
    path = write_table(tmp_path / "points.csv", rows)
    result = robustness([noisy_view(), noisy_view("imagenet-v2", noise=0.6, seed=3)], points=path)
    found, line = values(result), result.details["lines"]["imagenet-v2"]
    expected = found["accuracy[imagenet-v2]"] - line(found["reference_accuracy[imagenet-v2]"])
    measure = result.measures[-1]
    assert measure.name == "effective_robustness[imagenet-v2]"
    assert measure.value == pytest.approx(expected)
    assert measure.low < measure.value < measure.high


@pytest.mark.parametrize(
    ("rows", "columns", "message"),
    [
        ([("resnet50", 1, 2)], ("val", "other"), "has no column 'imagenetv2"),
        ([("resnet50", 1, "many")], COLUMNS, "no number"),
        ([("resnet50", 7610, 6320)], COLUMNS, "no percentages: they go to 7610"),
    ],
)
def test_a_table_that_cannot_be_used_is_an_error(tmp_path, rows, columns, message):
    with pytest.raises(DataError, match=message):
        read_points(write_table(tmp_path / "points.csv", rows, columns), COLUMNS)


def test_a_table_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_points(tmp_path / "none.csv", COLUMNS)


def test_the_facts_say_where_they_are_from():
    facts = json.loads(Path(module.__file__).with_name("shifts.json").read_text())
    assert facts["source"]
    assert facts["licence"]
