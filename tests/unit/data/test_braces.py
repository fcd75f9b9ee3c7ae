"""Patterns as bash expands them, which is asked where it is there."""

import random
import shutil
import subprocess

import pytest

from seesay.base.errors import DataError
from seesay.data.braces import expand

ENDS = ("0", "3", "07", "-2", "10", "-05", "00", "9", "012")
STEPS = ("", "", "..2", "..-3", "..0", "..03")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("a-{08..11}.tar", ["a-08.tar", "a-09.tar", "a-10.tar", "a-11.tar"]),
        ("{x,y}/{0..1}", ["x/0", "x/1", "y/0", "y/1"]),
        ("{0..9..3}", ["0", "3", "6", "9"]),
        ("{3..0}", ["3", "2", "1", "0"]),
        ("{010..0..5}", ["010", "005", "000"]),
        ("{a,{b,{1..2}}}", ["a", "b", "1", "2"]),
        ("{c..a}", ["c", "b", "a"]),
        ("a{,-2}.tar", ["a.tar", "a-2.tar"]),
        ("a-{0..1.tar", ["a-{0..1.tar"]),
        ("{a}{}", ["{a}{}"]),
        ("${a,b}", ["${a,b}"]),
    ],
)
def test_a_pattern(pattern, names):
    assert expand(pattern) == names


def drawn(draw, depth=0):
    """A pattern at random, up to four braces deep."""
    kind = draw.random()
    if depth > 3 or kind < 0.35:
        return draw.choice(("a", "b", "-", "0", "x.y", "", "{", "{1..b}", "{c..a}"))
    if kind < 0.55:
        return drawn(draw, depth + 1) + drawn(draw, depth + 1)
    if kind < 0.8:
        return "{" + ",".join(drawn(draw, depth + 1) for _ in range(draw.randint(1, 3))) + "}"
    return "{" + f"{draw.choice(ENDS)}..{draw.choice(ENDS)}{draw.choice(STEPS)}" + "}"


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is the reference, and is not on this machine")
def test_patterns_at_random_are_what_bash_makes_of_them():
    draw = random.Random(7)
    patterns = [f"p{drawn(draw)}{drawn(draw)}q" for _ in range(1000)]
    # a brace pair with nothing in it has rules of its own in bash, which no name of a shard needs
    patterns = [pattern for pattern in patterns if "{}" not in pattern and "-}" not in pattern]
    script = "set -f\n" + "".join(f"printf '%s|' {pattern}; echo\n" for pattern in patterns)
    said = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True).stdout.splitlines()
    assert len(said) == len(patterns) > 800
    for pattern, line in zip(patterns, said, strict=True):
        assert expand(pattern) == line.split("|")[:-1], pattern


def test_a_range_that_would_fill_the_memory_is_refused():
    with pytest.raises(DataError, match="stands for 1,000,000,000 names"):
        expand("a-{1..1000000000}.tar")
