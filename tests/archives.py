"""Small datasets on disk for tests of the evaluation: tars and CLIP_benchmark's layout of them."""

import io
import tarfile

import numpy as np
from PIL import Image


def picture_bytes(picture, kind="PNG"):
    """A picture as the bytes of a file."""
    file = io.BytesIO()
    picture.save(file, kind)
    return file.getvalue()


def plain(colour, size=(40, 40)):
    """The bytes of a picture of one colour."""
    return picture_bytes(Image.new("RGB", size, colour))


def marks_bytes(marks):
    """A row of marks as the bytes of an .npy."""
    file = io.BytesIO()
    np.save(file, np.asarray(marks))
    return file.getvalue()


def write_tar(path, members):
    """A tar of (name, bytes), in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, content in members:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            tar.addfile(header, io.BytesIO(content))
    return path


def write_root(root, splits, *, classes=(), templates=(), kind=""):
    """CLIP_benchmark's layout; `splits` is name -> examples, each a dict of suffix to bytes, spread over two tars."""
    for split, examples in splits.items():
        named = [
            [(f"s{number:04d}.{suffix}", content) for suffix, content in example.items()]
            for number, example in enumerate(examples)
        ]
        half = (len(named) + 1) // 2
        for number, part in enumerate((named[:half], named[half:])):
            write_tar(root / split / f"{number}.tar", [member for members in part for member in members])
        (root / split / "nshards.txt").write_text("2\n")
    for name, lines in (("classnames.txt", classes), ("zeroshot_classification_templates.txt", templates)):
        if lines:
            (root / name).write_text("\n".join(lines) + "\n")
    if kind:
        (root / "dataset_type.txt").write_text(kind)
    return root
