"""What every task of the evaluation must do, over the table."""

from dataclasses import replace

import evaluations
import numpy as np
import pytest

from seesay.base.errors import DataError, UsageError
from seesay.base.tables import resolve
from seesay.evaluation import NEEDS, TASKS, fits

# Of a task whose first figure is an error: what a perfect encoder gets.
PERFECT: dict[str, float] = {"calibration": 0.0}


def pairs():
    """Every task with every made dataset that it fits."""
    made = {name: make() for name, make in evaluations.DATASETS.items()}
    return [(task, name) for task in TASKS for name, dataset in made.items() if fits(task, dataset)]


def test_every_task_is_held_to_this():
    assert set(NEEDS) == set(TASKS)
    assert {task for task, _ in pairs()} == set(TASKS)


@pytest.mark.parametrize(("task", "name"), pairs())
def test_a_perfect_encoder_scores_1(task, name):
    dataset = evaluations.DATASETS[name]()
    result = resolve(TASKS, task, kind="task")(evaluations.perfect_view(dataset))
    first = result.measures[0]
    assert (result.task, result.dataset, result.encoder) == (task, "made", "made@000000000000")
    assert first.value == pytest.approx(PERFECT.get(task, 1.0), abs=1e-6)
    assert first.low <= first.value + 1e-9
    assert first.high >= first.value - 1e-9
    assert first.num_samples > 0


@pytest.mark.parametrize(("task", "name"), pairs())
def test_a_constant_encoder_scores_chance(task, name):
    dataset = evaluations.DATASETS[name]()
    result = resolve(TASKS, task, kind="task")(evaluations.constant_view(dataset))
    known = [measure for measure in result.measures if measure.chance is not None]
    assert known or task in PERFECT
    for measure in known:
        assert measure.value == pytest.approx(measure.chance, abs=1e-6), measure.name


@pytest.mark.parametrize(("task", "name"), pairs())
def test_vectors_that_are_no_numbers_are_an_error(task, name):
    dataset = evaluations.DATASETS[name]()
    with pytest.raises((UsageError, DataError)):
        resolve(TASKS, task, kind="task")(evaluations.broken_view(dataset))


@pytest.mark.parametrize("task", sorted(TASKS))
def test_a_dataset_without_what_the_task_needs_is_an_error(task):
    bare = replace(evaluations.labelled(), labels=None, train=None)
    with pytest.raises(UsageError, match="made"):
        resolve(TASKS, task, kind="task")(evaluations.MadeView(bare, np.zeros((48, 4), np.float32), lambda text: None))


@pytest.mark.parametrize("task", sorted(task for task in TASKS if "labels" in NEEDS[task]))
def test_labels_that_do_not_match_are_an_error(task):
    dataset = evaluations.grouped()
    view = evaluations.perfect_view(dataset)
    short = replace(dataset, labels=replace(dataset.labels, labels=dataset.labels.labels[:-1]))
    beyond = replace(dataset, labels=replace(dataset.labels, labels=dataset.labels.labels + 1))
    for wrong in (short, beyond):
        with pytest.raises((UsageError, DataError)):
            resolve(TASKS, task, kind="task")(
                evaluations.MadeView(wrong, view.images(), view._of_text, train=view.train)
            )
