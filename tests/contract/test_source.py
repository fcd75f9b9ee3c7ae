"""What every source of examples promises, run over each kind."""

import io
import itertools
import re
import tarfile

import pytest
from PIL import Image

from seesay.data import SOURCES, open_source
from seesay.data.source import Example, Pass

COUNT = 23


def picture(number):
    content = io.BytesIO()
    Image.new("RGB", (8, 8), (number, 0, 0)).save(content, "PNG")
    return content.getvalue()


def make_folder(folder):
    folder.mkdir()
    for number in range(COUNT):
        (folder / f"{number:03}.png").write_bytes(picture(number))
        (folder / f"{number:03}.txt").write_text(f"picture {number}\n")
    return str(folder)


def make_manifest(folder):
    make_folder(folder)
    rows = "".join(f"{number:03}.png,picture {number}\n" for number in range(COUNT))
    (folder / "rows.csv").write_text("image,caption\n" + rows)
    return str(folder / "rows.csv")


def write_tar(path, numbers):
    with tarfile.open(path, "w") as tar:
        for number in numbers:
            for name, content in ((f"{number:03}.png", picture(number)), (f"{number:03}.txt", b"picture %d" % number)):
                member = tarfile.TarInfo(name)
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))


def make_tars(folder):
    folder.mkdir()
    for shard in range(6):
        write_tar(folder / f"{shard:02}.tar", range(shard, COUNT, 6))
    return str(folder / "{00..05}.tar")


def make_classes(folder):
    for number in range(COUNT):
        (folder / f"picture {number}").mkdir(parents=True)
        (folder / f"picture {number}" / "0.png").write_bytes(picture(number))
    return str(folder)


def make_videos(folder):
    for number in range(COUNT):
        (folder / f"picture {number}").mkdir(parents=True)
        (folder / f"picture {number}" / "clip.mp4").touch()  # a source opens none
    return f"videos:{folder}"


MAKERS = {
    "folder": make_folder,
    "classes": make_classes,
    "manifest": make_manifest,
    "tars": make_tars,
    "videos": make_videos,
}


def test_every_source_is_held_to_this():
    assert MAKERS.keys() == SOURCES.keys()


@pytest.fixture(params=MAKERS)
def source(request, tmp_path, monkeypatch):
    monkeypatch.setattr("seesay.data.tars.WINDOW", 2)  # so that a small source has many
    return open_source(MAKERS[request.param](tmp_path / "source"))


def name_of(example):
    """What a caption says, without the sentence that a source may put it into."""
    return re.search(r"picture \d+", example.captions[0])[0]


def said(stream):
    return [name_of(example) for example, _ in stream]


def test_a_pass_shows_everything_once(source):
    examples = [example for example, _ in source.stream(Pass(seed=0, epoch=0))]
    assert all(isinstance(example, Example) for example in examples)
    assert sorted(map(name_of, examples)) == sorted(f"picture {number}" for number in range(COUNT))


def test_the_order_is_the_seeds_and_the_epochs(source):
    orders = [said(source.stream(Pass(seed, epoch))) for seed, epoch in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert orders[0] != orders[3]
    assert orders[0] != sorted(orders[0])


@pytest.mark.parametrize("size", [2, 4, 9])
def test_processes_share_a_pass(source, size):
    parts = [said(source.stream(Pass(3, 1, rank, size))) for rank in range(size)]
    assert sorted(itertools.chain(*parts)) == sorted(f"picture {number}" for number in range(COUNT))
    assert min(map(len, parts)) > 0


@pytest.mark.parametrize(("rank", "size"), [(0, 1), (1, 2), (3, 9)])
def test_a_pass_goes_on_from_any_place(source, rank, size):
    whole = list(source.stream(Pass(5, 2, rank, size)))
    for place, (_, position) in enumerate(whole, 1):
        rest = said(source.stream(Pass(5, 2, rank, size), position))
        assert rest == said(whole[place:])
