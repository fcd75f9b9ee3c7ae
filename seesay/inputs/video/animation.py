"""Animated GIF, WebP, APNG and AVIF: pictures by their format, short videos by what they show."""

from pathlib import Path

from PIL import Image

from seesay.inputs.quiet import QuietPillow

ANIMATION_SUFFIXES = frozenset({".apng", ".avif", ".gif", ".png", ".webp"})
"""Lower-case suffixes of files that are pictures or short videos, which only their content says."""

_QUIET = QuietPillow()


def is_animated(path: str | Path) -> bool:
    """Whether there is a second picture in the file."""
    try:
        with _QUIET, Image.open(path) as picture:
            return int(getattr(picture, "n_frames", 1)) > 1
    except (OSError, ValueError, SyntaxError, EOFError, LookupError, TypeError):
        return False
