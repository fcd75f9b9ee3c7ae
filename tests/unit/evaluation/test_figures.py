import sys
from dataclasses import replace

import evaluations
import numpy as np
import pytest
from PIL import Image

from seesay.base.errors import DataError, InputError, MissingExtraError, UsageError
from seesay.base.tables import resolve
from seesay.evaluation import TASKS, fits
from seesay.evaluation.figures import DETAILS, FIGURES, write_figures
from seesay.evaluation.figures.confusion import most_confused
from seesay.evaluation.measure import Result, mean_of
from seesay.evaluation.zeroshot import zeroshot

pytest.importorskip("matplotlib", reason="figures need the extra plots")

from seesay.evaluation.figures.bars import draw_bars
from seesay.evaluation.figures.canvas import new_figure, save_figure
from seesay.evaluation.figures.confusion import draw_confusion
from seesay.evaluation.figures.curves import draw_fewshot, draw_reliability
from seesay.evaluation.figures.examples import draw_examples


class Coloured(evaluations.MadePictures):
    """Each picture is one colour."""

    def __init__(self, folder, num):
        super().__init__(num)
        self.folder = folder

    def __getitem__(self, number):
        path = self.folder / f"{number}.png"
        Image.new("RGB", (40, 30), (number % 256, 90, 200)).save(path)
        return path


def noisy(classes=evaluations.CLASSES, *, name="made", encoder="made@0", noise=0.6):
    dataset = replace(evaluations.labelled(classes=classes), name=name, train=None)
    view = evaluations.perfect_view(dataset)
    random = np.random.default_rng(0)
    images = evaluations.unit(view.images() + noise * random.standard_normal(view.images().shape))
    made = evaluations.MadeView(dataset, images, view._of_text)
    made.encoder = encoder
    return zeroshot(made)


def texts_of(figure):
    """Everything that is written in a figure, after it was drawn."""
    from matplotlib.text import Text

    figure.canvas.draw()
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def calibrated(confidence, accuracy, count):
    bins = np.zeros(
        len(count), [(name, "f8") for name in ("lower", "upper", "confidence", "accuracy")] + [("count", "i8")]
    )
    edges = np.linspace(0, 1, len(count) + 1)
    bins["lower"], bins["upper"] = edges[:-1], edges[1:]
    bins["confidence"], bins["accuracy"], bins["count"] = confidence, accuracy, count
    measure = mean_of("expected_calibration_error", np.array([0.1, 0.2]))
    return Result(task="calibration", dataset="made", encoder="made@0", measures=(measure,), details={"bins": bins})


def fewshot():
    details = {
        "shots": [1, 2, 4],
        "mean": [0.2, 0.4, 0.5],
        "low": [0.1, 0.3, 0.4],
        "high": [0.3, 0.5, 0.6],
        "zeroshot": 0.45,
    }
    measure = mean_of("accuracy", np.array([0.0, 1.0]))
    return Result(task="fewshot", dataset="made", encoder="made@0", measures=(measure,), details=details)


def test_every_kind_says_what_it_needs_and_can_be_resolved():
    assert set(FIGURES) == set(DETAILS)
    assert all(callable(resolve(FIGURES, kind, kind="figure")) for kind in FIGURES)


def test_every_figure_is_written_that_there_are_numbers_for(tmp_path):
    results = [noisy(), calibrated([0.2, 0.8], [0.3, 0.6], [4, 6]), fewshot()]
    paths = write_figures(results, tmp_path / "new", pictures={"made": Coloured(tmp_path, 48)})
    assert [path.name for path in paths] == [
        "bars-zeroshot.png",
        "bars-calibration.png",
        "bars-fewshot.png",
        "confusion-made-made_0.png",
        "examples-made-made_0.png",
        "reliability-made-made_0.png",
        "fewshot-made-made_0.png",
    ]
    for path in paths:
        with Image.open(path) as picture:
            assert len(picture.convert("L").getcolors(256)) > 10  # something was drawn


@pytest.mark.parametrize("task", ["fewshot", "calibration", "retrieval", "composition", "bias"])
def test_the_details_of_a_task_are_those_that_its_figures_need(tmp_path, task):
    made = next(make() for make in evaluations.DATASETS.values() if fits(task, make()))
    result = resolve(TASKS, task, kind="task")(evaluations.perfect_view(made))
    kinds = {path.name.partition("-")[0] for path in write_figures([result], tmp_path)}
    assert kinds == {"bars", *{"fewshot": ["fewshot"], "calibration": ["reliability"]}.get(task, [])}


def test_without_pictures_there_are_no_examples(tmp_path):
    names = [path.name for path in write_figures([noisy()], tmp_path)]
    assert names == ["bars-zeroshot.png", "confusion-made-made_0.png"]


def test_no_result_is_no_figure(tmp_path):
    assert write_figures([], tmp_path) == []
    with pytest.raises(UsageError, match="one result at least"):
        draw_bars([])


