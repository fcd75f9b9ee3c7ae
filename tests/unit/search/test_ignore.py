"""Ignore patterns beside git itself."""

import os
import shutil
import subprocess

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from seesay.search.ignore import Patterns

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="git is the reference, and it is not here")

PARTS = [b"a", b"b", b"c", b"*", b"**", b"?", b"/", b"[", b"]", b"!", b"^", b"-", b"\\", b" ", b"#", b".", b"\t", b"\r"]
PARTS += [b"[ab]", b"[!a]", b"[a-c]", b"[[:alpha:]]", b"[]a]", b"**/", b"/**", b"[[:x:]]", b"A", b"\xc3\xa9", b"[c-a]"]
NAMES = [
    b"a",
    b"b",
    b"c",
    b"ab",
    b"abc",
    b"a b",
    b"#a",
    b"!a",
    b"A",
    b"a.b",
    b"]",
    b"-",
    b"a ",
    b"[a]",
    b"\xc3\xa9",
    b"\\",
]

lines = st.lists(st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map(b"".join), min_size=1, max_size=4)
paths = st.lists(
    st.lists(st.sampled_from(NAMES), min_size=1, max_size=4).map(b"/".join), min_size=20, max_size=40, unique=True
)


def decide(patterns, path):
    """As a walk does: from the top, and nothing below a folder that is left out."""
    parts = path.split(b"/")
    verdict = None
    for depth in range(1, len(parts) + 1):
        is_folder = depth < len(parts)
        verdict = patterns.verdict(b"/".join(parts[:depth]), is_folder=is_folder)
        if verdict and not verdict.takes_back and is_folder:
            break
    return verdict.text.encode() if verdict else b""


@needs_git
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lines, paths)
def test_the_deciding_line_is_the_one_that_git_names(tmp_path, lines, paths):
    here = tmp_path / "repository"
    if not here.exists():
        subprocess.run(["git", "init", "-q", here], check=True)
    text = b"\n".join(lines) + b"\n"
    (here / ".gitignore").write_bytes(text)
    environment = {**os.environ, "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "HOME": str(tmp_path)}
    done = subprocess.run(
        ["git", "-C", here, "check-ignore", "--no-index", "-z", "-v", "-n", "--stdin"],
        input=b"\0".join(paths) + b"\0",
        capture_output=True,
        env=environment,
    )
    fields = done.stdout.split(b"\0")[:-1]
    expected = dict(zip(fields[3::4], fields[2::4], strict=True))
    assert len(expected) == len(paths)
    patterns = Patterns.of(text)
    assert {path: decide(patterns, path) for path in paths} == expected


def test_a_mark_at_the_start_of_the_file_is_no_part_of_the_first_line():
    assert Patterns.of(b"\xef\xbb\xbfa\n").verdict(b"a", is_folder=False)


def test_case_counts_unless_it_is_told_not_to():
    assert Patterns.of(b"Thumbs").verdict(b"thumbs", is_folder=True) is None
    assert Patterns.of(b"Thumbs", ignore_case=True).verdict(b"thumbs", is_folder=True)


def test_names_that_are_not_utf8_are_matched_by_their_bytes():
    assert Patterns.of(b"caf\xe9*").verdict(b"caf\xe9.jpg", is_folder=False)
    assert Patterns.of(b"caf?.jpg").verdict(b"caf\xe9.jpg", is_folder=False)
