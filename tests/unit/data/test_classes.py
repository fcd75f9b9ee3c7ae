"""A folder for each class as a source: what the classes are called, what is held out, what is refused."""

import pytest
from painting import paint

from seesay.base.errors import DataError
from seesay.data import open_source
from seesay.data.classes import TEMPLATES, ClassTable
from seesay.data.source import Pass


def make(root, counts):
    for place, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            paint(root / name / f"{number}.png", (place, number, 7))
    return root


def counts_of(photos):
    found = {}
    for photo in photos:
        found[photo.name] = found.get(photo.name, 0) + 1
    return found


def test_folders_are_classes_and_underscores_are_spaces(tmp_path):
    source = open_source(str(make(tmp_path, {"red_mug": 2, "Zorbax 40": 1, "@eaDir": 1, ".hidden": 1})))
    assert isinstance(source, ClassTable)
    assert source.classes == ("Zorbax 40", "red mug")
    (example, *_) = [each for each, _ in source.stream(Pass(0, 0)) if "red_mug" in each.key]
    assert example.group == "red mug"
    assert example.captions == tuple(template.replace("{}", "red mug") for template in TEMPLATES)


def test_classes_txt_names_them_in_the_folders_order(tmp_path):
    (make(tmp_path, {"a": 1, "b": 1}) / "classes.txt").write_text("apple\nbanana\n")
    assert open_source(str(tmp_path)).classes == ("apple", "banana")
    (tmp_path / "classes.txt").write_text("apple\n")
    with pytest.raises(DataError, match=r"has 2 folders, and its classes.txt 1 names"):
        open_source(str(tmp_path))


def test_a_share_of_each_class_is_held_out_by_the_seed(tmp_path):
    table = open_source(str(make(tmp_path, {"a": 10, "b": 20, "c": 3, "d": 1})))
    own, held = table.split(0.2, seed=0)
    assert counts_of(held) == {"a": 2, "b": 4}  # of fewer than four pictures each one is needed
    assert {*own.photos} | {*held} == {*table.photos}
    assert not {*own.photos} & {*held}
    assert table.split(0.2, seed=0)[1] == held
    assert table.split(0.2, seed=1)[1] != held
    assert table.split(0.0, seed=0)[1] == ()


def test_copies_of_a_picture_are_on_one_side(tmp_path):
    make(tmp_path, {"a": 5, "b": 5})
    for number in range(5):
        (tmp_path / "a" / f"copy-{number}.png").write_bytes((tmp_path / "a" / f"{number}.png").read_bytes())
    own, held = open_source(str(tmp_path)).split(0.4, seed=3)
    sides = [{photo.path.read_bytes() for photo in photos if photo.name == "a"} for photos in (own.photos, held)]
    assert len(sides[1]) == 2
    assert not sides[0] & sides[1]


def test_a_test_part_of_its_own_is_what_is_held_out(tmp_path):
    make(tmp_path / "train", {"a": 5, "b": 5})
    make(tmp_path / "test", {"a": 2, "b": 1})
    own, held = open_source(str(tmp_path)).split(0.5, seed=0)
    assert counts_of(own.photos) == {"a": 5, "b": 5}
    assert counts_of(held) == {"a": 2, "b": 1}
    make(tmp_path / "test", {"c": 1})
    with pytest.raises(DataError, match=r"test has classes that .*train has not: c"):
        open_source(str(tmp_path))


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ({"mug": 3}, "has one class only, 'mug', .* two or more.*'something else'"),
        ({"mug": 3, "cup": 0}, "cup has no picture in it"),
        ({"red_mug": 1, "red mug": 1}, "has two classes called 'red mug'"),
        ({"test/a": 1, "test/b": 1}, "has no folder 'train', only test"),
    ],
)
def test_what_cannot_be_learned_is_refused(counts, message, tmp_path):
    with pytest.raises(DataError, match=message):
        open_source(str(make(tmp_path, counts)))


def test_a_folder_of_pairs_stays_one(tmp_path):
    make(tmp_path, {"2024": 2, "2025": 2})
    (tmp_path / "2024" / "0.txt").write_text("a dog")
    assert [example.captions for example, _ in open_source(str(tmp_path)).stream(Pass(0, 0))] == [("a dog",)]
