"""The encoder that everybody gets: a bundle, its inputs, and a backend, joined.

What is the same for every backend stands here and only here: batches, buckets, threads that decode
ahead of the model, unit length, and the refusal of vectors that are no numbers.

Shape legend: N pictures or texts, E embedding, S picture side in pixels, L tokens, P patches a side,
D image tower's width.
"""

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from seesay.base.arguments import kind_of, list_of_strings
from seesay.base.errors import BundleError, InputError, UsageError
from seesay.encoders.backend import Backend
from seesay.encoders.bundle import TOKENIZER, Bundle
from seesay.encoders.cache import LIMIT_BYTES, TextCache
from seesay.encoders.encoder import Pixels, Vectors
from seesay.encoders.images import naming
from seesay.encoders.packing import pack
from seesay.encoders.words import Words, list_of
from seesay.inputs.pictures import Source, open_picture
from seesay.inputs.tokenizer import Tokenizer, Tokens
from seesay.inputs.transform import ImageTransform
from seesay.models.reading import read_places

TOKENS_PER_BATCH = 4096  # bounds the memory of one text batch whatever the texts' length
PACKED_TOKENS_PER_BATCH = 2048  # of those, with shared beginnings counted once; more were 10 % slower on a CPU
DECODE_THREADS = min(4, os.cpu_count() or 1)


