"""A list of pictures or videos that somebody handed over: what is refused, and which one cannot be read."""

import os
from collections.abc import Callable, Iterable, Sequence, Sized
from typing import Any, Literal, Protocol, TypeVar, runtime_checkable

from PIL import Image

from seesay.base.arguments import kind_of
from seesay.base.errors import InputError, UsageError
from seesay.base.paths import show

S = TypeVar("S")
T = TypeVar("T")
What = Literal["image", "video"]


@runtime_checkable
class _Readable(Protocol):
    """An open file."""

    def read(self, size: int = ..., /) -> bytes:
        """The next bytes."""


_ONE = (str, bytes, os.PathLike, Image.Image)
_KINDS: dict[What, tuple[type, ...]] = {"image": (*_ONE, _Readable), "video": (*_ONE, Sequence)}


def naming(work: Callable[[S], T], things: Iterable[S], *, what: What = "image") -> Callable[[int, S], T]:
    """Work on each thing of a list, which says of which one it is that something is wrong.

    Args:
        work: on one; may raise InputError.
        things: the list. Where it is of one alone, everybody knows which it is.
        what: they are.

    Returns:
        A function of a thing's number and the thing: what `work` gives, and its InputError with the name before it.

    Raises:
        UsageError: no list but a single thing, or something that is no list; of the function, no such thing.
    """
    if isinstance(things, _ONE):
        raise UsageError(f"{what}s must be a list, and this is one {what}; put it in a list")
    try:
        iter(things)
    except TypeError as error:
        raise UsageError(f"{what}s must be a list, got {kind_of(things)}") from error
    is_alone = isinstance(things, Sized) and len(things) == 1

    def named(number: int, thing: S) -> T:
        given: Any = thing
        if not isinstance(given, _KINDS[what]):
            raise UsageError(
                f"{what}s must be a list of paths, bytes, or Pillow pictures; number {number} is {kind_of(given)}"
            )
        try:
            return work(thing)
        except InputError as error:
            if is_alone:
                raise
            name = show(os.fsdecode(given)) if isinstance(given, str | os.PathLike) else f"{what} number {number}"
            raise InputError(f"{name}: {error}") from error

    return named
