"""Damaged files of every format, indexed in one run; `python tests/mutants.py` makes more of them."""

import re

from mutants import originals, run


def test_damaged_files_of_every_format_stop_and_hide_nothing():
    assert len(originals()) >= 42
    said = run(num=200, seed=1)
    assert re.match(r"200 damaged files of \d+ kinds \(seed 1\): \d+ read, of these \d+ in part, \d+ refused", said)
