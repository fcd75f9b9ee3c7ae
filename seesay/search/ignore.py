"""Patterns as in a `.gitignore`: which names below a folder they leave out.

The meaning is git's own (gitignore(5), and wildmatch.c where the manual is silent); `git check-ignore` is the
reference of the tests. Each pattern becomes a regular expression over bytes, because a name need not be UTF-8.

It knows patterns and names. It must not know folders on disk.
"""

import re
from dataclasses import dataclass

_CLASSES = {
    b"alnum": rb"0-9A-Za-z",
    b"alpha": rb"A-Za-z",
    b"blank": rb" \t",
    b"cntrl": rb"\x00-\x1f\x7f",
    b"digit": rb"0-9",
    b"graph": rb"\x21-\x7e",
    b"lower": rb"a-z",
    b"print": rb"\x20-\x7e",
    b"punct": rb"\x21-\x2f\x3a-\x40\x5b-\x60\x7b-\x7e",
    b"space": rb" \t-\r",
    b"upper": rb"A-Z",
    b"xdigit": rb"0-9A-Fa-f",
}
_NOTHING = rb"(?!)"  # an expression that no name matches


@dataclass(frozen=True, slots=True)
class Pattern:
    """One line."""

    text: str
    """As it was written."""
    expression: "re.Pattern[bytes]"
    takes_back: bool
    """It began with `!`: what it names is not left out."""
    only_folders: bool
    has_slash: bool
    """It is about the whole path below the folder of the file, not about a name anywhere below it."""

    def matches(self, path: bytes, *, is_folder: bool) -> bool:
        """Whether it names this path.

        Args:
            path: relative to the folder that the patterns are of, without a slash at either end.
            is_folder: a link to a folder is none.
        """
        if self.only_folders and not is_folder:
            return False
        name = path if self.has_slash else path.rpartition(b"/")[2]
        return self.expression.fullmatch(name) is not None


@dataclass(frozen=True, slots=True)
class Patterns:
    """The lines of one file. The last that names a path decides."""

    lines: tuple[Pattern, ...]

    @classmethod
    def of(cls, text: bytes, *, ignore_case: bool = False) -> "Patterns":
        """Read a file's content."""
        text = text.removeprefix(b"\xef\xbb\xbf")
        lines = (_pattern(line.removesuffix(b"\r"), ignore_case=ignore_case) for line in text.split(b"\n"))
        return cls(tuple(line for line in lines if line is not None))

    def verdict(self, path: bytes, *, is_folder: bool) -> Pattern | None:
        """The pattern that decides about a path: leaves it out, or takes it back; None where none names it."""
        return next((line for line in reversed(self.lines) if line.matches(path, is_folder=is_folder)), None)


def _pattern(line: bytes, *, ignore_case: bool) -> Pattern | None:
    line = _without_spaces_at_end(line)
    written = line
    if not line or line.startswith(b"#"):
        return None
    takes_back = line.startswith(b"!")
    line = line.removeprefix(b"!")
    only_folders = line.endswith(b"/")
    line = line.removesuffix(b"/")
    if not line and not only_folders:
        return None
    has_slash = b"/" in line
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    return Pattern(
        text=written.decode("utf-8", "backslashreplace"),
        expression=re.compile(_expression(line.removeprefix(b"/"), has_slash=has_slash), flags),
        takes_back=takes_back,
        only_folders=only_folders,
        has_slash=has_slash,
    )


def _without_spaces_at_end(line: bytes) -> bytes:
    end = position = 0
    while position < len(line):
        if line[position : position + 1] == b"\\":
            position += 2
            end = min(position, len(line))
        else:
            position += 1
            if line[position - 1 : position] != b" ":
                end = position
    return line[:end]


def _expression(text: bytes, *, has_slash: bool) -> bytes:
    parts: list[bytes] = []
    position = 0
    # git compares the part before the first special character by itself, so a `**` after it counts as one at the start.
    start = len(re.match(rb"[^*?\[\\]*", text)[0]) if has_slash else 0  # type: ignore[index]
    while position < len(text):
        character = text[position : position + 1]
        if character == b"*":
            end = position
            while text[end : end + 1] == b"*":
                end += 1
            is_deep = end - position > 1 and _stands_alone(text, position, end, start) and has_slash
            if is_deep and text[end : end + 1] == b"/":
                parts.append(rb"(?:.*/)?")
                end += 1
            else:
                parts.append(rb".*" if is_deep else rb"[^/]*")
            position = end
        elif character == b"?":
            parts.append(rb"[^/]")
            position += 1
        elif character == b"[":
            found = _bracket(text, position)
            if found is None:
                return _NOTHING
            part, position = found
            parts.append(part)
        elif character == b"\\":
            if position + 1 == len(text):
                return _NOTHING
            parts.append(re.escape(text[position + 1 : position + 2]))
            position += 2
        else:
            parts.append(re.escape(character))
            position += 1
    return b"".join(parts)


def _stands_alone(text: bytes, position: int, end: int, start: int) -> bool:
    """Whether the stars between `position` and `end` fill a whole part of the path."""
    after = text[end : end + 2]
    return (position == start or text[position - 1 : position] == b"/") and (
        after[:1] in (b"", b"/") or after == rb"\/"
    )


def _bracket(text: bytes, position: int) -> tuple[bytes, int] | None:
    """A set in square brackets as an expression, and where it ends; None where it is not closed."""
    position += 1
    is_negated = text[position : position + 1] in (b"!", b"^")
    position += is_negated
    members: list[bytes] = []
    before: int | None = None  # the character that a range can begin with
    is_first = True
    while is_first or text[position : position + 1] != b"]":
        is_first = False
        character = text[position : position + 1]
        if not character:
            return None
        following = text[position + 1 : position + 2]
        if character == b"[" and following == b":":
            close = text.find(b"]", position + 2)
            if close == -1:
                return None
            if text[close - 1 : close] == b":" and close - 1 >= position + 2:
                name = text[position + 2 : close - 1]
                if name not in _CLASSES:
                    return None
                members.append(_CLASSES[name])
                before, position = None, close + 1
                continue
        if character == b"-" and before is not None and following not in (b"", b"]"):
            position += 1
            if following == b"\\":
                position += 1
                following = text[position : position + 1]
                if not following:
                    return None
            if before <= following[0]:
                members.append(b"%s-%s" % (_member(before), _member(following[0])))
            before, position = None, position + 1
            continue
        if character == b"\\":
            position += 1
            character = following
            if not character:
                return None
        members.append(_member(character[0]))
        before, position = character[0], position + 1
    inside = b"".join(members)
    if is_negated:
        return b"[^/%s]" % inside, position + 1
    return (b"(?!/)[%s]" % inside if inside else _NOTHING), position + 1


def _member(character: int) -> bytes:
    return b"\\x%02x" % character
