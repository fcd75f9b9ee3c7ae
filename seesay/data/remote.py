"""Files at an address, through fsspec: `s3://bucket/a.tar`, `https://host/a.tar`, `hdfs://...`."""

import difflib
from typing import Any

from seesay.base.errors import DataError, MissingExtraError, UsageError

_PACKAGES = {
    "s3": "s3fs",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "abfs": "adlfs",
    "az": "adlfs",
    "http": "aiohttp requests",
    "https": "aiohttp requests",
    "sftp": "paramiko",
    "hf": "huggingface_hub",
}
"""Protocol -> what pip installs for it; others fsspec names itself."""


def open_filesystem(address: str, what: str) -> tuple[Any, str]:
    """The file system of an address, and the path in it.

    Args:
        address: with ://.
        what: what is to be done with it, as the start of a sentence: "reading".

    Raises:
        MissingExtraError: fsspec is not installed.
        UsageError: nothing reads such addresses, or what reads them is not installed.
        DataError: it cannot be reached.
    """
    try:
        import fsspec
    except ModuleNotFoundError as error:
        raise MissingExtraError(f"{what} {address}", "train") from error
    protocol = address.partition("://")[0]
    if protocol not in fsspec.available_protocols():
        near = difflib.get_close_matches(protocol, _PACKAGES, n=2, cutoff=0.5) or ["s3", "gs", "https"]
        offer = " or ".join(f"{one}://" for one in near)
        raise UsageError(f"{address} cannot be used: nothing reads {protocol}://; did you mean {offer}?")
    try:
        files, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        cure = f"install it with `pip install {_PACKAGES[protocol]}`" if protocol in _PACKAGES else str(error)
        raise UsageError(f"{what} {address} needs a package that seesay does not bring; {cure}") from error
    except (ValueError, TypeError) as error:  # an address that a file system cannot take apart
        raise UsageError(f"{address} cannot be used: {first_line(error)}") from error
    except OSError as error:
        raise DataError(f"{address} cannot be reached: {first_line(error)}") from error
    return files, path


def first_line(error: BaseException) -> str:
    """What an error says, in a line, and what it came from: fsspec's says no more than the address at times."""
    said = next(iter(str(error).splitlines()), "") or type(error).__name__
    return said if error.__cause__ is None else f"{said}: {first_line(error.__cause__)}"
