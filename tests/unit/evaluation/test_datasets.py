"""Datasets on disk: what is opened is what lies there, and what does not fit is said."""

import csv
import json
import tracemalloc

import numpy as np
import pytest
from archives import marks_bytes, plain, write_root, write_tar

from seesay.base.errors import DataError, InputError, UnknownNameError, UsageError
from seesay.evaluation.catalog import entries, find_entry, guess_entry
from seesay.evaluation.datasets import open_dataset, open_datasets
from seesay.evaluation.datasets.address import is_of_videos
from seesay.evaluation.datasets.pictures import Members
from seesay.evaluation.prompts import find_prompts, imagenet_classes


def write(folder, *names):
    """A picture a name, no two alike."""
    for number, name in enumerate(names):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(plain((number, 90, 200)))
    return folder


def said(dataset):
    """Of each picture its key and class."""
    keys = [dataset.pictures.key(number) for number in range(len(dataset.pictures))]
    return dict(zip(keys, (dataset.labels.classes[label] for label in dataset.labels.labels), strict=True))


def test_a_folder_a_class_with_and_without_splits(tmp_path):
    root = write(tmp_path / "own", "cat/1.png", "big_dog/deep/2.jpg", "big_dog/note.png")
    (root / "cat" / "readme.md").write_text("no picture")
    (root / ".hidden").mkdir()
    dataset = open_dataset(str(root))
    assert said(dataset) == {"big_dog/deep/2.jpg": "big dog", "big_dog/note.png": "big dog", "cat/1.png": "cat"}
    assert (dataset.name, dataset.train, dataset.labels.metric) == ("own", None, "accuracy")


def test_of_the_splits_the_test_is_tested_on(tmp_path):
    root = write(tmp_path / "own", *(f"{split}/{name}/1.png" for split in ("train", "val", "test") for name in "ab"))
    dataset = open_dataset(str(root), with_train=True)
    assert dataset.pictures[0] == root / "test/a/1.png"
    assert dataset.train.pictures[0] == root / "train/a/1.png"
    assert dataset.validation.pictures[0] == root / "val/a/1.png"
    assert open_dataset(str(root)).train is None
    assert open_dataset(f"{root}#val").pictures[1] == root / "val/b/1.png"
    with pytest.raises(DataError, match=r"no split 'dev'; it has test, train, val"):
        open_dataset(f"{root}#dev")


def test_a_split_to_train_on_alone_has_to_be_named(tmp_path):
    root = write(tmp_path / "own", "train/a/1.png", "train/b/1.png")
    with pytest.raises(DataError, match=r"only train; name one: .*#train"):
        open_dataset(str(root))
    assert len(open_dataset(f"{root}#train").pictures) == 2


def test_a_class_that_is_called_train_is_no_split(tmp_path):
    dataset = open_dataset(str(write(tmp_path / "vehicles", "bus/1.png", "train/2.png", "tram/3.png")))
    assert dataset.labels.classes == ("bus", "train", "tram")


def test_splits_of_other_classes_are_an_error(tmp_path):
    root = write(tmp_path / "own", "train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png")
    with pytest.raises(DataError, match=r"other classes: b, c"):
        open_dataset(str(root), with_train=True)


def test_a_class_without_a_picture_is_an_error_that_names_it(tmp_path):
    root = write(tmp_path / "own", "a/1.png")
    (root / "b").mkdir()
    with pytest.raises(DataError, match=r"1 of 2 classes .* the first is b"):
        open_dataset(str(root))


def test_names_come_from_a_file_or_from_wordnet(tmp_path):
    root = write(tmp_path / "own", "0/1.png", "1/1.png")
    (root / "classes.txt").write_text("a_b\nthe c\n")
    assert open_dataset(str(root)).labels.classes == ("a_b", "the c")
    (root / "classes.txt").write_text("one\n")
    with pytest.raises(DataError, match=r"2 folders, and its classes\.txt 1 names"):
        open_dataset(str(root))
    ids = list(imagenet_classes())[:2]
    labels = open_dataset(str(write(tmp_path / "some", *(f"{one}/1.png" for one in ids)))).labels
    assert labels.classes == tuple(imagenet_classes()[one] for one in ids)
    assert labels.prompts == "imagenet"


