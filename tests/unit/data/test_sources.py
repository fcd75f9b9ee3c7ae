"""Manifests, folders and tars as people have them, whole and broken."""

import importlib
import io
import json
import tarfile

import pytest
from PIL import Image

from seesay.base.errors import DataError
from seesay.data import open_source
from seesay.data.source import Damaged, Pass
from seesay.data.tars import Tars, expand

ONE = Pass(seed=0, epoch=0)


def picture():
    content = io.BytesIO()
    Image.new("RGB", (4, 4)).save(content, "PNG")
    return content.getvalue()


def examples(source):
    return sorted((example for example, _ in source.stream(ONE)), key=lambda example: example.key)


def captions(source):
    return {example.key.rsplit("/", 1)[-1]: example.captions for example in examples(source)}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", 'filepath,title,other\na.jpg,"a dog, running",1\nb.jpg,a cat,2\na.jpg,a brown dog,3\n'),
        ("a.tsv", "image\tcaption\na.jpg\ta dog, running\nb.jpg\ta cat\na.jpg\ta brown dog\n"),
        (
            "a.jsonl",
            (
                '{"image": "a.jpg", "caption": ["a dog, running", "a brown dog"]}\n\n'
                '{"image": "b.jpg", "caption": "a cat"}\n'
            ),
        ),
    ],
)
def test_rows_of_one_picture_are_one_example(name, content, tmp_path):
    (tmp_path / name).write_text(content)
    source = open_source(str(tmp_path / name))
    assert captions(source) == {"a.jpg": ("a dog, running", "a brown dog"), "b.jpg": ("a cat",)}
    assert {example.image for example in examples(source)} == {tmp_path / "a.jpg", tmp_path / "b.jpg"}


def test_parquet(tmp_path):
    parquet = importlib.import_module("pyarrow.parquet")
    table = importlib.import_module("pyarrow").table(
        {"image": ["a.jpg", "b.jpg"], "caption": ["a dog", "a cat"], "huge": [1, 2]}
    )
    parquet.write_table(table, tmp_path / "a.parquet")
    assert captions(open_source(str(tmp_path / "a.parquet"))) == {"a.jpg": ("a dog",), "b.jpg": ("a cat",)}


def test_a_group_says_which_match(tmp_path):
    (tmp_path / "a.csv").write_text("image,caption,group\na.jpg,a dog,1\nb.jpg,a hound,1\n")
    assert [example.group for example in examples(open_source(str(tmp_path / "a.csv")))] == ["1", "1"]


def test_a_row_without_a_caption_is_damaged_and_the_others_stay(tmp_path):
    (tmp_path / "a.csv").write_text("image,caption\na.jpg, \nb.jpg,a cat\n")
    assert examples(open_source(str(tmp_path / "a.csv")))[0] == Damaged(str(tmp_path / "a.jpg"), "has no caption")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "img,caption\na,b\n", "has no column for the picture: it has img, caption; call it image"),
        ("a.csv", "image,words\na,b\n", "has no column for the caption: .* call it caption"),
        ("a.csv", "image,caption\n", "has no rows"),
        ("a.csv", "image,caption\n,b\n", "has a row without a picture"),
        ("a.jsonl", '{"image": ', "cannot be read"),
        ("a.jsonl", "[1]\n", "a.jsonl:1 is no object but list"),
        ("a.xls", "", "is no source that is known; name a folder of pairs"),
    ],
)
def test_a_manifest_that_is_none(name, content, message, tmp_path):
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        open_source(str(tmp_path / name))


def test_what_is_not_there(tmp_path):
    with pytest.raises(DataError, match=r"nothing.csv is not there|nothing.csv cannot be read"):
        open_source(str(tmp_path / "nothing.csv"))
    with pytest.raises(DataError, match=r"2 of 2 shards are not there: .*0.tar, .*1.tar"):
        open_source(str(tmp_path / "{0..1}.tar"))


def test_a_folder_of_pairs_has_a_caption_a_line(tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.PNG").write_bytes(picture())
    (tmp_path / "sub" / "a.txt").write_text("a dog\n\n a brown dog \n")
    (tmp_path / "alone.png").write_bytes(picture())
    assert captions(open_source(str(tmp_path))) == {"a.PNG": ("a dog", "a brown dog")}
    (tmp_path / "sub" / "a.txt").unlink()
    with pytest.raises(DataError, match="has 2 pictures and none with a caption"):
        open_source(str(tmp_path))


def test_braces():
    assert expand("a-{08..11}.tar") == ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]
    assert expand("{x,y}/{0..1}") == ["x/0", "x/1", "y/0", "y/1"]
    with pytest.raises(DataError, match="never closed"):
        expand("a-{0..1.tar")


def write_tar(path, members):
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


MEMBERS = {
    "x/0.png": picture(),
    "x/0.txt": b"one\ntwo\n",
    "x/1.png": picture(),
    "x/1.json": json.dumps({"caption": "three", "width": 4}).encode(),
    "x/2.png": picture(),
    "x/3.txt": b"no picture",
    "x/4.seg.png": picture(),
    "x/4.png": picture(),
    "x/4.cls": b"7",
    "x/4.caption": b"four",
}


def test_members_of_one_stem_are_one_example(tmp_path):
    found = {one.key.rsplit("/", 1)[-1]: one for one in examples(Tars(str(write_tar(tmp_path / "a.tar", MEMBERS))))}
    assert found["0"].captions == ("one", "two")
    assert found["1"].captions == ("three",)
    assert found["2"].reason == "has no caption"
    assert found["3"].reason == "has no picture, only .txt"
    assert (found["4"].captions, found["4"].group) == (("four",), "7")


def test_a_pipe_is_a_shard(tmp_path):
    path = write_tar(tmp_path / "a.tar", MEMBERS)
    assert len(examples(Tars(f"pipe:cat {path}"))) == len(examples(Tars(str(path))))
    (fault,) = examples(Tars("pipe:exit 3"))
    assert "cannot be read to its end" in fault.reason


def test_an_address_of_fsspec_is_a_shard(tmp_path):
    path = write_tar(tmp_path / "a.tar", MEMBERS)
    assert len(examples(Tars(f"file://{path}"))) == len(examples(Tars(str(path))))


@pytest.mark.parametrize("kept", [0.3, 0.7])
def test_a_shard_that_is_cut_short_gives_what_it_has_and_says_so(kept, tmp_path):
    path = write_tar(
        tmp_path / "a.tar", {f"{number}{end}": picture() for number in range(9) for end in (".png", ".txt")}
    )
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept) + 100])
    found = examples(Tars(str(path)))
    assert 2 <= len(found) < 9
    assert [one.key for one in found if isinstance(one, Damaged)] == [str(path)]


def test_what_is_no_tar(tmp_path):
    (tmp_path / "a.tar").write_bytes(b"no tar at all" * 100)
    (fault,) = examples(Tars(str(tmp_path / "a.tar")))
    assert "cannot be read to its end" in fault.reason
