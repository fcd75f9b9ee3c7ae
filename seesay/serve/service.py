"""What the routes share: the model behind its lanes, the library in its threads, and the limits."""

import threading
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from fastapi import Request
from numpy.typing import NDArray
from PIL import Image

from seesay.base.errors import UsageError
from seesay.base.paths import default_library
from seesay.encoders import load
from seesay.encoders.encoder import Pixels
from seesay.encoders.ready import BundleEncoder
from seesay.search.library import Library
from seesay.search.rows import ItemRow
from seesay.serve.batching import BatchingEncoder
from seesay.serve.errors import NotFoundError
from seesay.serve.libraries import Libraries
from seesay.serve.media import Thumbnails
from seesay.serve.metrics import Metrics
from seesay.serve.queries import open_upload
from seesay.serve.settings import Settings

CHARACTERS_PER_TOKEN = 64


@dataclass(slots=True)
class Service:
    """A running service."""

    settings: Settings
    encoder: BatchingEncoder
    model: BundleEncoder
    """The same one, for what has no lane; not for encoding."""
    libraries: Libraries
    thumbnails: Thumbnails
    metrics: Metrics
    decoding: threading.BoundedSemaphore
    """One place for each uploaded picture that is decoded now."""
    is_ready: bool = False
    """Both towers are loaded."""

    def upload(self, content: bytes) -> Image.Image:
        """A picture that somebody sent, decoded.

        Raises:
            InputError: it cannot be read or is too large.
        """
        return open_upload(content, target_px=self.encoder.transform.target_px, most_pixels=self.settings.budget.pixels)

    def pixels(self, content: bytes) -> Pixels:
        """(S, S, 3) uint8 of a picture that somebody sent; few are decoded at once, whatever is asked for.

        Raises:
            InputError: it cannot be read or is too large.
        """
        with self.decoding:
            return self.encoder.transform(self.upload(content))

    def shorten(self, text: str) -> str:
        """A text without what lies beyond the model's context for sure, so that tokenizing a book costs no seconds.

        Of usual text a token has four characters. Only where `CHARACTERS_PER_TOKEN` are less than one in the mean, as
        in pages of white space, the model would have read more of it.
        """
        return text[: CHARACTERS_PER_TOKEN * self.model.bundle.text.context_length]

    def item(self, item_id: int) -> ItemRow:
        """An item of the library.

        Raises:
            NotFoundError: there is none with this id.
        """
        try:
            return self.libraries.use(lambda library: library.item(item_id))
        except UsageError as error:
            raise NotFoundError(str(error)) from error

    def vector_of(self, item_id: int) -> NDArray[np.float32]:
        """(E,) of an item of the library.

        Raises:
            NotFoundError: there is none with this id.
        """
        try:
            return self.libraries.use(lambda library: library.vector_of(item_id))
        except UsageError as error:
            raise NotFoundError(str(error)) from error

    def count_tokens(self, texts: list[str]) -> int:
        """How many tokens texts have, as the model reads them."""
        return self.model.count_tokens(texts)

    def give_up(self) -> None:
        """Answer what still waits for the model by telling it to come again: the service is stopping."""
        self.encoder.give_up()

    def close(self) -> None:
        """Answer what was taken, and let go."""
        self.encoder.close()
        self.libraries.close()


def start(settings: Settings) -> Service:
    """Open the library where there is one, and its model.

    Raises:
        SeesayError: the library or the model cannot be used.
    """
    folder = (settings.library or default_library()).expanduser().absolute()
    model = load(settings.model or _model_of(folder), truncate=True)
    metrics = Metrics()
    encoder = BatchingEncoder(
        model, batch_size=settings.batch_size, room=settings.budget.waiting, on_batch=metrics.note_batch
    )
    metrics.watch("seesay_waiting_texts", "Texts that wait for the model.", lambda: len(encoder.texts))
    metrics.watch("seesay_waiting_images", "Pictures that wait for the model.", lambda: len(encoder.images))
    return Service(
        settings,
        encoder,
        model,
        Libraries(folder, encoder),
        Thumbnails(folder),
        metrics,
        decoding=threading.BoundedSemaphore(settings.budget.decoded_at_once),
    )


def service_of(request: Request) -> Service:
    """The service that a request came to."""
    return cast(Service, request.app.state.service)


def _model_of(folder: Path) -> str:
    """The name of the model that made a library; the starter where there is no library."""
    from seesay.search.database import exists
    from seesay.search.store import DATABASE

    if not exists(folder / DATABASE):
        return "starter"
    with Library.open(folder, create=False) as library:
        return (library.model_id or "starter").partition("@")[0]