def test_texts_beside_pictures_are_captions(tmp_path):
    root = write(tmp_path / "own", "1.png", "2.png", "3.png")
    (root / "1.txt").write_text("one\n\nuno\n")
    (root / "3.txt").write_text("three")
    dataset = open_dataset(str(root))
    assert dataset.captions.texts == ("one", "uno", "three")
    assert dataset.captions.image_of_text.tolist() == [0, 0, 1]
    assert [dataset.pictures.key(number) for number in range(2)] == ["1.png", "3.png"]


def test_a_tar_is_read_picture_by_picture(tmp_path):
    contents = [bytes([number]) * 500_000 for number in range(20)]
    members = [
        (f"dir/p{number:02d}.{suffix}", content)
        for number, picture in enumerate(contents)
        for suffix, content in (("jpg", picture), ("cls", str(number % 2).encode()))
    ]
    write_tar(tmp_path / "own.tar", members)
    (tmp_path / "classes.txt").write_text("even\nodd\n")
    tracemalloc.start()
    dataset = open_dataset(str(tmp_path / "own.tar"))
    for number in (19, 3, 3, 0):
        assert dataset.pictures[number] == contents[number]
    assert tracemalloc.get_traced_memory()[1] < 3_000_000  # of 10 MB
    tracemalloc.stop()
    assert said(dataset)["own.tar/dir/p03"] == "odd"


def test_labels_of_a_tar_may_be_names_or_texts_that_name(tmp_path):
    named = [(f"{number}.{end}", content) for number, name in enumerate(["cow", "ape"]) for end, content in
             (("png", plain((number, 0, 0))), ("cls", name.encode()))]  # fmt: skip
    assert open_dataset(str(write_tar(tmp_path / "a.tar", named))).labels.classes == ("ape", "cow")
    both = [*named, ("2.png", plain((3, 0, 0)))]
    with pytest.raises(DataError, match=r"no \.cls for 1 of 3 examples, the first is 2"):
        open_dataset(str(write_tar(tmp_path / "b.tar", both)))
    texts = [
        member
        for number in range(4)
        for member in (
            (f"{number}.png", plain((number, 0, 0))),
            (f"{number}.cls", str(number % 2).encode()),
            (f"{number}.txt", ("cow", "ape")[number % 2].encode()),
        )
    ]
    assert open_dataset(str(write_tar(tmp_path / "c.tar", texts))).labels.classes == ("cow", "ape")


def test_numbers_that_nobody_names_are_an_error_with_the_cure(tmp_path, caplog):
    members = [("0.png", plain((0, 0, 0))), ("0.cls", b"4")]
    path = write_tar(tmp_path / "own.tar", members)
    with pytest.raises(DataError, match=r"0 to 4.*classes\.txt.*NAME=ADDRESS"):
        open_dataset(str(path))
    assert open_dataset(f"cifar10={path}").labels.classes == find_prompts("cifar10").names
    with caplog.at_level("WARNING"), pytest.raises(DataError, match=r"0 to 4.*NAME=ADDRESS"):
        open_dataset(f"cifar-1={path}")
    assert "no published dataset is called cifar-1, so it is a name of your own; is it cifar10?" in caplog.text


def test_a_tar_that_breaks_off_or_is_compressed_says_so(tmp_path):
    whole = write_tar(tmp_path / "own.tar", [("0.png", b"x" * 5000), ("0.cls", b"cow")]).read_bytes()
    for end in (700, 3000, 5400, 5900, 6300):  # in a picture, in what fills it up, in a header, in a label
        (tmp_path / "own.tar").write_bytes(whole[:end])
        with pytest.raises(DataError, match=r"own\.tar cannot be read: (it breaks off|unexpected end)"):
            open_dataset(str(tmp_path / "own.tar"))
    (tmp_path / "own.tar").write_bytes(whole[:5632] + b"\xff" + whole[5633:])
    with pytest.raises(DataError, match=r"damaged at byte 5,632"):
        open_dataset(str(tmp_path / "own.tar"))
    (tmp_path / "own.tar.gz").write_bytes(b"\x1f\x8b" + bytes(600))
    with pytest.raises(DataError, match="compressed"):
        open_dataset(str(tmp_path / "own.tar.gz"))
    with pytest.raises(DataError, match=r"gone\.tar is not there"):
        open_dataset(str(tmp_path / "gone.tar"))


def test_a_missing_picture_of_a_tar_is_an_input_error(tmp_path):
    path = write_tar(tmp_path / "own.tar", [("0.png", b"x"), ("0.cls", b"cow"), ("1.cls", b"cow")])
    pictures = open_dataset(str(path)).pictures
    with pytest.raises(InputError, match="no picture"):
        pictures[1]
    path.unlink()
    with pytest.raises(InputError, match="cannot be read"):
        pictures[0]
    assert isinstance(pictures, Members)


