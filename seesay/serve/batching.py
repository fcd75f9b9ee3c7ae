"""The model for all who ask at once: what waits together goes through it together.

A lane is a bounded queue and a thread. The thread takes what is there, up to a batch, runs the model once and hands the
rows out. Nobody waits for company: a request that comes alone is run alone, at once, and while it runs the next batch
gathers. It must not know HTTP.

Shape legend: N pictures or texts, E embedding, S picture side in pixels, D image tower's width, P patches a side.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from seesay.base.arguments import list_of_strings
from seesay.base.errors import SeesayError
from seesay.encoders.encoder import Calibrated, Encoder, KnowsWords, Pixels, Vectors
from seesay.encoders.images import naming
from seesay.inputs.pictures import Source, open_picture
from seesay.inputs.transform import ImageTransform
from seesay.serve.leaving import check_client

T = TypeVar("T")


class BusyError(SeesayError):
    """So many wait for the model that this request was not taken; it may come again in a moment."""


class Lane(Generic[T]):
    """One kind of thing on its way through the model. Safe from any number of threads.

    Args:
        run: N things -> (N, E); called from one thread.
        batch_size: things a call at most, but for a request that alone has more.
        room: things that may wait.
        on_batch: told of the size of each call.
    """

    def __init__(
        self,
        run: Callable[[list[T]], Vectors],
        *,
        batch_size: int,
        room: int,
        on_batch: Callable[[int], None] = lambda size: None,
    ) -> None:
        self._run, self._batch_size, self._room, self._on_batch = run, batch_size, room, on_batch
        self._waiting: deque[tuple[list[T], Future[Vectors]]] = deque()
        self._num_waiting = 0
        self._is_closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="seesay-lane", daemon=True)
        self._thread.start()

    def __len__(self) -> int:
        """How many things wait."""
        return self._num_waiting

    def submit(self, things: Sequence[T]) -> "Future[Vectors]":
        """Queue N things; the future gives their (N, E) rows.

        Raises:
            BusyError: the queue is full, or the lane is closed.
        """
        future: Future[Vectors] = Future()
        with self._changed:
            if self._is_closed:
                raise BusyError("the service is stopping; try again in a moment")
            if self._num_waiting and self._num_waiting + len(things) > self._room:
                raise BusyError("the model has more to do than it can take; try again in a moment")
            self._waiting.append((list(things), future))
            self._num_waiting += len(things)
            self._changed.notify()
        return future

    def close(self) -> None:
        """Take nothing more, finish what was taken, and wait for it."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        self._thread.join()

    def give_up(self) -> None:
        """Take nothing more, and tell what waits to come again; what is in the model now is finished."""
        with self._changed:
            self._is_closed = True
            left = [future for _, future in self._waiting]
            self._waiting.clear()
            self._num_waiting = 0
            self._changed.notify()
        for future in left:
            future.set_exception(BusyError("the service is stopping; try again in a moment"))

    def _work(self) -> None:
        while batch := self._next():
            things = [thing for own, _ in batch for thing in own]
            self._on_batch(len(things))
            try:
                rows = self._run(things)
            except BaseException as error:
                self._run_apart(batch, error)
                continue
            for own, future in batch:
                future.set_result(rows[: len(own)])
                rows = rows[len(own) :]

    def _run_apart(self, batch: "list[tuple[list[T], Future[Vectors]]]", error: BaseException) -> None:
        """One request's fault is not the others': each alone, and its error goes to who asked."""
        for own, future in batch:
            try:
                if len(batch) == 1:
                    raise error
                future.set_result(self._run(own))
            except BaseException as own_error:  # it belongs to the caller, whose thread raises it
                future.set_exception(own_error)

    def _next(self) -> "list[tuple[list[T], Future[Vectors]]]":
        """What goes through the model next; empty when the lane is closed and nothing waits."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._is_closed)
            batch: list[tuple[list[T], Future[Vectors]]] = []
            size = 0
            while self._waiting and (not batch or size + len(self._waiting[0][0]) <= self._batch_size):
                request = self._waiting.popleft()
                batch.append(request)
                size += len(request[0])
            self._num_waiting -= size
            return batch


class BatchingEncoder:
    """An `Encoder` for many threads over one that has to be asked by one at a time.

    Args:
        encoder: the model.
        batch_size: texts, or pictures, a run.
        room: texts, or pictures, that may wait.
        on_batch: told of the kind (`text`, `image`) and the size of each run.
    """

    def __init__(
        self,
        encoder: Encoder,
        *,
        batch_size: int = 32,
        room: int = 512,
        on_batch: Callable[[str, int], None] = lambda kind, size: None,
    ) -> None:
        self._encoder = encoder
        self._batch_size = batch_size
        self.texts: Lane[str] = Lane(
            encoder.encode_texts, batch_size=batch_size, room=room, on_batch=lambda size: on_batch("text", size)
        )
        self.images: Lane[Pixels] = Lane(
            lambda pixels: encoder.encode_pixels(np.stack(pixels)),
            batch_size=batch_size,
            room=room,
            on_batch=lambda size: on_batch("image", size),
        )
        self._alone = threading.Lock()  # for what has no lane

    @property
    def id(self) -> str:
        """`name@hash`."""
        return self._encoder.id

    @property
    def dim(self) -> int:
        """E, the length of a vector."""
        return self._encoder.dim

    @property
    def scale(self) -> float:
        """What a cosine is multiplied by before a softmax over labels."""
        return self._encoder.scale

    @property
    def transform(self) -> ImageTransform:
        """From a decoded picture to the model's pixels."""
        return self._encoder.transform

    def least_cosine(self, num_pictures: int) -> float | None:
        """As the model's calibration says of a library of so many; None where it has none."""
        return self._encoder.least_cosine(num_pictures) if isinstance(self._encoder, Calibrated) else None

    def unknown_words(self, text: str) -> list[str]:
        """As the model says; none where it was given no words."""
        return self._encoder.unknown_words(text) if isinstance(self._encoder, KnowsWords) else []

    def encode_texts(self, texts: Sequence[str]) -> Vectors:
        """(N, E) unit rows, in the text lane.

        Raises:
            InputError: a text is empty or longer than the context.
            BusyError: too many wait.
        """
        return self._through(self.texts, list_of_strings("texts", texts))

    def encode_pixels(self, pixels: Pixels) -> Vectors:
        """(N, S, S, 3) uint8 -> (N, E) unit rows, in the picture lane.

        Raises:
            BusyError: too many wait.
        """
        return self._through(self.images, list(pixels))

    def encode_images(self, images: Sequence[Source | Image.Image]) -> Vectors:
        """(N, E) unit rows. Decoded in the caller's thread, so by as many at once as ask.

        Raises:
            InputError: a picture cannot be read.
            BusyError: too many wait.
        """
        decode = naming(self._pixels, images)
        return self._through(self.images, [decode(number, image) for number, image in enumerate(images)])

    def encode_features(self, images: Sequence[Source | Image.Image]) -> Vectors:
        """(N, D), one request at a time.

        Raises:
            InputError: a picture cannot be read.
            UsageError: this model does not give them.
        """
        with self._alone:
            return self._encoder.encode_features(images)

    def encode_pixels_and_features(self, pixels: Pixels) -> tuple[Vectors, Vectors]:
        """(N, E) and (N, D), one request at a time.

        Raises:
            UsageError: this model does not give them.
        """
        with self._alone:
            return self._encoder.encode_pixels_and_features(pixels)

    def encode_patches(self, images: Sequence[Source | Image.Image]) -> Vectors:
        """(N, P, P, E), one request at a time.

        Raises:
            UsageError: the model has no patch features.
        """
        with self._alone:
            return self._encoder.encode_patches(images)

    def warm(self) -> None:
        """Load both towers, so that the first who asks need not wait."""
        self.encode_texts(["a photo"])
        size = self.transform.config.size_px
        self.encode_pixels(np.zeros((1, size, size, 3), np.uint8))

    def give_up(self) -> None:
        """Take nothing more, and tell what waits to come again."""
        self.texts.give_up()
        self.images.give_up()

    def close(self) -> None:
        """Take nothing more, and finish what was taken."""
        self.texts.close()
        self.images.close()

    def _through(self, lane: Lane[T], things: Sequence[T]) -> Vectors:
        if not things:
            return np.zeros((0, self.dim), np.float32)
        # A large request goes in pieces, so that others get their turn in between.
        pieces = [things[start : start + self._batch_size] for start in range(0, len(things), self._batch_size)]
        rows: list[Vectors] = []
        for piece in pieces:
            check_client()
            rows.append(lane.submit(piece).result())
        return np.concatenate(rows)

    def _pixels(self, image: Source | Image.Image) -> Pixels:
        transform = self.transform
        picture = image if isinstance(image, Image.Image) else open_picture(image, target_px=transform.target_px)
        return transform(picture)
