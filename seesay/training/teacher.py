"""A model to learn from: it runs along, or its vectors were stored once and are looked up.

    seesay data embed pairs.jsonl --model ViT-B-32/openai --to taught
    seesay train tiny --set data.sources=pairs.jsonl --set teacher.model=taught

    FOLDER/teacher.json                  which model, its scale and the length of its vectors
    FOLDER/images.keys, images.vectors   8 bytes and a float16 row for each picture, in the order they came
    FOLDER/texts.keys, texts.vectors     the same for each text

Files only grow, so a stopped run of `store` goes on: what was cut off in the middle is cut away. Stored vectors are of
whole pictures, as the teacher's own preprocessing sees them; a teacher that runs along sees what the student sees.

Shape legend: B pictures and M texts of this process, N stored rows, T the teacher's embedding.
"""

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from seesay.base.errors import DataError, InputError, UsageError, reason
from seesay.data.loader import Batch
from seesay.data.source import Damaged, Example, Pass, Source, number_of
from seesay.encoders.bundle import TOKENIZER, Bundle, write_atomically
from seesay.encoders.catalog import open_bundle
from seesay.encoders.encoder import Encoder
from seesay.encoders.torch import load_clip
from seesay.inputs.tokenizer import Tokenizer
from seesay.models.clip import normalize_pixels

FACTS = "teacher.json"
_AT_ONCE = 64


class Teacher(Protocol):
    """Says of a batch what it would say."""

    scale: float
    """What its cosines are multiplied by."""

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(B, T) and (M, T) unit rows of the batch's pictures and texts, float32, on the device of the run."""
        ...


def open_teacher(name: str, device: torch.device) -> Teacher:
    """A folder that `store` wrote, or a model by name or folder.

    Raises:
        UnknownNameError: there is no such model.
        DataError: the folder holds no sound vectors.
    """
    if (Path(name) / FACTS).is_file():
        return Stored(Path(name), device)
    return Live(open_bundle(name), device)


class Live:
    """A model that runs along, without gradients; it sees the student's crops at its own size."""

    def __init__(self, bundle: Bundle, device: torch.device) -> None:
        self.scale, self._device = bundle.logit_scale, device
        self._clip = load_clip(bundle).to(device)
        self._tokenizer = Tokenizer(bundle.folder / TOKENIZER, bundle.text)
        self._side = bundle.image.size_px
        self._mean, self._std = (torch.tensor(each, device=device) for each in (bundle.image.mean, bundle.image.std))

    @torch.no_grad()
    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `Teacher`."""
        images = normalize_pixels(torch.from_numpy(batch.pixels).to(self._device), self._mean, self._std)
        if images.shape[-1] != self._side:
            images = F.interpolate(images, size=self._side, mode="bicubic", antialias=True)
        tokens = self._tokenizer.pad(self._tokenizer.rows(batch.captions, truncate=True))
        ids, mask = (torch.from_numpy(array).to(self._device) for array in tokens)
        return self._clip.embed_images(images), self._clip.embed_texts(ids, mask)


class Stored:
    """Vectors of a folder, looked up by the picture's key and the text's own words."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        try:
            facts = json.loads((folder / FACTS).read_text("utf-8"))
            self.scale, self._folder, self._device = float(facts["scale"]), folder, device
            self._images, self._texts = (_Rows(folder / side, int(facts["dim"])) for side in ("images", "texts"))
        except (OSError, ValueError, KeyError) as error:
            raise DataError(
                f"{folder} holds no vectors of a teacher: {reason(error)}; write them with `seesay data embed`"
            ) from error

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """See `Teacher`.

        Raises:
            DataError: a picture or text of the batch is not stored.
        """
        sides = (self._images, batch.keys), (self._texts, batch.captions)
        images, texts = (self._look_up(rows, names) for rows, names in sides)
        return images, texts

    def _look_up(self, rows: "_Rows", names: Sequence[str]) -> Tensor:
        places = [rows.places.get(number, -1) for number in map(number_of, names)]
        if -1 in places:
            raise DataError(
                f"{self._folder} has no vector of {names[places.index(-1)]!r}: "
                "run `seesay data embed` again with the sources of this run, spelled as they are here"
            )
        vectors = torch.from_numpy(np.asarray(rows.vectors[places], np.float32)).to(self._device)
        return F.normalize(vectors, dim=-1)  # float16 has moved their lengths by a thousandth