def test_the_layout_of_clip_benchmark(tmp_path):
    examples = [{"png": plain((number, 0, 0)), "cls": str(number % 3).encode()} for number in range(5)]
    root = write_root(
        tmp_path / "wds_own", {"train": examples, "test": examples[:3]}, classes="abc", templates=["a {c}", "one {c}"]
    )
    dataset = open_dataset(str(root), with_train=True)
    assert (len(dataset.pictures), len(dataset.train.pictures)) == (3, 5)
    assert dataset.labels.classes == ("a", "b", "c")
    assert dataset.labels.templates == ("a {c}", "one {c}")
    assert [dataset.train.pictures[number] for number in range(5)] == [one["png"] for one in examples]
    (root / "test" / "nshards.txt").write_text("3")
    with pytest.raises(DataError, match=r"has 2 tars, and its nshards\.txt says 3"):
        open_dataset(str(root))


def test_the_layout_of_clip_benchmark_with_captions_and_several_labels(tmp_path):
    pictures = [{"png": plain((number, 0, 0))} for number in range(3)]
    texts = [{**one, "txt": f"one {place}\ntwo {place}".encode()} for place, one in enumerate(pictures)]
    captions = open_dataset(str(write_root(tmp_path / "r", {"test": texts}, kind="retrieval"))).captions
    assert captions.image_of_text.tolist() == [0, 0, 1, 1, 2, 2]
    assert captions.texts[3] == "two 1"
    marked = [{**one, "npy": marks_bytes(marks)} for one, marks in zip(pictures, np.eye(3, 4, 1), strict=True)]
    dataset = open_dataset(str(write_root(tmp_path / "m", {"test": marked}, classes="abcd", kind="multilabel")))
    np.testing.assert_array_equal(dataset.labels.labels, np.eye(3, 4, 1, dtype=bool))
    assert (dataset.labels.metric, dataset.single_labels) == ("mean_average_precision", None)


def test_shards_stand_in_the_order_of_their_numbers(tmp_path):
    for number in (10, 9, 0):
        write_tar(tmp_path / "own" / "test" / f"{number}.tar", [("0.png", bytes([number])), ("0.cls", b"cow")])
    pictures = open_dataset(str(tmp_path / "own")).pictures
    assert [pictures[number] for number in range(3)] == [b"\x00", b"\x09", b"\x0a"]


