"""Which files are one picture to a person: copies, a camera original with its JPEG, a photograph with its short film.

    copies          the same content, wherever the files are
    RAW + JPEG      the same folder and name: IMG_1.CR2 IMG_1.JPG
    Live Photos     the same folder and name, a photograph and a film of at most 5 s: IMG_1.HEIC IMG_1.MOV
    motion photos   likewise; Google calls the film PXL_1.MP, and the photograph PXL_1.jpg or PXL_1.MP.jpg

What is paired with a member of a group belongs to the group. A longer film beside a photograph of its name is a film
with its cover, and stays apart. Two photographs of one name without an original (a.jpg, a.png) are two pictures.
"""

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from seesay.inputs.raw import RAW_SUFFIXES
from seesay.inputs.video import VIDEO_SUFFIXES
from seesay.search.database import Database

LONGEST_S = 5.0  # Apple's and Google's last 1.5 to 3 s
_DEVELOPED = frozenset({".jpg", ".jpeg", ".jpe", ".jfif", ".heic", ".heif", ".hif", ".avif"})
_MOTION_MARKS = (b".mp", b".mv")  # before the suffix of a photograph: PXL_1.MP.jpg


class Group(NamedTuple):
    """Files that are one picture to a person."""

    files: dict[int, bytes]
    """Path by file id, of those that can be found; in the order of their paths."""
    is_photograph: bool
    """One of them shows a picture that does not move, so films in it are a part of that picture."""

    def besides(self, file_id: int) -> tuple[str, ...]:
        """The paths of the others."""
        return tuple(os.fsdecode(path) for other, path in self.files.items() if other != file_id)


class Pairs:
    """The groups of a library's files. Call it inside a snapshot.

    Args:
        db: the store's connection.
        allowed: item ids that a search may find, ascending; None for all.
    """

    def __init__(self, db: Database, allowed: NDArray[np.int64] | None) -> None:
        self._db, self._allowed = db, allowed

    def of(self, file_id: int) -> Group:
        """The group of a file, itself included. Each of its members has the same group."""
        members: dict[int, bytes] = {}
        waiting = [file_id]
        while waiting:
            member = waiting.pop()
            if member in members:
                continue
            folder, name, digest = self._db.execute(
                "SELECT folder, name, digest FROM files WHERE id = ?", (member,)
            ).fetchone()
            members[member] = os.path.join(folder, name)
            waiting += self._copies(digest)
            waiting += self._namesakes(member, folder, name)
        found = {member: self._kinds(member) for member in members}
        files = {member: path for member, path in sorted(members.items(), key=lambda each: each[1]) if found[member]}
        return Group(files, any(is_still for kinds in found.values() for is_still in kinds))

    def _copies(self, digest: bytes) -> list[int]:
        return [file_id for (file_id,) in self._db.execute("SELECT id FROM files WHERE digest = ?", (digest,))]

    def _namesakes(self, file_id: int, folder: bytes, name: bytes) -> list[int]:
        """Files in the folder that are paired with this one by their names."""
        stem, kind = _read(name)
        if kind is None:
            return []
        # b"." is followed by b"/", which is in no name: every name that goes on with a dot lies between the two
        query = "SELECT id, name FROM files WHERE folder = ? AND name > ? AND name < ?"
        beside = [
            (other, *_read(other_name))
            for other, other_name in self._db.execute(query, (folder, stem + b".", stem + b"/"))
            if other != file_id
        ]
        return [
            other
            for other, other_stem, other_kind in beside
            if other_stem == stem
            and other_kind is not None
            and self._is_pair(*sorted([(kind, file_id), (other_kind, other)]))
        ]

    def _is_pair(self, one: tuple[str, int], other: tuple[str, int]) -> bool:
        """Whether two files of one name are a pair; they come in the order of their kinds."""
        kinds = (one[0], other[0])
        if kinds == ("developed", "raw"):
            return True
        film = one[1] if one[0] == "film" else other[1]
        return kinds in (("developed", "film"), ("film", "raw")) and self._is_short(film)

    def _is_short(self, file_id: int) -> bool:
        """Whether a film was read to its end and ends soon."""
        query = "SELECT max(end_s) FROM items JOIN files ON files.id = file_id WHERE file_id = ? AND position_s IS NULL"
        (end_s,) = self._db.execute(query, (file_id,)).fetchone()
        return end_s is not None and end_s <= LONGEST_S

    def _kinds(self, file_id: int) -> set[bool]:
        """Of what a search may find of a file: whether it is a picture that does not move. Empty: there is nothing.

        A filter lets by all pictures of a file or none, and all moments or none, so that one of each says it.
        """
        query = (
            "SELECT items.id FROM items JOIN vectors ON item_id = items.id WHERE file_id = ? "
            "AND (start_s IS NULL) = ? AND model_id = (SELECT model_id FROM state) LIMIT 1"
        )
        firsts = ((is_still, self._db.execute(query, (file_id, is_still)).fetchone()) for is_still in (True, False))
        return {is_still for is_still, row in firsts if row is not None and self._may(row[0])}

    def _may(self, item: int) -> bool:
        if self._allowed is None:
            return True
        place = int(np.searchsorted(self._allowed, item))
        return place < len(self._allowed) and int(self._allowed[place]) == item


def _read(name: bytes) -> tuple[bytes, str | None]:
    """The stem of a file's name, and what kind of file can be a half of a pair; None for all others."""
    stem, suffix = os.path.splitext(name)
    suffix_text = suffix.decode("ascii", "replace").lower()
    if stem.lower().endswith(_MOTION_MARKS):
        stem = stem[:-3]
    if suffix_text in VIDEO_SUFFIXES:
        return stem, "film"
    if suffix_text in RAW_SUFFIXES:
        return stem, "raw"
    return stem, "developed" if suffix_text in _DEVELOPED else None
