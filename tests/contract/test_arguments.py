"""Whatever a program hands to the public functions, what comes back is a result or an error of ours."""

import datetime
from pathlib import Path

import numpy as np
import pytest
from painting import paint
from PIL import Image

from seesay import Detail, Library, Query, SeesayError, Steps, Term, classify, load
from seesay.base.errors import InputError, UsageError

ODD = {
    "none": None,
    "number": 5,
    "negative": -1,
    "fraction": 2.5,
    "nan": float("nan"),
    "huge": 10**30,
    "empty text": "",
    "text": "x",
    "not UTF-8": "\udce9",
    "zero byte": "a\0b",
    "bytes": b"\xff",
    "list": [],
    "texts": ["x"],
    "nones": [None],
    "numbers": ["a", 5],
    "tuple": (),
    "dictionary": {"a": 1},
    "object": object(),
    "vector": np.zeros(3),
    "words": np.array(["a"]),
    "scalar": np.int64(2),
    "path": Path("x"),
    "day": datetime.date(2026, 1, 31),
    "first moment": datetime.datetime.min,
    "last moment": datetime.datetime.max,
    "picture": Image.new("RGB", (3, 3)),
    "nothing to see": [Image.new("RGB", (0, 0))],
    "iterator": iter("ab"),
}


@pytest.fixture(scope="module")
def encoder():
    return load("starter")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    paint(folder / "red.png", (250, 10, 10))
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def library(tmp_path_factory, folder, encoder):
    with Library.open(tmp_path_factory.mktemp("odd") / "library", encoder=encoder) as library:
        library.add(folder)
        yield library


CALLS = {
    "search": lambda library, odd: library.search(odd),
    "limit": lambda library, odd: library.search("red", limit=odd),
    "offset": lambda library, odd: library.search("red", offset=odd),
    "under": lambda library, odd: library.search("red", under=odd),
    "after": lambda library, odd: library.search("red", after=odd),
    "before": lambda library, odd: library.search("red", before=odd),
    "only": lambda library, odd: library.search("red", only=odd),
    "per_video": lambda library, odd: library.search("red", per_video=odd),
    "add": lambda library, odd: library.add(odd),
    "detail": lambda library, odd: library.add(detail=odd),
    "moments of a detail": lambda library, odd: library.add(detail=Detail(moments=odd)),
    "refresh": lambda library, odd: library.refresh(odd),
    "open": lambda library, odd: Library.open(odd, create=False),
    "thumbnail": lambda library, odd: library.thumbnail(odd),
    "side": lambda library, odd: library.thumbnail(1, side_px=5 if odd is ODD["huge"] else odd),
    "moments": lambda library, odd: library.moments(odd),
    "vector": lambda library, odd: library.vector_of(odd),
    "term": lambda library, odd: library.search(Query((Term(text=odd),))),
    "image": lambda library, odd: library.search(Query((Term(image=odd),))),
    "vector of a term": lambda library, odd: library.search(Query((Term(vector=odd),))),
    "weight": lambda library, odd: library.search(Query((Term(text="red", weight=odd),))),
    "query": lambda library, odd: library.search(Query(odd)),
    "steps": lambda library, odd: library.search(Steps(odd)),
    "within": lambda library, odd: library.search(Steps((Query((Term(text="red"),)),) * 2, odd)),
    "load": lambda library, odd: load(odd),
    "backend": lambda library, odd: load(backend=odd),
    "device": lambda library, odd: load(device=odd),
    "threads": lambda library, odd: load(threads=odd),
    "encode_texts": lambda library, odd: library.encoder.encode_texts(odd),
    "encode_images": lambda library, odd: library.encoder.encode_images(odd),
    "encode_pixels": lambda library, odd: library.encoder.encode_pixels(odd),
    "encode_patches": lambda library, odd: library.encoder.encode_patches(odd),
    "pictures to classify": lambda library, odd: classify(library.encoder, odd, ["a", "b"]),
    "labels": lambda library, odd: classify(library.encoder, [], odd),
    "templates": lambda library, odd: classify(library.encoder, [], ["a", "b"], templates=odd),
}


@pytest.mark.parametrize("name", CALLS)
def test_odd_arguments_give_a_result_or_an_error_of_ours(library, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SEESAY_LIBRARY", str(tmp_path / "library"))
    num_refused = 0
    for odd in ODD.values():
        try:
            CALLS[name](library, odd)
        except SeesayError as error:
            num_refused += 1
            said = str(error)
            assert said
            assert not any(word in said for word in ("[Errno", "<class", "PosixPath(", "object at 0x", "Error("))
    assert num_refused


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda library: library.search(None), "a query is a text, a picture's Path, a Query, Steps, or a vector"),
        (lambda library: library.search(5), "got something of the type int"),
        (lambda library: library.search("red", limit="3"), "limit must be a whole number, got something of the type s"),
        (lambda library: library.search("red", after="2026"), "after must be a datetime, got "),
        (lambda library: library.add(None), "a path is a text, bytes or a Path; got None"),
        (lambda library: library.add("a\0b"), "no file has a name with a zero byte in it"),
        (lambda library: library.add(detail="tiles"), "detail must be a Detail, as in"),
        (
            lambda library: library.add(detail=Detail(moments=1)),
            "the moments of a Detail are Every, KeyFrames",
        ),
        (lambda library: Query("red"), "terms must be a tuple of Term"),
        (lambda library: Term(text=5), "the text of a term must be a string, got something of the type int"),
        (lambda library: library.search(Query((Term(vector=np.zeros(3)),))), "the vector of a term must be"),
        (lambda library: Steps((Query((Term(text="a"),)),) * 2, "5"), "within_s must be a number of seconds"),
        (lambda library: library.encoder.encode_texts("red"), "texts must be a list of strings, and this is one str"),
        (lambda library: library.encoder.encode_texts([None]), "texts must be a list of strings; number 0 is None"),
        (lambda library: library.encoder.encode_texts(5), "texts must be a list of strings, got something of the type"),
        (lambda library: library.encoder.encode_images("red.png"), "images must be a list, and this is one image; put"),
        (lambda library: library.encoder.encode_images(None), "images must be a list, got None"),
        (lambda library: library.encoder.encode_images([1]), "number 0 is something of the type int"),
        (lambda library: library.encoder.encode_pixels([1]), "pixels must be a NumPy array"),
        (lambda library: load(5), "a model is named by a text or a Path, got something of the type int"),
        (lambda library: load(backend=5), "a backend is named by a text, got something of the type int"),
        (lambda library: load(device=5), "device must be a name, such as cpu, got something of the type int"),
    ],
)
def test_a_wrong_type_is_said_with_what_was_expected(library, call, says):
    with pytest.raises(UsageError) as refused:
        call(library)
    assert says in str(refused.value)


def test_of_several_pictures_the_one_that_cannot_be_read_is_named(encoder, folder):
    good, bad = folder / "red.png", folder / "broken.jpg"
    with pytest.raises(InputError, match=r"^.*/broken\.jpg: not a picture"):
        encoder.encode_images([good, bad, good])
    with pytest.raises(InputError, match=r"^image number 1: not a picture"):
        encoder.encode_images([good, bad.read_bytes()])
    with pytest.raises(InputError, match=r"^not a picture"):  # of one alone everybody knows which it is
        encoder.encode_images([bad])
    with pytest.raises(InputError, match="the picture has no pixels"):
        encoder.encode_images([Image.new("RGB", (0, 5))])
