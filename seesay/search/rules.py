"""What a walk leaves out although it could read it: by default, by `.ignore` and `.nomedia` files, by --exclude.

From weak to strong: what is left out by default and folders that hold a `.nomedia`; `.ignore` files, a deeper one
before one above it; `--exclude`, that of the nearest root first; and what a person took out with `seesay forget`. A
pattern that begins with `!` takes back what a weaker rule leaves out. A path that was named to `seesay index` is always
taken, wherever it lies: where a rule of a root above leaves it out, the rules begin anew in it.
"""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from seesay.base.errors import UsageError
from seesay.search.ignore import Pattern, Patterns

IGNORE_FILE = b".ignore"
NO_MEDIA_FILE = b".nomedia"
FORGOTTEN = "taken out with `seesay forget`; naming it to `seesay index` takes it again"
_MAX_BYTES = 1 << 20  # of an ignore file; a longer one is something else

DEFAULTS = Patterns.of(
    rb"""
# thumbnails, recycle bins and snapshots of Synology and QNAP
@eaDir/
\#recycle/
\#snapshot/
@Recycle/
@Recently-Snapshot/
@__thumb/
# of Windows, Linux and macOS
$RECYCLE.BIN/
RECYCLER/
RECYCLED/
System Volume Information/
lost+found/
__MACOSX/
# small copies that Lightroom and Apple's Photos keep of what is there in full
*.lrdata/
**/*.photoslibrary/resources/derivatives/
# pictures of programs
node_modules/
""",
    ignore_case=True,
)


@dataclass(frozen=True, slots=True)
class Scope:
    """The rules that hold below one folder: pairs of a folder and patterns that are relative to it, weak to strong."""

    root: bytes
    ignores: tuple[tuple[bytes, Patterns], ...] = ()
    excludes: tuple[tuple[bytes, Patterns], ...] = ()

    def rule(self, path: bytes, *, is_folder: bool) -> str | None:
        """The rule that leaves `path` out; None where none does."""
        decided = self.decided(path, is_folder=is_folder)
        if decided is None:
            line = DEFAULTS.verdict(path[1:], is_folder=is_folder)
            return None if line is None else f"{line.text} is left out by default"
        line, origin = decided
        return None if line.takes_back else f"{line.text} in {origin}"

    def decided(self, path: bytes, *, is_folder: bool) -> tuple[Pattern, str] | None:
        """The pattern of a person that decides about `path`, and where it stands."""
        for base, patterns in reversed(self.excludes):
            if line := patterns.verdict(_below(path, base), is_folder=is_folder):
                return line, f"--exclude of {_show(base)}"
        for base, patterns in reversed(self.ignores):
            if line := patterns.verdict(_below(path, base), is_folder=is_folder):
                return line, _show(os.path.join(base, IGNORE_FILE))
        return None


