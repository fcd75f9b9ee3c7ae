"""Many examples in order: sources, their mixture, and the loader that makes batches of them.

A source is one file whose opener takes a path or address and returns a `source.Source`. Adding one is that file, a
line in this table, and a rule in `open_source` that says how its addresses look.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seesay.data.source import Source

SOURCES: dict[str, str] = {
    "folder": "seesay.data.table:open_folder",
    "classes": "seesay.data.classes:open_classes",
    "manifest": "seesay.data.table:open_manifest",
    "tars": "seesay.data.tars:Tars",
    "videos": "seesay.data.videos:open_table",
}


def open_source(address: str) -> "Source":
    """A folder of pairs or of classes, a manifest (`table.MANIFESTS`), WebDataset tars, or `LAYOUT:PATH[#PART]` videos.

    What is there under the address as it is written comes first, whatever stands in its name. Else it is videos, or
    shards where every name of the pattern ends as a tar's (see `tars.TAR_SUFFIXES`), or is a pipe or has ://.

    Raises:
        DataError: there is nothing of the kind, or it cannot be read.
        UsageError: nothing that is installed reads such an address.
    """
    from seesay.base.errors import DataError
    from seesay.base.paths import find
    from seesay.base.tables import resolve
    from seesay.data.classes import is_class_folder
    from seesay.data.table import MANIFESTS
    from seesay.data.tars import TAR_SUFFIXES, is_tars
    from seesay.data.videos import is_video_address

    path = find(address)
    if path is not None and path.is_dir():
        return resolve(SOURCES, "classes" if is_class_folder(path) else "folder", kind="source")(path)  # type: ignore[no-any-return]
    if path is not None and path.suffix.lower() in MANIFESTS:
        return resolve(SOURCES, "manifest", kind="source")(path)  # type: ignore[no-any-return]
    if is_video_address(address):
        return resolve(SOURCES, "videos", kind="source")(address)  # type: ignore[no-any-return]
    if not address:
        raise DataError("the address of a source is empty; the current folder is `.`")
    if is_tars(address):
        return resolve(SOURCES, "tars", kind="source")(address)  # type: ignore[no-any-return]
    what = "is not there" if path is None else "is no source that is known"
    cure = "; of a tar that zstd packed, name what unpacks it: pipe:zstd -dc FILE" if address.endswith(".zst") else ""
    raise DataError(
        f"{address} {what}; name a folder of pairs, a table ({', '.join(MANIFESTS)}), or tars such as a-{{00..15}}.tar "
        f"({', '.join(TAR_SUFFIXES)}){cure}"
    )
