"""Brace patterns as bash expands them: `a-{00..15}.tar`, `{0..9..3}`, `{9..0}`, `{a,b}`, one in another.

Source: the Bash Reference Manual, "Brace Expansion". A brace that opens no pattern stays as it is, and so does `${`.
"""

import re
from collections.abc import Sequence

from seesay.base.errors import DataError

MOST = 10_000_000
"""Names of one range; more than that is a slip, and would fill the memory."""
_NUMBERS = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(-?\d+))?")
_LETTERS = re.compile(r"([a-zA-Z])\.\.([a-zA-Z])(?:\.\.(-?\d+))?")


def expand(pattern: str) -> list[str]:
    """Every name that a pattern stands for, in bash's order; one that is no pattern is its only name.

    Raises:
        DataError: a range has more than `MOST` names.
    """
    for begin, letter in enumerate(pattern):
        if letter != "{" or pattern[:begin].endswith("$"):
            continue
        end = _closing(pattern, begin)
        choices = None if end is None else _choices(pattern[begin + 1 : end])
        if end is not None and choices is not None:
            rest = expand(pattern[end + 1 :])
            return [pattern[:begin] + choice + after for choice in choices for after in rest]
    return [pattern]


def _closing(pattern: str, begin: int) -> int | None:
    """Where the brace is closed that opens at `begin`."""
    depth = 0
    for place in range(begin, len(pattern)):
        depth += {"{": 1, "}": -1}.get(pattern[place], 0)
        if not depth:
            return place
    return None


def _choices(inside: str) -> Sequence[str] | None:
    """What stands between two braces, as bash takes it; None where they are only braces."""
    parts, depth = [""], 0
    for letter in inside:
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    if len(parts) > 1:
        return [choice for part in parts for choice in expand(part)]
    if found := _NUMBERS.fullmatch(inside):
        ends = found.group(1, 2)
        is_padded = any(re.match(r"-?0\d", end) for end in ends)
        width = max(map(len, ends)) if is_padded else 0
        return [f"{number:0{width}d}" for number in _range(int(ends[0]), int(ends[1]), found[3])]
    if found := _LETTERS.fullmatch(inside):
        return [chr(number) for number in _range(ord(found[1]), ord(found[2]), found[3])]
    return None


def _range(first: int, last: int, step: str | None) -> range:
    by = abs(int(step or 1)) or 1  # bash takes the sign from the ends, and 0 as 1
    numbers = range(first, last + 1, by) if first <= last else range(first, last - 1, -by)
    if len(numbers) > MOST:
        raise DataError(f"{{{first}..{last}}} stands for {len(numbers):,} names, and {MOST:,} is the most")
    return numbers
