"""Whatever a file or a folder is called, every answer is 200 and JSON, and the file can be reached."""

import base64
import json
import os
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
from films import film
from painting import paint

from seesay.encoders import load
from seesay.search.export import export
from seesay.search.library import Library

NAMES = (
    b"caf\xe9.jpg",
    rb"caf\xe9.jpg",  # UTF-8: a backslash, and so on
    b"new\nline.jpg",
    b"\x1b]0;owned\x07.jpg",
    "turned\u202egpj.jpg".encode(),
    "תמונה.jpg".encode(),
    b'"quotes" & <b>.jpg',
    b"x" * 251 + b".jpg",
    "ü".encode() * 125 + b"\xe9.jpg",
    b"\xff\xfe.jpg",
    b"M\xfcller/inside.jpg",
)


@pytest.fixture(scope="module")
def named(tmp_path_factory):
    """A library of files with such names, of which a folder is asked for by itself."""
    folder = tmp_path_factory.mktemp("named")
    root = folder / "photos"
    (root / os.fsdecode(b"M\xfcller")).mkdir(parents=True)
    for number, name in enumerate(NAMES):
        paint(folder / "made.jpg", (20 * number, 90, 200 - 15 * number))
        shutil.copy(folder / "made.jpg", root / os.fsdecode(name))
    film(folder / "film.mp4", ("red", 2), ("blue", 2))
    shutil.copy(folder / "film.mp4", root / os.fsdecode(b"f\xeflm.mp4"))
    (root / os.fsdecode(b"bro\xf6ken.jpg")).write_bytes(b"no picture")
    with Library.open(folder / "library", encoder=load("starter")) as library:
        library.add(root, root / os.fsdecode(b"M\xfcller"))
    return folder


@pytest.fixture(scope="module")
def client(named, serve):
    with serve(named / "library") as client:
        yield client


def opened(found):
    """The path to open, as a program reads it out of an answer."""
    return base64.b64decode(found["path_bytes"]) if "path_bytes" in found else found["path"].encode()


def test_every_file_is_found_shown_and_reached_by_its_id(client, named):
    hits = client.get("/api/search", params={"q": "red", "weak": True, "limit": 100}).json()["hits"]
    expected = {os.fsencode(named / "photos") + b"/" + name for name in (*NAMES, b"f\xeflm.mp4")}
    assert {opened(hit) for hit in hits} == expected
    for hit in hits:
        item = client.get(f"/api/items/{hit['id']}")
        assert item.status_code == 200
        assert opened(item.json()) == opened(hit)
        assert client.get(f"/api/items/{hit['id']}/thumbnail").headers["content-type"] == "image/jpeg"
        assert client.get(f"/api/items/{hit['id']}/marks", params={"q": "red"}).status_code == 200
        content = client.get(f"/api/items/{hit['id']}/file", params={"download": True})
        assert content.content == Path(os.fsdecode(opened(hit))).read_bytes()
        disposition = content.headers["content-disposition"]
        assert unquote(disposition.partition("''")[2] or disposition.partition('"')[2]).isprintable()
        if hit["kind"] == "moment":
            clip = client.get(f"/api/items/{hit['id']}/clip", params={"start_s": 0, "end_s": 1})
            assert clip.status_code == 200


def test_what_is_said_of_the_library_is_json(client):
    roots = client.get("/api/library").json()["roots"]
    assert roots[0].endswith("/photos")
    assert roots[1].endswith(r"/photos/M\xfcller")
    (error,) = client.get("/api/library/errors").json()["errors"]
    assert opened(error).endswith(b"/bro\xf6ken.jpg")


def test_a_folder_can_be_searched_under_the_name_that_was_shown(client):
    hits = client.get("/api/search", params={"q": "red", "weak": True, "limit": 100}).json()["hits"]
    (inside,) = [hit for hit in hits if hit["name"] == "inside.jpg"]
    found = client.get("/api/search", params={"q": "red", "weak": True, "under": inside["folder"]}).json()["hits"]
    assert [hit["id"] for hit in found] == [inside["id"]]
    # two files are shown alike: the one that is really called so is meant
    alike = [hit for hit in hits if hit["name"] == r"caf\xe9.jpg"]
    assert len(alike) == 2
    found = client.get("/api/search", params={"q": "red", "weak": True, "under": alike[0]["path"]}).json()["hits"]
    assert [opened(hit) for hit in found] == [hit["path"].encode() for hit in alike if "path_bytes" not in hit]


def test_an_export_has_names_that_every_system_takes(named, tmp_path):
    with Library.open(named / "library") as library:
        hits = library.search("red", limit=100, weak=True)
        done = export(hits, tmp_path / "out", query="red\udce9")
    assert done.problems == []
    record = json.loads((tmp_path / "out" / "hits.json").read_text("utf-8"))
    assert record["query"] == r"red\xe9"
    assert len(record["hits"]) == len(hits) >= len(NAMES) + 1
    for hit in record["hits"]:
        assert (tmp_path / "out" / hit["file"]).stat().st_size
        assert Path(os.fsdecode(opened(hit))).exists()
    assert all(path.name.isprintable() for path in (tmp_path / "out").iterdir())
