"""The strict reading of a small config section: every key is known, none is missing.

A misspelt key that is silently ignored changes what a model sees, so it is an error that names the key.
"""

import dataclasses
import difflib
from collections.abc import Mapping
from typing import Any

from seesay.base.errors import BundleError


def check_fields(config: type, data: Mapping[str, Any], *, section: str) -> None:
    """Hold the keys of `data` against the fields of the dataclass `config`; every field must be there.

    Args:
        config: the dataclass that `data` will become.
        data: one section of a bundle's config.json.
        section: what the section is called, for the message.

    Raises:
        BundleError: keys are missing or left over; it names them and what was probably meant.
    """
    expected = [field.name for field in dataclasses.fields(config)]
    missing = [name for name in expected if name not in data]
    leftover = [str(name) for name in data if name not in expected]
    if not missing and not leftover:
        return
    parts = [f"{name!r} is missing" for name in missing]
    for name in leftover:
        near = difflib.get_close_matches(name, expected, n=1)
        parts.append(f"{name!r} is not known" + (f" (did you mean {near[0]!r}?)" if near else ""))
    raise BundleError(f"the section {section!r} of config.json does not fit: {'; '.join(parts)}")
