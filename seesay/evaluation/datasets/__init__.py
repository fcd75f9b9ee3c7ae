"""Openers: from an address to a dataset. Each is a file here, a line in this table, and a rule in `open_dataset`.

    [NAME=]ADDRESS[#SPLIT]

NAME says which published dataset it is, where the address does not show it: that settles templates, metric, and the
names of classes that are only numbered. Any other name is the user's own, for the tables. SPLIT is `test` where there
is one, else `val`.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seesay.evaluation.dataset import Dataset

OPENERS: dict[str, str] = {
    "folder": "seesay.evaluation.datasets.folder:open_folder",
    "tar": "seesay.evaluation.datasets.tar:open_tar",
    "webdataset": "seesay.evaluation.datasets.webdataset:open_webdataset",
    "manifest": "seesay.evaluation.datasets.manifest:open_manifest",
    "huggingface": "seesay.evaluation.datasets.huggingface:open_huggingface",
    "videos": "seesay.evaluation.datasets.videos:open_video_dataset",
}


def open_dataset(address: str, *, with_train: bool = False) -> "Dataset":
    """Open what can be evaluated on, by how its address looks.

    Args:
        address: `[NAME=]ADDRESS[#SPLIT]`: a folder of classes, a folder or address in CLIP_benchmark's layout, tars, a
            manifest (.csv, .tsv, .jsonl, .parquet, .json), `hf:org/name`, a name of the catalog, or videos as
            `LAYOUT:PATH[#PART]` (see `seesay.data.videos`), which take an encoder of videos.
        with_train: also open the split to train a probe on, which may have to be fetched.

    Raises:
        DataError: it is not there (the message says where to get it and how large it is), or cannot be read.
        UnknownNameError: a bare word that is none of the catalog's names.
    """
    from seesay.base.tables import resolve
    from seesay.evaluation.datasets.address import kind_of, read_address

    asked = read_address(address, with_train=with_train)
    found: Dataset = resolve(OPENERS, kind_of(asked), kind="opener")(asked)
    return found


def open_datasets(addresses: Sequence[str], *, with_train: bool = False) -> "list[Dataset]":
    """Open several, each with a name of its own: of those called alike the split becomes part of the name.

    Args:
        addresses: see `open_dataset`.
        with_train: likewise.

    Raises:
        UsageError: two have one name still, being the same or of folders that are called alike.
    """
    import dataclasses

    from seesay.base.errors import UsageError
    from seesay.evaluation.datasets.address import read_address

    found = [open_dataset(address, with_train=with_train) for address in addresses]
    names = [dataset.name for dataset in found]
    for place, address in enumerate(addresses):
        split = read_address(address).split
        if names.count(found[place].name) > 1 and split:
            found[place] = dataclasses.replace(found[place], name=f"{found[place].name}#{split}")
    names = [dataset.name for dataset in found]
    for name in names:
        if names.count(name) > 1:
            twice = [address for address, other in zip(addresses, names, strict=True) if other == name]
            raise UsageError(f"{' and '.join(twice)} are both {name}; give one a name of your own: other={twice[-1]}")
    return found
