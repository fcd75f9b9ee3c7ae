from pathlib import Path

import pytest

from seesay.base import errors
from seesay.base.errors import MissingExtraError, SeesayError, UnknownNameError, UsageError
from seesay.base.paths import default_library, show
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
