"""The picture that comes in through a pipe."""

import io
import sys

import pytest
from painting import paint

from seesay.base.errors import InputError, UsageError
from seesay.cli import piped
from seesay.inputs import refusals


class Stdin:
    """Bytes as they come from a pipe, or nothing from a terminal."""

    closed = False

    def __init__(self, content=b"", *, is_terminal=False):
        self.buffer, self._is_terminal = io.BytesIO(content), is_terminal

    def isatty(self):
        return self._is_terminal


@pytest.fixture
def give(monkeypatch):
    piped.read_piped.cache_clear()
    yield lambda stdin: monkeypatch.setattr(sys, "stdin", stdin)
    piped.read_piped.cache_clear()


def test_a_picture_is_read_once_and_may_be_asked_for_again(give, tmp_path):
    give(Stdin(paint(tmp_path / "a.png", (200, 10, 10)).read_bytes()))
    picture = piped.read_piped()
    assert picture.getpixel((20, 20)) == (200, 10, 10)
    assert piped.read_piped() is picture


@pytest.mark.parametrize("stdin", [Stdin(is_terminal=True), None])
def test_a_terminal_gives_no_picture(give, stdin):
    give(stdin)
    with pytest.raises(UsageError, match="- is the picture that comes in through a pipe"):
        piped.read_piped()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "nothing came in through the pipe; send a picture"),
        (b"no picture", "what came in through the pipe is no picture that can be read: not a picture"),
        (bytes(2000), "larger than 1 GiB"),
    ],
)
def test_what_is_no_picture_is_said(give, content, message, monkeypatch):
    monkeypatch.setattr(refusals, "MAX_FILE_BYTES", 1000)
    give(Stdin(content))
    with pytest.raises(InputError, match=message):
        piped.read_piped()