@pytest.fixture(params=["csv", "jsonl"])
def table(request, tmp_path):
    """Writes rows as a table beside three pictures."""
    write(tmp_path, "images/1.png", "images/2.png", "images/3.png")

    def make(rows):
        path = tmp_path / f"own.{request.param}"
        if request.param == "jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        else:
            with path.open("w", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
        return path

    return make


def test_a_table_with_labels(table, tmp_path):
    rows = [
        {"image": "1.png", "label": "cow", "split": "test", "group": "x"},
        {"image": "2.png", "label": "ape", "split": "train", "group": "y"},
        {"image": "3.png", "label": "cow", "split": "test", "group": "y"},
    ]
    dataset = open_dataset(str(table(rows)), with_train=True)
    assert dataset.labels.classes == dataset.train.labels.classes == ("ape", "cow")
    assert dataset.labels.labels.tolist() == [1, 1]
    assert dataset.groups == ("x", "y")
    assert dataset.pictures[1] == tmp_path / "images/3.png"
    assert len(dataset.train.pictures) == 1


def test_a_table_with_captions(table):
    rows = [{"image": name, "caption": text} for name, text in (("2.png", "one"), ("1.png", "two"), ("2.png", "three"))]
    captions = open_dataset(str(table(rows))).captions
    assert captions.texts == ("one", "three", "two")
    assert captions.image_of_text.tolist() == [0, 0, 1]


def test_a_table_without_what_is_needed_says_its_columns(table):
    with pytest.raises(DataError, match=r"no column for labels .*it has image, colour"):
        open_dataset(str(table([{"image": "1.png", "colour": "red"}])))
    with pytest.raises(DataError, match=r"no column for the picture: it has thing, label"):
        open_dataset(str(table([{"thing": "1.png", "label": "red"}])))
    with pytest.raises(DataError, match="without label"):
        open_dataset(str(table([{"image": "1.png", "label": "a"}, {"image": "2.png", "label": ""}])))


def test_a_dataset_that_is_missing_says_where_it_is_got_and_how_large_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("SEESAY_DATASETS", str(tmp_path))
    for entry in entries().values():
        with pytest.raises(DataError) as caught:
            open_dataset(entry.name)
        message = str(caught.value)
        assert entry.page.startswith("http")
        assert all(part in message for part in (entry.page, entry.size, str(tmp_path / entry.name), entry.title))
    assert find_entry("cifar10").size == "170 MB"
    with pytest.raises(UnknownNameError, match="did you mean food101"):
        open_dataset("food10")


def test_a_published_dataset_is_found_by_name(tmp_path, monkeypatch):
    monkeypatch.setenv("SEESAY_DATASETS", str(tmp_path))
    write(tmp_path / "mnist", *(f"{digit}/1.png" for digit in range(10)))
    dataset = open_dataset("mnist")
    assert dataset.labels.classes == find_prompts("mnist").names
    assert (dataset.name, dataset.labels.prompts) == ("mnist", "mnist")


def test_an_address_that_looks_like_a_published_one_is_taken_for_it():
    expected = {
        "x/imagenet-1000.tar": "imagenet",
        "wds_vtab-cifar10": "cifar10",
        "cifar100": "cifar100",
        "a/imagenet-v2": "imagenet-v2",
        "https://h/datasets/o/wds_food101/tree/main": "food101",
    }
    assert {place: guess_entry(place).name for place in expected} == expected
    assert guess_entry("cifar1000") is guess_entry("pictures/") is guess_entry("/") is None


def test_nothing_and_nothing_known_are_errors(tmp_path):
    with pytest.raises(DataError, match="is not there"):
        open_dataset(str(tmp_path / "gone"))
    (tmp_path / "notes.doc").write_text("")
    with pytest.raises(DataError, match="is no dataset that is known"):
        open_dataset(str(tmp_path / "notes.doc"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no folder for each class"):
        open_dataset(str(tmp_path / "empty"))


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return write(tmp_path / "shop", *(f"{part}/{name}/1.png" for part in ("train", "test", "val") for name in "ab"))


@pytest.mark.parametrize(
    ("addresses", "names"),
    [
        (["shop#train", "shop#test"], ["shop#train", "shop#test"]),
        (["shop#train", "shop"], ["shop#train", "shop"]),
        (["shop#train"], ["shop"]),
        (["a=shop#train", "My_set.2=shop#test"], ["a", "My_set.2"]),
        (["a=shop#train", "a=shop#test"], ["a#train", "a#test"]),
        (["cifar10=shop#train", "cifar10=shop#test"], ["cifar10#train", "cifar10#test"]),
        (["shop/train", "shop/test"], ["train", "test"]),
    ],
)
def test_several_datasets_are_told_apart_by_split_or_a_name_of_ones_own(addresses, names, shop):
    found = open_datasets(addresses)
    assert [dataset.name for dataset in found] == names
    assert [str(dataset.pictures[0].parts[-3]) for dataset in found] == [
        "train" if "train" in address else "test" for address in addresses
    ]


def test_two_of_one_name_are_refused_with_the_cure(shop):
    with pytest.raises(UsageError, match=r"shop#train and shop#train are both shop#train; .*: other=shop#train"):
        open_datasets(["shop#train", "shop#train"])
    with pytest.raises(UsageError, match="give one a name of your own"):
        open_datasets(["shop", str(shop)])


def test_a_name_of_ones_own_does_not_hide_that_videos_are_asked_for(shop):
    assert is_of_videos("clips=videos:shop#train")
    assert not is_of_videos("clips=shop#train")


def test_tars_are_told_by_how_their_names_end(tmp_path):
    """As training sources are, see tests/unit/data/test_sources.py."""
    members = [("0.png", plain((0, 0, 0))), ("0.cls", b"cow")]
    for folder in ("my.target", "a.tar_extracted", "{0..1}"):
        path = write(tmp_path / folder, "a/1.png", "b/1.png")
        assert said(open_dataset(str(path))) == {"a/1.png": "a", "b/1.png": "b"}
        (path / "table.csv").write_text("image,label\na/1.png,cow\n")
        assert open_dataset(str(path / "table.csv")).labels.classes == ("cow",)
        assert open_dataset(str(write_tar(path / "all.tar", members))).labels.classes == ("cow",)
    for number in (0, 3, 6):
        write_tar(tmp_path / f"shard-{number}.tar", members)
    assert len(open_dataset(f"{tmp_path}/shard-{{6..0..3}}.tar").pictures) == 3