class Rules:
    """The rules of a library."""

    def __init__(self, roots: Mapping[bytes, str | None], forgotten: Collection[bytes] = ()) -> None:
        """Take what was named to `seesay index`, with the `--exclude` of each, and what was forgotten."""
        self._roots = {root: None if text is None else Patterns.of(os.fsencode(text)) for root, text in roots.items()}
        self._forgotten = frozenset(forgotten)

    def is_named(self, path: bytes) -> bool:
        """Whether it was named to `seesay index`."""
        return path in self._roots

    def named_below(self, folder: bytes) -> list[bytes]:
        """What was named and lies below a folder; not what lies in another of them."""
        found: list[bytes] = []
        for root in sorted(root for root in self._roots if root != folder and is_at_or_below(root, folder)):
            if not found or not is_at_or_below(root, found[-1]):
                found.append(root)
        return found

    def begin(self, root: bytes) -> Scope:
        """The rules in a root, as if nothing was above it."""
        patterns = self._roots.get(root)
        return Scope(root, excludes=() if patterns is None else ((root, patterns),))

    def enter(self, scope: Scope, folder: bytes, names: Collection[bytes]) -> Scope:
        """The rules below a folder, from those above it.

        Args:
            scope: of the folder above; for the first folder its own.
            folder: absolute.
            names: what it holds.

        Raises:
            OSError: its `.ignore` cannot be read.
        """
        if folder != scope.root and folder in self._roots:
            if self._is_out(scope, folder, is_folder=True):
                scope = self.begin(folder)
            elif (patterns := self._roots[folder]) is not None:
                scope = replace(scope, excludes=(*scope.excludes, (folder, patterns)))
        if IGNORE_FILE in names:
            with open(os.path.join(folder, IGNORE_FILE), "rb") as file:
                patterns = Patterns.of(file.read(_MAX_BYTES))
            scope = replace(scope, ignores=(*scope.ignores, (folder, patterns)))
        return scope

    def rule(self, scope: Scope, path: bytes, *, is_folder: bool) -> str | None:
        """The rule that leaves out an entry of a folder; None where none does."""
        if path in self._roots:
            return None
        return FORGOTTEN if path in self._forgotten else scope.rule(path, is_folder=is_folder)

    def rule_inside(self, scope: Scope, folder: bytes, names: Collection[bytes]) -> str | None:
        """The rule that leaves out a folder because of what it holds.

        Args:
            scope: of the folder above.
            folder: absolute.
            names: what it holds.
        """
        if NO_MEDIA_FILE not in names or folder in self._roots or scope.decided(folder, is_folder=True):
            return None
        return "it holds a .nomedia file"

    def trace(self, path: bytes) -> tuple[Scope, tuple[bytes, str] | None]:
        """The rules that hold for a path somewhere below a root, by what the folders above it hold now.

        Returns:
            The scope of the folder above `path`, and what leaves it out: `path` or a folder above it, with the rule.

        Raises:
            OSError: an `.ignore` on the way cannot be read.
        """
        roots = [folder for folder in _from(path) if folder in self._roots] or [path]
        scope, out = self.begin(roots[0]), None
        for folder in _from(path):
            if not is_at_or_below(folder, roots[0]):
                continue
            if out and folder in self._roots:
                scope, out = self.begin(folder), None
            if out:
                continue
            is_folder = folder != path or (os.path.isdir(folder) and not os.path.islink(folder))
            names = _names_that_count(folder) if is_folder else ()
            rule = None if folder == scope.root else self.rule(scope, folder, is_folder=is_folder)
            if rule := rule or self.rule_inside(scope, folder, names):
                out = folder, rule
            elif folder != path:
                scope = self.enter(scope, folder, names)
        return scope, out

    def _is_out(self, scope: Scope, path: bytes, *, is_folder: bool) -> bool:
        return path in self._forgotten or scope.rule(path, is_folder=is_folder) is not None


def join_patterns(patterns: Sequence[str]) -> str | None:
    """Patterns as a root keeps them: a line each; None where there are none.

    Raises:
        UsageError: one of them says nothing, or is several lines.
    """
    if isinstance(patterns, str):
        raise UsageError(f"exclude is a list of patterns, got {patterns!r}")
    for pattern in patterns:
        if not pattern.strip() or "\n" in pattern:
            raise UsageError(f"{pattern!r} is no pattern; one is like `*.gif`, `Private/` or `!@eaDir`")
    # A `#` at the start would be a comment in a file; here it is the name of a recycle bin.
    return "\n".join("\\" + pattern if pattern.startswith("#") else pattern for pattern in patterns) or None


def is_at_or_below(path: bytes, folder: bytes) -> bool:
    """Whether a path is a folder or lies in it."""
    return path == folder or path.startswith(folder.rstrip(b"/") + b"/")


def _names_that_count(folder: bytes) -> list[bytes]:
    return [name for name in (IGNORE_FILE, NO_MEDIA_FILE) if os.path.lexists(os.path.join(folder, name))]


def _from(path: bytes) -> Iterator[bytes]:
    """A path and all folders above it, from the top."""
    parent = os.path.dirname(path)
    if parent != path:
        yield from _from(parent)
    yield path


def _below(path: bytes, base: bytes) -> bytes:
    return path[len(base.rstrip(b"/")) + 1 :]


def _show(path: bytes) -> str:
    return path.decode("utf-8", "backslashreplace")
