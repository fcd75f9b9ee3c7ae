"""Manifests, folders and tars as people have them, whole and broken."""

import importlib
import io
import json
import tarfile

import pytest
from PIL import Image

from seesay.base.errors import DataError, UsageError
from seesay.data import open_source
from seesay.data.source import Damaged, Pass
from seesay.data.tars import TAR_SUFFIXES, Tars

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
        ("a.jsonl", '{"image": ', "a.jsonl:1 is no JSON, and the file ends within it: it was cut short"),
        (
            "a.jsonl",
            '{"image": "a", "caption": "b"}\n\n{"image" "b"}\n',
            "a.jsonl:3 is no JSON: Expecting ':' delimiter",
        ),
        ("a.csv", "image,caption\na,a dog, running\n", "a.csv:2 has 3 columns, and the first line names 2; .* quotes"),
        ("a.csv", 'image,caption\na,"two\nlines"\nb\n', "a.csv:4 has 1 columns, and the first line .* cut short"),
        ("a.tsv", "image\tcaption\na\tb\tc\n", "a.tsv:2 has 3 columns, .* end at a tab"),
        ("a.csv", f"image,caption\na,{'b' * 200_000}\n", "a.csv:2 cannot be read: field larger than field limit"),
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


@pytest.mark.parametrize("text", ['{"image": "a.jpg", "caption": "un caf\u00e9"}'])
def test_a_line_of_bytes_cut_within_a_letter_is_named(text, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode() + b"\n" + text.encode()[:-3])
    with pytest.raises(DataError, match=r"a.jsonl:2 is no JSON, and the file ends within it"):
        open_source(str(path))
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert captions(open_source(str(path))) == {"a.jpg": ("un caf\u00e9",)}


@pytest.mark.parametrize(
    ("command", "reason"),
    [
        ("exit 3", "its command failed with exit code 3; the last that it said: nothing"),
        ("cat {tar}; echo one >&2; echo two >&2; exit 4", "failed with exit code 4; the last that it said: two"),
        ("head -c 700 {tar}; exit 5", "failed with exit code 5"),
        ("kill -9 $$", "failed with exit code -9"),
        ("head -c 700 {tar}", "cannot be read to its end: "),
        ("yes", "cannot be read to its end: "),
    ],
)
def test_a_pipe_that_fails_says_its_exit_code(command, reason, tmp_path):
    path = write_tar(tmp_path / "a.tar", MEMBERS)
    faults = [one for one in examples(Tars(f"pipe:{command.replace('{tar}', str(path))}")) if isinstance(one, Damaged)]
    assert reason in next(one.reason for one in faults if one.key.startswith("pipe:") and "/x/" not in one.key)


@pytest.mark.parametrize("suffix", TAR_SUFFIXES)
def test_names_that_end_as_tars_are_shards(suffix, tmp_path):
    packed = {"gz": "gz", "tgz": "gz", "bz2": "bz2", "tbz2": "bz2", "xz": "xz", "txz": "xz"}.get(suffix.split(".")[-1])
    path = tmp_path / f"a{suffix.upper()}"
    plain = write_tar(tmp_path / "plain", MEMBERS).read_bytes()
    with tarfile.open(path, f"w:{packed or ''}") as tar, tarfile.open(fileobj=io.BytesIO(plain)) as source:
        for member in source:
            tar.addfile(member, source.extractfile(member))
    whole = examples(open_source(str(path)))
    assert len(whole) == len(examples(Tars(str(tmp_path / "plain"))))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])
    assert "cannot be read to its end" in next(
        one.reason for one in examples(open_source(str(path))) if one.key == str(path)
    )


@pytest.mark.parametrize(
    "folder", ["my.target", "cc12m.tar_extracted", "x.tar", "a, b", "{0..3}", "a::b", "clips#1", "list:a"]
)
def test_a_folder_is_a_folder_and_a_table_a_table_whatever_its_name(folder, tmp_path, monkeypatch):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "a.png").write_bytes(picture())
    (tmp_path / folder / "a.txt").write_text("a dog")
    (tmp_path / folder / "all.csv").write_text("image,caption\na.png,a cat\n")
    write_tar(tmp_path / folder / "all.tar", MEMBERS)
    monkeypatch.chdir(tmp_path)
    for source in (folder, str(tmp_path / folder)):
        assert captions(open_source(source)) == {"a.png": ("a dog",)}
        assert captions(open_source(f"{source}/all.csv")) == {"a.png": ("a cat",)}
        assert len(examples(open_source(f"{source}/all.tar"))) == 5


def test_a_pattern_may_stand_for_tars_of_several_ends_in_ones_home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("a.tar", "b.tar"):
        write_tar(tmp_path / name, MEMBERS)
    assert len(examples(open_source("~/{a,b}.{tar,tar}"))) == 20
    assert len(examples(open_source("~/a.tar::~/b.tar"))) == 10


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("htpp://bucket/a.tar", r"nothing reads htpp://; did you mean http:// or https://\?"),
        ("github://a:b/c.tar", "github://a:b/c.tar cannot be used: "),
        ("unlikely-thing://a.tar", "nothing reads unlikely-thing://; did you mean s3://"),
    ],
)
def test_an_address_that_nothing_reads_is_a_sentence(address, message):
    with pytest.raises(UsageError, match=message):
        open_source(address)


def test_an_address_whose_package_is_missing_names_it(monkeypatch):
    def missing(address):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr("fsspec.core.url_to_fs", missing)
    with pytest.raises(UsageError, match=r"reading s3://bucket/a.tar needs a package .*`pip install s3fs`"):
        open_source("s3://bucket/a.tar")
    with pytest.raises(UsageError, match="needs a package that seesay does not bring; Install s3fs"):
        open_source("dask://bucket/a.tar")


def test_an_address_that_does_not_answer_is_a_reason_or_a_sentence(monkeypatch):
    def refuse(*given, **options):
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr("fsspec.implementations.memory.MemoryFileSystem.open", refuse)
    (fault,) = examples(open_source("memory://bucket/a.tar"))
    assert "cannot be read to its end: [Errno 111] Connection refused" in fault.reason
    monkeypatch.setattr("fsspec.core.url_to_fs", refuse)
    with pytest.raises(DataError, match=r"memory://bucket/a.tar cannot be reached: \[Errno 111\] Connection refused"):
        open_source("memory://bucket/a.tar")


def test_what_zstd_packed_names_the_pipe_that_unpacks_it(tmp_path):
    (tmp_path / "a.tar.zst").write_bytes(b"")
    with pytest.raises(DataError, match=r"a.tar.zst is no source that is known.*pipe:zstd -dc FILE"):
        open_source(str(tmp_path / "a.tar.zst"))
