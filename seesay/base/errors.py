"""Every error that seesay raises on purpose, and how a message is built.

    SeesayError
    ├── UsageError             what was asked for makes no sense (also a ValueError)
    │   └── UnknownNameError   a name that no table has; offers the nearest ones
    ├── InputError             one picture, text or video that cannot be read
    ├── DataError              training data or a checkpoint that cannot be used
    ├── TrainingError          a run that cannot go on, its loss being no number
    ├── BundleError            a model folder that is incomplete, changed or of another kind
    ├── LibraryError           a library that cannot be used as asked
    │   ├── LibraryBusyError       another process is writing to it
    │   ├── ModelMismatchError     it was made by another model
    │   └── SchemaError            it was made by a newer seesay
    └── MissingExtraError      an optional package is not installed (also an ImportError)

A message says what is wrong, what it got, what was expected, and the cure. Library code raises
these and nothing else on bad input; `cli` and `serve` turn them into exit codes and HTTP status.
"""

import difflib
from collections.abc import Iterable


class SeesayError(Exception):
    """The root: catching it catches every error that seesay raises on purpose."""


class UsageError(SeesayError, ValueError):
    """What was asked for makes no sense: a bad option, a query without words, a wrong shape."""


class UnknownNameError(UsageError):
    """A name that a table does not have."""

    def __init__(self, kind: str, name: str, known: Iterable[str], *, cure: str | None = None) -> None:
        """Build the message from the table itself.

        Args:
            kind: what the name is of, in the singular: "loss", "model".
            name: what was asked for.
            known: the names that exist.
            cure: how to list them; by default `seesay list <kind>s`.
        """
        self.kind, self.name, self.known = kind, name, sorted(known)
        near = difflib.get_close_matches(name, self.known, n=3, cutoff=0.5)
        offer = f"; did you mean {' or '.join(near)}?" if near else "."
        plural = f"{kind}es" if kind.endswith("s") else f"{kind}s"
        super().__init__(f"no {kind} is called {name!r}{offer} ({cure or f'list them with `seesay list {plural}`'})")


class InputError(SeesayError):
    """One picture, text or video that cannot be read. `str(error)` is the reason, without the path."""


class DataError(SeesayError):
    """Training data that cannot be used, a source or too many of its examples; or a checkpoint that cannot be."""


class TrainingError(SeesayError):
    """A training run that cannot go on: its loss is no number, or far above the last ones."""


class BundleError(SeesayError):
    """A model folder that is incomplete, was changed, or does not fit its own configuration."""


class LibraryError(SeesayError):
    """A library that cannot be used as asked."""


class LibraryBusyError(LibraryError):
    """Another process is writing to this library."""


class ModelMismatchError(LibraryError):
    """The library's vectors were made by another model than the one asked to search them."""


class SchemaError(LibraryError):
    """The library was made by a newer seesay, or the file is no library at all."""


def reason(error: BaseException) -> str:
    """Why something failed, for a sentence of ours: what the system or a parser says, without Python around it."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror[:1].lower() + error.strerror[1:]
    if isinstance(error, UnicodeDecodeError):
        return f"it is not text in UTF-8 (byte {error.start + 1:,} is not); save it as UTF-8"
    if isinstance(error, KeyError):
        return f"it has no {error.args[0]!r}" if error.args else "something is missing"
    said = " ".join(str(error).split())
    return said or f"something is wrong with it ({type(error).__name__})"


class MissingExtraError(SeesayError, ImportError):
    """An optional package is needed and not installed."""

    def __init__(self, what: str, extra: str) -> None:
        """Name the need and the cure.

        Args:
            what: what cannot be done without it, as the start of a sentence.
            extra: the extra of the seesay package that brings it.
        """
        super().__init__(f"{what} needs an optional package; install it with `pip install 'seesay[{extra}]'`")
