"""What a walk leaves out: by default, by `.ignore` and `.nomedia`, by --exclude; and what it passes over."""

import os
import shutil

import pytest
from painting import paint

from seesay.base.errors import UsageError
from seesay.search.index import Summary
from seesay.search.rules import FORGOTTEN


@pytest.fixture
def nas(tmp_path):
    return tmp_path / "nas"


def put(nas, *places):
    """A picture at each place."""
    for place in places:
        (nas / place).parent.mkdir(parents=True, exist_ok=True)
        paint(nas / place, (200, len(place), 10))


def found(library, nas):
    return {os.path.relpath(hit.path, nas) for hit in library.search("red", limit=99)}


def excluded(library, nas):
    return {os.path.relpath(os.fsdecode(path), nas): rule for path, rule in library.excluded().items()}


def test_thumbnails_recycle_bins_and_pictures_of_programs_are_left_out(library, nas):
    # As the systems name them: Synology, QNAP, Windows, ext4, macOS, Lightroom, npm.
    left_out = ("@eaDir", "#recycle", "#snapshot", "@Recycle", "@Recently-Snapshot", "@__thumb", "$RECYCLE.BIN")
    left_out += ("$Recycle.Bin", "System Volume Information", "lost+found", "__MACOSX", "node_modules")
    left_out += ("Previews.lrdata", "Mine.photoslibrary/resources/derivatives")
    put(nas, "a.png", *(f"b/{name}/deep/x.png" for name in left_out), "Mine.photoslibrary/originals/o.png")
    (nas / "b" / "recycle").mkdir()
    put(nas, "b/recycle/mine.png")
    assert library.add(nas) == Summary(added=3)
    assert found(library, nas) == {"a.png", "b/recycle/mine.png", "Mine.photoslibrary/originals/o.png"}
    rules = excluded(library, nas)
    assert rules["b/@eaDir"] == "@eaDir/ is left out by default"
    assert len(rules) == len(left_out)


def test_a_folder_with_nomedia_is_left_out_and_taken_when_it_is_named(library, nas):
    put(nas, "a.png", "private/b.png", "private/deep/c.png")
    (nas / "private" / ".nomedia").touch()
    assert library.add(nas) == Summary(added=1)
    assert excluded(library, nas) == {"private": "it holds a .nomedia file"}
    assert library.add(nas / "private") == Summary(added=2)
    assert library.add() == Summary(unchanged=3)
    assert library.add(nas, exclude=["deep"]) == Summary(unchanged=2, excluded=1)


def test_ignore_files_hold_below_their_folder_and_the_deeper_one_wins(library, nas):
    put(nas, "a.png", "b/a.png", "b/c/a.png", "b/c/d.png", "e/x.png", "f/e/x.png")
    (nas / ".ignore").write_text("/e\n")
    (nas / "b" / ".ignore").write_text("a.png\n")
    (nas / "b" / "c" / ".ignore").write_text("!a.png\nd.png\n")
    assert library.add(nas) == Summary(added=3)
    assert found(library, nas) == {"a.png", "b/c/a.png", "f/e/x.png"}
    assert excluded(library, nas) == {
        "e": f"/e in {nas}/.ignore",
        "b/a.png": f"a.png in {nas}/b/.ignore",
        "b/c/d.png": f"d.png in {nas}/b/c/.ignore",
    }


def test_what_becomes_left_out_leaves_the_library_and_comes_back(library, nas, encoder):
    put(nas, "a.png", "b/a.png", "b/deep/c.png", "d.png")
    (nas / "b" / "broken.png").write_text("no picture")
    assert library.add(nas) == Summary(added=4, failed=1)
    assert library.add(nas, exclude=["b/", "d.*"]) == Summary(unchanged=1, excluded=3)
    assert found(library, nas) == {"a.png"}
    assert library.errors() == []
    assert library.add() == Summary(unchanged=1)  # the patterns are remembered
    assert library.add(nas, exclude=["d.*"]) == Summary(unchanged=1, added=2, failed=1)  # the new ones replace them
    assert library.add(nas, exclude=[]) == Summary(unchanged=3, added=1, failed=1)
    assert library.excluded() == {}


def test_a_pattern_takes_back_a_weaker_rule(library, nas):
    put(nas, "@eaDir/a.png", "node_modules/b.png", "c/d.png", "e/f.png")
    (nas / ".ignore").write_text("c\ne\n")
    (nas / "e" / ".nomedia").touch()
    assert library.add(nas, exclude=["!@eaDir", "!c", "!e"]) == Summary(added=3)
    assert set(excluded(library, nas)) == {"node_modules"}