class BundleEncoder:
    """An `Encoder` over one bundle; see `seesay.encoders.load`.

    Args:
        bundle: the model.
        backend: what runs it.
        truncate: cut texts that are longer than the context instead of refusing them.
        on_cut: told of each text that was cut, in a sentence.
        cache_bytes: memory for the vectors of texts that may come again; 0 for none, by default 64 MiB.
    """

    def __init__(
        self,
        bundle: Bundle,
        backend: Backend,
        *,
        truncate: bool = False,
        on_cut: Callable[[str], None] | None = None,
        cache_bytes: int | None = None,
    ) -> None:
        self.bundle = bundle
        self.transform = ImageTransform(bundle.image)
        self._backend = backend
        self._truncate = truncate
        self._on_cut = on_cut
        self._cache = TextCache(LIMIT_BYTES if cache_bytes is None else cache_bytes)
        self._tokenizer: Tokenizer | None = None

    @property
    def name(self) -> str:
        """The model's name, without the hash."""
        return self.bundle.name

    @property
    def id(self) -> str:
        """`name@hash`, where the hash covers weights, tokenizer and preprocessing."""
        return self.bundle.id

    @property
    def dim(self) -> int:
        """E, the length of a vector."""
        return self.bundle.dim

    @property
    def scale(self) -> float:
        """What a cosine is multiplied by before a softmax over labels."""
        return self.bundle.logit_scale

    def least_cosine(self, num_pictures: int) -> float | None:
        """When the best of so many pictures for a text is below this, probably none shows it; None: nobody knows."""
        return self.bundle.least_cosine(num_pictures)

    def unknown_words(self, text: str) -> list[str]:
        """The words of a text that the model does not know, as they are written there.

        None where there is no list of words for its tokenizer.

        Raises:
            BundleError: the bundle's list cannot be read.
        """
        words = self._words
        return [] if words is None else words.unknown(text)

    @cached_property
    def _words(self) -> Words | None:
        path = list_of(self.bundle.files[TOKENIZER])
        return Words(path, self._open_tokenizer().backend) if path.is_file() else None

    def encode_pixels(self, pixels: Pixels) -> Vectors:
        """Pictures that went through `transform` already.

        Args:
            pixels: (N, S, S, 3) uint8.

        Returns:
            (N, E) unit rows.

        Raises:
            UsageError: another shape or type.
        """
        return self._join([self._backend.embed_pixels(batch) for batch in self._split(pixels)])

    def encode_pixels_and_features(self, pixels: Pixels) -> tuple[Vectors, Vectors]:
        """Vectors, and what the image tower says before the projection, in one run of the tower.

        Args:
            pixels: (N, S, S, 3) uint8.

        Returns:
            (N, E) unit rows, and (N, D) features that are not normalised; (0, E) and (0, 0) for no pictures.

        Raises:
            UsageError: another shape or type, or the bundle was exported without features.
        """
        pairs = [self._backend.embed_pixels_and_features(batch) for batch in self._split(pixels)]
        return self._join([vectors for vectors, _ in pairs]), self._join_features([features for _, features in pairs])

    def encode_images(self, images: Sequence[Source | Image.Image]) -> Vectors:
        """Paths, bytes or Pillow pictures, decoded in a few threads while the model runs.

        Args:
            images: N pictures; memory is bounded by a few batches, whatever N.

        Returns:
            (N, E) unit rows.

        Raises:
            InputError: a picture cannot be read.
        """
        return self._join([self._backend.embed_pixels(batch) for batch in self._decode(images)])

    def encode_features(self, images: Sequence[Source | Image.Image]) -> Vectors:
        """What the image tower says before the projection, which a linear probe is fitted on.

        Args:
            images: N pictures.

        Returns:
            (N, D), not normalised; (0, 0) for no pictures.

        Raises:
            InputError: a picture cannot be read.
            UsageError: the bundle was exported without features.
        """
        return self._join_features(
            [self._backend.embed_pixels_and_features(batch)[1] for batch in self._decode(images)]
        )

    def encode_patches(self, images: Sequence[Source | Image.Image]) -> Vectors:
        """Dense features in the space of the texts.

        Args:
            images: N pictures; what the transform crops away has no patches.

        Returns:
            (N, P, P, E) unit vectors, rows top to bottom; (0, 0, 0, E) for no pictures.

        Raises:
            InputError: a picture cannot be read.
        """
        patches = [self._backend.embed_patches(batch) for batch in self._decode(images)]
        return self._unit(np.concatenate(patches)) if patches else np.zeros((0, 0, 0, self.dim), np.float32)

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """Sentences; none pays for padding, for a beginning that another one has too, or for coming again.

        Args:
            texts: N texts, none empty.

        Returns:
            (N, E) unit rows, the caller's own.

        Raises:
            InputError: a text is empty, or longer than the context unless `truncate` was asked for.
            UsageError: not a list of strings.
        """
        texts = list_of_strings("texts", texts)
        if not texts:
            return self._join([])
        known = self._cache.find(texts)
        fresh = [text for text in dict.fromkeys(texts) if text not in known]
        if fresh:
            vectors_NE = self._unit(self._embed_tokens(self._tokenize(fresh, texts)))
            self._cache.keep(fresh, vectors_NE)
            known.update(zip(fresh, vectors_NE, strict=True))
        return np.stack([known[text] for text in texts])

    def count_tokens(self, texts: Sequence[str]) -> int:
        """How many tokens the model reads of these texts together, beginning and end marks among them.

        Raises:
            InputError: a text is longer than the context unless `truncate` was asked for.
        """
        texts = list_of_strings("texts", texts)
        return int(self._tokenize(texts, texts).mask.sum()) if texts else 0

    def _tokenize(self, fresh: Sequence[str], texts: Sequence[str]) -> Tokens:
        tokenizer = self._open_tokenizer()
        try:
            return tokenizer(fresh, truncate=self._truncate, on_cut=self._on_cut)
        except InputError:
            tokenizer(texts, truncate=self._truncate)  # says which it is, counted as the caller counts
            raise

    def _open_tokenizer(self) -> Tokenizer:
        if self._tokenizer is None:
            self._tokenizer = Tokenizer(self.bundle.folder / TOKENIZER, self.bundle.text)
        return self._tokenizer

    def _embed_tokens(self, tokens: Tokens) -> Vectors:
        """(N, L) tokens to (N, E) vectors of any length."""
        vectors_NE = np.empty((len(tokens.ids), self.dim), dtype=np.float32)
        lengths_N = tokens.mask.sum(axis=1)
        if self._backend.can_pack:
            text = self.bundle.model["text"]  # what stands behind the place that is read is never looked at
            lengths_N = read_places(tokens.ids, pooling=text["pooling"], end_id=text["end_id"]) + 1
            for batch in pack(tokens.ids, lengths_N, tokens_per_batch=PACKED_TOKENS_PER_BATCH):
                vectors_BRE = self._backend.embed_packs(batch.packs)
                vectors_NE[batch.rows] = vectors_BRE[batch.pack_of_row, batch.end_of_row]
            return vectors_NE
        if self.bundle.text.padding == "fixed":  # a tower that looks at the padding gets all of it
            lengths_N = np.full(len(tokens.ids), tokens.ids.shape[1])
        for rows, length in _buckets(lengths_N):
            ids, mask = (np.ascontiguousarray(array[rows, :length], dtype=np.int64) for array in tokens)
            vectors_NE[rows] = self._backend.embed_tokens(ids, mask)
        return vectors_NE

    def _split(self, pixels: Pixels) -> Iterator[Pixels]:
        size = self.bundle.image.size_px
        if not isinstance(pixels, np.ndarray):
            raise UsageError(f"pixels must be a NumPy array, got {kind_of(pixels)}")
        if pixels.dtype != np.uint8 or pixels.shape[1:] != (size, size, 3):
            raise UsageError(
                f"pixels must be uint8 of shape (N, {size}, {size}, 3), got {pixels.dtype} of shape {pixels.shape}"
            )
        step = self._backend.image_batch
        for start in range(0, len(pixels), step):
            yield np.ascontiguousarray(pixels[start : start + step])

    def _decode(self, images: Sequence[Source | Image.Image]) -> Iterator[Pixels]:
        """Batches of pixels, (n, S, S, 3) each, decoded at most two batches ahead of their use."""
        size, decode = self._backend.image_batch, naming(self._pixels, images)
        with ThreadPoolExecutor(DECODE_THREADS, thread_name_prefix="seesay-decode") as pool:
            waiting: deque[Future[Pixels]] = deque()
            upcoming = enumerate(images)
            try:
                while True:
                    room = 3 * size - len(waiting)
                    waiting.extend(pool.submit(decode, *numbered) for numbered in islice(upcoming, room))
                    if not waiting:
                        return
                    yield np.stack([waiting.popleft().result() for _ in range(min(size, len(waiting)))])
            finally:
                for future in waiting:
                    future.cancel()

    def _pixels(self, image: Source | Image.Image) -> Pixels:
        picture = image if isinstance(image, Image.Image) else open_picture(image, target_px=self.transform.target_px)
        return self.transform(picture)

    def _join(self, batches: Sequence[Vectors]) -> Vectors:
        return self._unit(np.concatenate(batches)) if batches else np.zeros((0, self.dim), dtype=np.float32)

    def _join_features(self, batches: Sequence[Vectors]) -> Vectors:
        features_ND = np.concatenate(batches) if batches else np.zeros((0, 0), np.float32)
        if not np.isfinite(features_ND).all():
            raise BundleError(f"{self.id} made a feature that is not a number; try `seesay doctor`")
        return features_ND

    def _unit(self, vectors: Vectors) -> Vectors:
        lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
        if not np.all(np.isfinite(lengths) & (lengths > 0)):
            raise BundleError(f"{self.id} made a vector that is not a number or has no length; try `seesay doctor`")
        return np.asarray(vectors / lengths, np.float32)


def _buckets(lengths: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.intp], int]]:
    """Group texts of equal length: (their row numbers, the length), at most TOKENS_PER_BATCH a group."""
    for length in np.unique(lengths):
        rows = np.flatnonzero(lengths == length)
        step = max(1, TOKENS_PER_BATCH // int(length))
        for start in range(0, len(rows), step):
            yield rows[start : start + step], int(length)