def store(
    sources: Iterable[Source], encoder: Encoder, folder: Path, *, progress: Callable[[int], None] | None = None
) -> int:
    """Encode every picture and text once, or those that an earlier call has not reached.

    Args:
        sources: what will be trained on.
        encoder: the teacher.
        folder: made if need be.
        progress: told now and then how many pictures are done.

    Returns:
        How many examples could not be read, and have no vectors.

    Raises:
        UsageError: the folder holds vectors of another model.
    """
    facts = {"model": encoder.id, "scale": encoder.scale, "dim": encoder.dim}
    path = folder / FACTS
    folder.mkdir(parents=True, exist_ok=True)
    if path.is_file() and (before := json.loads(path.read_text("utf-8"))) != facts:
        raise UsageError(f"{folder} holds vectors of {before.get('model')}, not of {encoder.id}; name another folder")
    write_atomically(path, (json.dumps(facts, indent=2) + "\n").encode())
    images, texts = (_Rows(folder / side, encoder.dim, is_growing=True) for side in ("images", "texts"))
    num_bad = 0
    examples = (one for source in sources for one, _ in source.stream(Pass(seed=0, epoch=0)))
    while some := list(itertools.islice(examples, _AT_ONCE)):
        good = [one for one in some if isinstance(one, Example) and number_of(one.key) not in images.places]
        num_bad += sum(isinstance(one, Damaged) for one in some)
        fresh = list(dict.fromkeys(text for one in good for text in one.captions))
        fresh = [text for text in fresh if number_of(text) not in texts.places]
        if fresh:  # texts first: a picture whose texts are missing would be passed over by the next call
            texts.append(fresh, encoder.encode_texts(fresh))
        read = list(_readable(good, encoder)) if good else []
        num_bad += len(good) - len(read)
        if read:
            images.append([key for key, _ in read], np.stack([vector for _, vector in read]))
        if progress is not None:
            progress(len(images.places))
    return num_bad


def _readable(examples: Sequence[Example], encoder: Encoder) -> Iterator[tuple[str, NDArray[np.float32]]]:
    try:
        for one, vector in zip(examples, encoder.encode_images([one.image for one in examples]), strict=True):
            yield one.key, vector
    except InputError:  # which one is found by asking for each
        for one in examples:
            try:
                yield one.key, encoder.encode_images([one.image])[0]
            except InputError:
                continue  # counted by the caller; training leaves it out too


class _Rows:
    """Keys and rows in two files that only grow."""

    def __init__(self, path: Path, dim: int, *, is_growing: bool = False) -> None:
        self._files = path.with_suffix(".keys"), path.with_suffix(".vectors")
        self._dim, sizes = dim, (8, 2 * dim)
        if is_growing:
            for file in self._files:
                file.touch()
        num = min(file.stat().st_size // size for file, size in zip(self._files, sizes, strict=True))
        if is_growing:  # a run that was killed may have left a part of a row
            for file, size in zip(self._files, sizes, strict=True):
                with file.open("r+b") as content:
                    content.truncate(num * size)
        keys = np.fromfile(self._files[0], np.int64, count=num)
        self.places = {number: place for place, number in enumerate(keys.tolist())}
        shape = num, dim
        self.vectors = np.memmap(self._files[1], np.float16, "r", shape=shape) if num else np.empty(shape, np.float16)

    def append(self, names: Sequence[str], vectors: NDArray[np.float32]) -> None:
        numbers = np.array([number_of(name) for name in names], np.int64)
        for file, content in zip(self._files, (numbers.tobytes(), vectors.astype("<f2").tobytes()), strict=True):
            with file.open("ab") as end:
                end.write(content)
        for number in numbers.tolist():
            self.places[number] = len(self.places)
