import csv
import io
import json

import numpy as np
import pytest
from evaluations import MadePictures

from seesay.base.errors import DataError, UsageError
from seesay.evaluation.dataset import Dataset
from seesay.evaluation.measure import Measure, Result, mean_of
from seesay.evaluation.report import HEADER, compare, make_rows, to_csv, to_json, to_lines, to_markdown, write_report

PUBLISHED = (("openai/RN50", "accuracy", 0.5), ("openai/ViT-B-32", "accuracy", 0.75), ("mine", "accuracy", 0.625))


def dataset(name="made", reference=PUBLISHED):
    return Dataset(name=name, pictures=MadePictures(8), reference=reference)


def result(scores=(1, 1, 0, 0, 1, 0, 1, 0), *, encoder="other@0123", task="zeroshot", details=None):
    measures = (mean_of("accuracy", np.array(scores), chance=0.125), mean_of("top5_accuracy", np.ones(8)))
    return Result(task=task, dataset="made", encoder=encoder, measures=measures, details=details or {})


def test_a_row_has_a_cell_under_every_heading_and_its_interval_and_samples():
    first, second = make_rows([result()], [dataset()])
    assert len(first.cells) == len(second.cells) == len(HEADER)
    shown = dict(zip(HEADER, first.cells, strict=True))
    assert shown["value"] == "50.0%"
    assert shown["samples"] == "8"
    assert shown["chance"] == "12.5%"
    low, high = (float(end.rstrip("%")) for end in shown["95 % interval"].split(" to "))
    assert low < 50 < high


@pytest.mark.parametrize(
    ("encoder", "published", "expected"),
    [
        ("mine@0123", PUBLISHED, ("mine", 0.625)),
        ("other@0123", PUBLISHED, ("openai/ViT-B-32", 0.75)),
        ("other@0123", PUBLISHED[:1], ("openai/RN50", 0.5)),
        ("other@0123", (), None),
    ],
)
def test_the_published_figure_is_the_model_s_own_or_else_the_best_known_one(encoder, published, expected):
    accuracy, top5 = make_rows([result(encoder=encoder)], [dataset(reference=published)])
    assert accuracy.reference == expected
    assert top5.reference is None, "nothing is published by that metric"


def test_a_probe_has_no_zero_shot_figure_beside_it():
    assert {row.reference for row in make_rows([result(task="probe")], [dataset()])} == {None}


def test_csv_and_json_say_the_same_unrounded_numbers():
    third = result(scores=(1, 0, 0))
    rows = make_rows([third], [dataset()])
    (line, _) = csv.DictReader(io.StringIO(to_csv(rows)))
    written = json.loads(to_json(rows))["results"][0]
    assert float(line["value"]) == written["value"] == third.measures[0].value == pytest.approx(1 / 3, abs=1e-15)
    assert float(line["low"]) == written["low"]
    assert written["reference"] == {"model": line["reference_model"], "value": float(line["reference"])}
    assert json.loads(to_lines(rows)[0]) == written


def test_markdown_keeps_its_columns_whatever_a_name_holds():
    measure = Measure(name="a|b", value=0.5, low=0.25, high=0.75, num_samples=8)
    odd = Result(task="zeroshot", dataset="made", encoder="x@0", measures=(measure,))
    lines = to_markdown(make_rows([odd], [dataset()])).splitlines()
    assert {line.replace("\\|", "").count("|") for line in lines} == {len(HEADER) + 1}


def test_the_difference_is_of_the_same_measure_and_keeps_its_sign():
    worse = result(scores=np.zeros(8))
    (_, found), (_, same) = compare([result()], [worse])
    assert (found.name, found.value, found.num_samples) == ("accuracy", 0.5, 8)
    assert same.value == 0
    assert same.p_value == 1
    assert compare([worse], [result()])[0][1].value == -0.5
    assert json.loads(to_lines([], [(worse, found)])[0])["p_value"] == found.p_value


def test_models_without_a_common_measure_cannot_be_compared():
    with pytest.raises(UsageError, match="no measure of the same samples"):
        compare([result()], [result(task="probe")])


def test_what_could_not_be_read_is_in_the_json():
    spoilt = result(details={"unreadable": {"a.png": "truncated"}})
    assert json.loads(to_json(make_rows([spoilt], [dataset()])))["unreadable"] == {"made": {"a.png": "truncated"}}


def test_a_report_replaces_an_older_one_and_a_file_in_its_place_is_an_error(tmp_path):
    rows = make_rows([result()], [dataset()])
    folder = tmp_path / "new" / "out"
    write_report(folder, rows)
    before = (folder / "results.csv").read_text()
    files = write_report(folder, rows[:1])
    assert sorted(path.name for path in files) == sorted(path.name for path in folder.iterdir())
    assert (folder / "results.csv").read_text() != before
    with pytest.raises(DataError, match="cannot be made a folder"):
        write_report(files[0], rows)
