"""What is fetched is whole or not there, and goes on where it stopped: on localhost."""

import numpy as np
import pytest
from archives import plain, write_root
from encoders import COLOURS
from files_server import FilesServer

from seesay.base.errors import DataError
from seesay.evaluation.datasets import open_dataset
from seesay.evaluation.datasets.download import fetch, place_of, raw_address, read_text

CONTENT = bytes(range(256)) * 4096  # 1 MB
NEWER = CONTENT[::-1]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SEESAY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    return tmp_path / "cache"


@pytest.fixture
def server():
    with FilesServer({"/a/0.tar": CONTENT, "/a/names.txt": b"one\ntwo\n"}) as server:
        yield server


def test_what_is_there_is_not_asked_for_again(server):
    url = f"{server.address}/a/0.tar"
    assert fetch(url).read_bytes() == CONTENT
    assert fetch(url) == place_of(url)
    assert server.requests == [("/a/0.tar", None)]
    assert not [path for path in place_of(url).parent.iterdir() if path.suffix in (".part", ".from")]


def test_a_download_that_broke_off_goes_on(server):
    url, told = f"{server.address}/a/0.tar", []
    server.cuts = [300_000, 200_000]
    for done in ("300,000", "500,000"):
        with pytest.raises(DataError, match=rf"stopped after {done} bytes.*run it again to go on"):
            fetch(url)
        assert not place_of(url).exists()
    assert fetch(url, report=told.append).read_bytes() == CONTENT
    assert [asked for _, asked in server.requests] == [None, "bytes=300000-", "bytes=500000-"]
    assert told[-1] == (url, len(CONTENT), len(CONTENT))


@pytest.mark.parametrize("has_tags", [True, False])
def test_parts_of_two_versions_are_never_put_together(server, has_tags):
    url, server.has_tags = f"{server.address}/a/0.tar", has_tags
    server.cuts = [300_000]
    with pytest.raises(DataError):
        fetch(url)
    server.files["/a/0.tar"] = NEWER
    assert fetch(url).read_bytes() == NEWER


def test_a_part_longer_than_the_file_is_thrown_away(server):
    url = f"{server.address}/a/0.tar"
    server.cuts = [900_000]
    with pytest.raises(DataError):
        fetch(url)
    server.files["/a/0.tar"] = CONTENT[:1000]
    assert fetch(url).read_bytes() == CONTENT[:1000]


def test_a_file_that_is_not_there_is_no_text_and_no_tar(server):
    assert read_text(f"{server.address}/a/names.txt") == "one\ntwo\n"
    assert read_text(f"{server.address}/a/other.txt") is None
    with pytest.raises(DataError, match=r"a/1\.tar is not there \(404\)"):
        fetch(f"{server.address}/a/1.tar")


def test_a_server_that_cannot_be_reached_is_an_error(server):
    with FilesServer({}) as gone:
        address = gone.address
    with pytest.raises(DataError, match=r"fetching .* stopped after 0 bytes"):
        fetch(f"{address}/a/0.tar")


def test_only_the_web_is_fetched_from():
    with pytest.raises(DataError, match="no address of the web"):
        fetch("file:///etc/hostname")


def test_no_address_leaves_the_cache(cache):
    for url in ("http://h/../../x", "http://h/a/%2e%2e/b", "http://h:80/a?b=../../c", "http://h/a\\..\\b"):
        assert place_of(url).resolve().is_relative_to(cache.resolve())
    assert place_of("http://h/a?b=1") != place_of("http://h/a?b=2")


def test_an_address_in_a_tree_of_the_hub_is_that_of_the_file():
    tree = "https://hub/datasets/org/wds_x/tree/main"
    assert raw_address(f"{tree}/test/0.tar", is_large=True) == "https://hub/datasets/org/wds_x/resolve/main/test/0.tar"
    assert raw_address(f"{tree}/classnames.txt", is_large=False).endswith("/raw/main/classnames.txt")
    assert raw_address("https://elsewhere/x/0.tar", is_large=True) == "https://elsewhere/x/0.tar"


def test_a_root_on_the_web_is_opened_shard_by_shard_and_goes_on_after_a_break(tmp_path):
    examples = [
        {"png": plain(rgb, (40 + 5 * turn, 40)), "cls": str(number).encode()}
        for turn in range(2)
        for number, rgb in enumerate(COLOURS.values())
    ]
    root = write_root(
        tmp_path / "root", {"train": examples, "test": examples[:7]}, classes=[*COLOURS], templates=["one {c}"]
    )
    files = {f"/sets/made/{path.relative_to(root)}": path.read_bytes() for path in root.rglob("*") if path.is_file()}
    with FilesServer(files) as server:
        server.cuts = [600]
        address = f"{server.address}/sets/made"
        with pytest.raises(DataError, match="run it again"):
            open_dataset(address)
        dataset = open_dataset(address)
        asked = [path for path, _ in server.requests]
        assert ("/sets/made/test/0.tar", "bytes=600-") in server.requests
        assert not [path for path in asked if "train" in path and path.endswith(".tar")]
        both = open_dataset(address, with_train=True)
    assert dataset.name == "made"
    assert dataset.labels.classes == tuple(COLOURS)
    assert dataset.labels.templates == ("one {c}",)
    np.testing.assert_array_equal(dataset.labels.labels, np.arange(7) % 5)
    assert [dataset.pictures[number] for number in range(7)] == [one["png"] for one in examples[:7]]
    assert len(both.train.pictures) == 10