def test_a_bar_is_as_long_as_its_value_and_published_figures_stand_where_they_belong():
    one, other = noisy(name="birds"), noisy(name="cars", noise=1.5)
    figure = draw_bars([one, other], {"cars": [("clip", "accuracy", 0.7), ("clip", "map_11_point", 0.2)]})
    bars = [patch.get_width() for patch in figure.axes[0].patches if patch.get_width()]
    assert bars == pytest.approx([one.measures[0].value, other.measures[0].value])
    (published,) = [line for line in figure.axes[0].lines if line.get_label() == "clip"]
    assert (list(published.get_xdata()), list(published.get_ydata())) == ([0.7], [0])  # cars is the lower row
    assert f"{one.measures[0].value:.3f}" in texts_of(figure)


def test_encoders_stand_side_by_side_and_are_named():
    figure = draw_bars([noisy(), noisy(encoder="other@1", noise=1.0)])
    assert {"made@0", "other@1"} <= set(texts_of(figure))


def test_few_classes_are_a_matrix_and_many_are_pairs():
    assert len(draw_confusion(noisy()).axes[0].images) == 1
    classes = tuple(f"class number {number}" for number in range(31))
    random = np.random.default_rng(0)
    confusion = random.integers(0, 9, (31, 31))
    many = replace(noisy(), details={"confusion": confusion, "classes": classes})
    figure = draw_confusion(many)
    truth, answer, count = most_confused(confusion, num=1)[0]
    written = texts_of(figure)
    assert f"class number {truth} → class number {answer}" in written
    assert f"{count} of {confusion[truth].sum()}" in written


def test_the_most_confused_pairs_come_first_and_right_answers_are_none():
    counts = np.array([[9, 2, 0], [5, 1, 2], [0, 2, 0]])
    assert most_confused(counts, num=3) == [(1, 0, 5), (2, 1, 2), (1, 2, 2)]
    assert most_confused(np.diag([3, 4]), num=3) == []


def test_a_confusion_without_errors_can_be_drawn(tmp_path):
    many = replace(noisy(), details={"confusion": np.eye(40, dtype=int), "classes": ("same",) * 40})
    save_figure(draw_confusion(many), tmp_path / "none.png")


def test_the_reliability_diagram_shows_the_error_of_its_bins_and_leaves_out_empty_ones():
    figure = draw_reliability(calibrated([0.2, np.nan, 0.9], [0.4, np.nan, 0.6], [4, 0, 6]))
    assert "expected calibration error of these bins 0.260" in "".join(texts_of(figure))
    assert all(np.isfinite(patch.get_height()) for patch in figure.axes[0].patches)


def test_the_few_shot_curve_passes_through_its_means():
    figure = draw_fewshot(fewshot())
    (curve,) = [line for line in figure.axes[0].lines if line.get_label() == "linear probe"]
    assert list(curve.get_ydata()) == [0.2, 0.4, 0.5]
    without = {name: value for name, value in fewshot().details.items() if name != "zeroshot"}
    assert "zero-shot" not in texts_of(draw_fewshot(replace(fewshot(), details=without)))


def test_the_right_class_alone_is_marked_among_the_five(tmp_path):
    result = noisy(noise=0.1)
    figure = draw_examples(result, Coloured(tmp_path, 48), num=5)
    assert sum(text.startswith("✓ ") for text in texts_of(figure)) == 5
    wrong = replace(result, details={**result.details, "labels": (result.details["labels"] + 1) % 8})
    nothing = draw_examples(wrong, Coloured(tmp_path, 48), num=5)
    assert sum(text.startswith("✓ ") for text in texts_of(nothing)) < 5


def test_examples_of_several_labels_mark_each_of_them(tmp_path):
    view = evaluations.perfect_view(replace(evaluations.several_labels(), train=None))
    figure = draw_examples(zeroshot(view), Coloured(tmp_path, 40), num=8)
    marks = int(view.dataset.labels.labels[np.random.default_rng(0).permutation(40)[:8]].sum())
    assert sum(text.startswith("✓ ") for text in texts_of(figure)) == marks


def test_pictures_that_cannot_be_read_are_passed_over(tmp_path):
    class Broken(Coloured):
        def __getitem__(self, number):
            if number >= 2:
                raise InputError("gone")
            return super().__getitem__(number)

    figure = draw_examples(noisy(), Broken(tmp_path, 48))
    assert sum(bool(axes.images) for axes in figure.axes) == 2
    with pytest.raises(UsageError, match="47 pictures, the result is about 48"):
        draw_examples(noisy(), Broken(tmp_path, 47))


@pytest.mark.parametrize("name", ["$x_{", "猫", "a" * 200, "50 %"])
def test_any_name_can_be_drawn(tmp_path, name):
    result = noisy(classes=(name, "bee"), name=f"set of {name}")
    for path in write_figures([result], tmp_path, reference={result.dataset: [(name, "accuracy", 0.5)]}):
        assert path.exists()


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        write_figures([noisy()], tmp_path / "file")


def test_without_matplotlib_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    with pytest.raises(MissingExtraError, match=r"seesay\[plots\]"):
        new_figure(1, 1)


def test_pyplot_is_not_needed(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # importing it fails
    assert write_figures([noisy()], tmp_path)
