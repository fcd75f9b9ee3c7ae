"""Openers: from an address to a dataset. Each is a file here, a line in this table, and a rule in `open_dataset`.

    [NAME=]ADDRESS[#SPLIT]

NAME says which published dataset it is, where the address does not show it: that settles templates, metric, and the
names of classes that are only numbered. SPLIT is `test` where there is one, else `val`.
"""

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
        UnknownNameError: NAME is none of the catalog's.
    """
    from seesay.base.tables import resolve
    from seesay.evaluation.datasets.address import kind_of, read_address

    asked = read_address(address, with_train=with_train)
    found: Dataset = resolve(OPENERS, kind_of(asked), kind="opener")(asked)
    return found
