import base64
import json
import os
from pathlib import Path

import pytest

from seesay.base import errors
from seesay.base.errors import MissingExtraError, SeesayError, UnknownNameError, UsageError
from seesay.base.paths import default_library, json_path, json_text, safe_name, show
from seesay.base.tables import resolve


def test_the_tree_in_the_docstring_is_the_tree():
    tree = errors.__doc__
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, SeesayError)]
    assert len(classes) > 5
    assert all(f"{kind.__name__} " in tree or kind is SeesayError for kind in classes)


def test_an_unknown_name_offers_the_nearest_and_says_how_to_list():
    error = UnknownNameError("loss", "sigmiod", ["softmax", "sigmoid"])
    assert str(error) == "no loss is called 'sigmiod'; did you mean sigmoid? (list them with `seesay list losses`)"
    assert "did you mean" not in str(UnknownNameError("loss", "zzz", ["softmax"]))
    assert isinstance(error, UsageError)
    assert isinstance(error, ValueError)


def test_a_missing_extra_says_what_to_install():
    error = MissingExtraError("reading HEIC pictures", "heic")
    assert str(error) == "reading HEIC pictures needs an optional package; install it with `pip install 'seesay[heic]'`"
    assert isinstance(error, ImportError)


def test_a_table_imports_on_first_use():
    assert resolve({"join": "posixpath:join"}, "join", kind="thing")("a", "b") == "a/b"
    with pytest.raises(UnknownNameError, match=r"did you mean join\?"):
        resolve({"join": "posixpath:join"}, "jion", kind="thing")


def test_the_library_is_where_the_environment_says(monkeypatch, tmp_path):
    monkeypatch.setenv("SEESAY_LIBRARY", str(tmp_path))
    assert default_library() == tmp_path
    monkeypatch.setenv("SEESAY_LIBRARY", "~/there")
    assert default_library() == Path.home() / "there"
    monkeypatch.delenv("SEESAY_LIBRARY")
    assert default_library().name == "library"


def test_any_path_can_be_shown():
    assert show(b"caf\xe9/\xc3\xa9") == "caf\\xe9/é"


def test_a_path_in_json_can_be_opened_whatever_its_name(tmp_path):
    for name in (b"plain.jpg", "grün\n.jpg".encode(), b"caf\xe9.jpg", rb"caf\xe9.jpg", b"\xed\xa0\x80.jpg"):
        path = os.fsencode(tmp_path) + b"/" + name
        found = json.loads(json_text(json_path(path)).encode())
        opened = base64.b64decode(found["path_bytes"]) if "path_bytes" in found else found["path"].encode()
        assert opened == path
    assert (
        json_path(b"/a/caf\xe9") == json_path("/a/caf\udce9") == {"path": "/a/caf\\xe9", "path_bytes": "L2EvY2Fm6Q=="}
    )
    assert show("alone \ud83d") == "alone \\ud83d"


def test_a_safe_name_can_be_made_and_is_not_too_long(tmp_path):
    for name in ("a\n\x1b[31m.jpg", os.fsdecode(b"caf\xe9.jpg"), "ü" * 127, "x" * 255):
        safe = safe_name(name)
        assert (tmp_path / f"001-{safe}.webm").write_text("") == 0
        assert safe.isprintable()
