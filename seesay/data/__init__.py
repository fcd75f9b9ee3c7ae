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

    Raises:
        DataError: there is nothing of the kind, or it cannot be read.
    """
    from pathlib import Path

    from seesay.base.errors import DataError
    from seesay.base.tables import resolve
    from seesay.data.classes import is_class_folder
    from seesay.data.table import MANIFESTS
    from seesay.data.videos import is_video_address

    if is_video_address(address):
        return resolve(SOURCES, "videos", kind="source")(address)  # type: ignore[no-any-return]
    path = Path(address).expanduser()
    if address.startswith("pipe:") or "://" in address or ".tar" in address:
        return resolve(SOURCES, "tars", kind="source")(address)  # type: ignore[no-any-return]
    if path.is_dir():
        return resolve(SOURCES, "classes" if is_class_folder(path) else "folder", kind="source")(path)  # type: ignore[no-any-return]
    if path.suffix.lower() in MANIFESTS:
        return resolve(SOURCES, "manifest", kind="source")(path)  # type: ignore[no-any-return]
    what = "is no source that is known" if path.exists() else "is not there"
    raise DataError(
        f"{address} {what}; name a folder of pairs, {', '.join(MANIFESTS)}, or tars such as a-{{00..15}}.tar"
    )
