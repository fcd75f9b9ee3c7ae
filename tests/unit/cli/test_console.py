"""What a terminal is told: names and captions never command it."""

import io
import json
import logging
import os
import subprocess
import sys

import pytest

from seesay.cli import console

TITLE = "a\x1b]0;owned\x07\x1b[31mred\nx 0.999  fake.jpg"
NAMES = (TITLE, "tab\tnew\r\n", "c1\x9b31m", "turned\u202egpj.exe", "line\u2028end", "del\x7f", os.fsdecode(b"caf\xe9"))


@pytest.mark.parametrize("name", NAMES)
def test_no_line_commands_a_terminal_or_becomes_two(name, capsys):
    console.write(name)
    console.say(f"cannot read {name}")
    console.write(console.quoted(name))
    for lines in capsys.readouterr():
        assert all(line.isprintable() for line in lines.splitlines())
        assert len(lines.splitlines()) == lines.count("\n")
    assert console.plain(name).isprintable()
    record = logging.LogRecord("seesay", logging.WARNING, "", 0, "left out %s", (name,), None)
    assert console.PlainFormatter("seesay: %(message)s").format(record).isprintable()


def test_names_of_every_language_are_left_as_they_are():
    for name in ("grün und ñ.jpg", "写真 1.jpg", "תמונה.jpg", "👩‍🚀.png", "it's $HOME.jpg"):
        assert console.plain(name) == console.quoted(name) == name


@pytest.mark.parametrize("name", [*NAMES, "it's \\ and\n", "\x01\x1b0"])
def test_a_quoted_name_is_read_by_a_shell_as_the_name(name):
    word = console.quoted(name)
    assert word.isascii() or word.isprintable()
    said = subprocess.run(["bash", "-c", f"printf %s {word}"], capture_output=True, check=True).stdout
    assert said == os.fsencode(name)


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
def test_a_line_of_json_is_json_in_every_encoding_and_commands_nothing(encoding, monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), encoding)
    monkeypatch.setattr(sys, "stdout", out)
    found = {"label": "grün \x9b\u202e\x7f", "name": os.fsdecode(b"\\caf\xe9")}
    console.write_json(found)
    out.flush()
    line = out.buffer.getvalue().decode(encoding)
    assert line.removesuffix("\n").isprintable()
    assert json.loads(line) == {"label": found["label"], "name": "\\caf\\xe9"}