def test_of_two_roots_the_patterns_of_both_hold_and_the_nearer_one_is_stronger(library, nas):
    put(nas, "a.gif.png", "b/a.gif.png", "b/c.png", "b/d.png")
    library.add(nas, exclude=["*.gif.png", "c.png"])
    assert library.add(nas / "b") == Summary(unchanged=1)
    assert library.add(nas / "b", exclude=["!c.png", "d.png"]) == Summary(added=1, excluded=1)
    assert found(library, nas) == {"b/c.png"}


def test_a_named_folder_in_what_is_left_out_is_taken_with_rules_of_its_own(library, nas):
    put(nas, "a.png", "node_modules/x.png", "node_modules/icons/b.png", "node_modules/icons/@eaDir/c.png")
    put(nas, "node_modules/icons/d.gif.png")
    assert library.add(nas, exclude=["*.gif.png"]) == Summary(added=1)
    assert library.add(nas / "node_modules" / "icons") == Summary(added=2)
    assert library.add() == Summary(unchanged=3)
    assert library.refresh(nas / "node_modules" / "icons" / "b.png") == Summary(unchanged=1)
    assert library.refresh(nas / "node_modules" / "x.png") == Summary()
    assert library.add(nas / "node_modules" / "x.png") == Summary(added=1)
    assert library.add() == Summary(unchanged=4)


def test_what_is_left_out_is_kept_while_its_place_is_away(library, nas, tmp_path):
    put(nas, "a.png", "b/c.png")
    library.add(nas)
    nas.rename(tmp_path / "away")
    assert library.add(nas, exclude=["b"]) == Summary(out_of_reach=2)
    (tmp_path / "away").rename(nas)
    assert library.add() == Summary(unchanged=1, excluded=1)


def test_patterns_of_a_command_line_may_begin_with_a_hash(library, nas):
    put(nas, "a.png", "#mine/b.png")
    assert library.add(nas, exclude=["#mine"]) == Summary(added=1)


def test_what_is_no_pattern_is_refused(library, nas):
    put(nas, "a.png")
    for pattern in ("", " ", "a\nb"):
        with pytest.raises(UsageError, match="is no pattern; one is like"):
            library.add(nas, exclude=[pattern])
    with pytest.raises(UsageError, match="exclude is a list of patterns, got 'a'"):
        library.add(nas, exclude="a")
    assert library.roots() == []


def test_an_ignore_file_that_cannot_be_read_leaves_its_folder_as_it_was(library, nas):
    put(nas, "a.png", "b/c.png")
    library.add(nas)
    (nas / "b" / ".ignore").mkdir()
    put(nas, "b/new.png")
    assert library.add() == Summary(unchanged=1, failed=1, out_of_reach=1)
    assert library.errors()[0].reason == "the folder cannot be listed: Is a directory"


def test_excluded_names_what_was_forgotten_too(library, nas):
    put(nas, "a.png", "b/c.png")
    library.add(nas)
    library.forget(nas / "b")
    library.add()
    assert excluded(library, nas) == {"b": FORGOTTEN}


def test_files_of_other_kinds_are_counted_by_suffix_and_not_opened(library, nas, monkeypatch):
    put(nas, "a.png", "b/a.png", "@eaDir/c.png")
    for name in ("1.pdf", "2.PDF", "b/3.pdf", "b/4.docx", "README", ".hidden.pdf", "@eaDir/5.pdf"):
        (nas / name).write_text("not read")
        (nas / name).chmod(0)
    (nas / "folder.pdf").mkdir()
    opened = open

    def guard(path, *rest, **options):
        assert not os.fsencode(path).lower().endswith((b".pdf", b".docx")), "it was opened"
        return opened(path, *rest, **options)

    monkeypatch.setattr("builtins.open", guard)
    assert library.add(nas) == Summary(added=2)
    assert list(library.passed_over().items()) == [(".pdf", 3), ("", 1), (".docx", 1)]
    shutil.rmtree(nas / "b")
    library.refresh(nas / "b")  # a part of a root says nothing of the rest
    assert library.passed_over()[".pdf"] == 3
    library.add()
    assert library.passed_over() == {".pdf": 2, "": 1}
    library.forget(nas)
    assert library.passed_over() == {}
