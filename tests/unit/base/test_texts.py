"""Text files as people's programs write them."""

import json
import tarfile
from io import BytesIO

import pytest
from painting import paint

from seesay.base.errors import DataError, UsageError
from seesay.base.texts import decode_text, open_text, read_text
from seesay.cli.classify import read_labels
from seesay.data import open_source
from seesay.data.classes import read_classes
from seesay.data.source import Pass
from seesay.evaluation.prompts import read_templates

# As Notepad, Excel and PowerShell write it, each with CRLF; Python's own codecs are the reference.
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le with its mark", "utf-16-be with its mark")


def written(text, encoding):
    name, _, mark = encoding.partition(" ")
    return (("\ufeff" if mark else "") + text.replace("\n", "\r\n")).encode(name)


@pytest.fixture(params=ENCODINGS)
def write(request):
    return lambda path, text: path.write_bytes(written(text, request.param))


def test_a_text_is_read_without_its_mark(write, tmp_path):
    write(tmp_path / "a.txt", "Größe\nñ\n")
    assert read_text(tmp_path / "a.txt").splitlines() == ["Größe", "ñ"]
    assert decode_text((tmp_path / "a.txt").read_bytes()).splitlines() == ["Größe", "ñ"]
    with open_text(tmp_path / "a.txt") as file:
        assert file.read() == "Größe\r\nñ\r\n"


def test_labels_classes_and_templates_of_any_encoding_are_the_same(write, tmp_path):
    write(tmp_path / "labels.txt", "Katze\nHündin\n")
    assert read_labels(None, tmp_path / "labels.txt") == ["Katze", "Hündin"]
    write(tmp_path / "classes.txt", "Katze\nHündin\n")
    assert read_classes(tmp_path) == ("Katze", "Hündin")
    write(tmp_path / "templates.txt", "ein Bild von {}\nfür {}\n")
    assert read_templates(tmp_path / "templates.txt").templates == ("ein Bild von {}", "für {}")


@pytest.mark.parametrize("kind", ["csv", "tsv", "jsonl", "folder", "tar"])
def test_captions_of_any_encoding_are_the_same(write, tmp_path, kind):
    paint(tmp_path / "a.png", (1, 2, 3))
    source = tmp_path / f"pairs.{kind}"
    if kind == "jsonl":
        write(source, json.dumps({"image": "a.png", "caption": "Größe"}, ensure_ascii=False) + "\n")
    elif kind in ("csv", "tsv"):
        between = "," if kind == "csv" else "\t"
        write(source, f"image{between}caption\na.png{between}Größe\n")
    else:
        write(tmp_path / "a.txt", "Größe\n")
        source = tmp_path
    if kind == "tar":
        source = tmp_path / "pairs.tar"
        with tarfile.open(source, "w") as tar:
            for name in ("a.png", "a.txt"):
                content = (tmp_path / name).read_bytes()
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, BytesIO(content))
    ((example, _),) = open_source(str(source)).stream(Pass(seed=0, epoch=0))
    assert example.captions == ("Größe",)


def test_a_text_of_an_encoding_that_it_does_not_name_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "labels.txt").write_bytes("Hündin\n".encode("latin-1"))
    says = r"labels\.txt cannot be read: it is not text in UTF-8 \(byte 2 is not\); save it as UTF-8"
    with pytest.raises(UsageError, match=says):
        read_labels(None, tmp_path / "labels.txt")
    (tmp_path / "pairs.csv").write_bytes("image,caption\na.png,Hündin\n".encode("latin-1"))
    with pytest.raises(DataError, match=r"pairs\.csv cannot be read: it is not text in UTF-8"):
        open_source(str(tmp_path / "pairs.csv"))
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="folder cannot be read: is a directory"):
        read_labels(None, tmp_path / "folder")
