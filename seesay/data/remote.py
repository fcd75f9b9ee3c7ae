"""Files at an address, through fsspec: `s3://bucket/a.tar`, `https://host/a.tar`, `hdfs://...`."""

from typing import Any

from seesay.base.errors import DataError, MissingExtraError, UsageError


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
    try:
        files, path = fsspec.core.url_to_fs(address)
    except ImportError as error:
        raise UsageError(f"{what} {address} needs a package that is not installed: {error} (with pip)") from error
    except ValueError as error:
        near = ", ".join(("s3", "gs", "abfs", "hdfs", "https", "file"))
        raise UsageError(
            f"{address} cannot be used: {error}. Nothing reads {protocol}://; known are {near} and what else fsspec has"
        ) from error
    except OSError as error:
        raise DataError(f"{address} cannot be reached: {error}") from error
    return files, path
