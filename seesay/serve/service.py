"""What the routes share: the model behind its lanes, the library in its threads, and the limits."""

from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
from fastapi import Request
from numpy.typing import NDArray

from seesay.base.errors import UsageError
from seesay.base.paths import default_library
from seesay.encoders import load
from seesay.encoders.encoder import Pixels, Vectors
from seesay.encoders.ready import BundleEncoder
from seesay.search.library import Library
from seesay.search.rows import ItemRow
from seesay.serve.batching import BatchingEncoder
from seesay.serve.cutting import Clips
from seesay.serve.decoding import Decoding
from seesay.serve.errors import NotFoundError
from seesay.serve.libraries import Libraries
from seesay.serve.media import Thumbnails
from seesay.serve.memory import return_large_blocks
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
    decoding: Decoding
    clips: Clips
    is_ready: bool = False
    """Both towers are loaded."""

    def pixels(self, content: bytes) -> Pixels:
        """(S, S, 3) uint8 of a picture that somebody sent; few are decoded at once, whatever is asked for.

        Raises:
            InputError: it cannot be read or is too large.
            BusyError: too many wait to be decoded.
        """
        transform = self.encoder.transform
        with self.decoding.upload():
            most_pixels = self.settings.budget.pixels
            return transform(open_upload(content, target_px=transform.target_px, most_pixels=most_pixels))

    def look_at(self, content: bytes) -> Vectors:
        """(E,) of a picture that somebody sent; nothing else of it is kept.

        Raises:
            InputError: it cannot be read or is too large.
            BusyError: too many wait to be decoded, or for the model.
        """
        vector_E: Vectors = self.encoder.encode_pixels(self.pixels(content)[None])[0]
        return vector_E

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

    def item_of(self, item_id: int, version: str | None) -> tuple[ItemRow, str]:
        """An item, and the identity of its library.

        Args:
            item_id: its id.
            version: the identity of the library that the id is of; None where nobody said.

        Raises:
            NotFoundError: there is none with this id, or the id is of another library.
        """
        identity = self.libraries.use(lambda library: library.identity)
        if version is not None and version != identity:
            raise NotFoundError("this is an item of another library than the one that is served now; search again")
        return self.item(item_id), identity

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
        self.clips.stop()
        self.encoder.give_up()

    def close(self) -> None:
        """Answer what was taken, and let go."""
        self.clips.close()
        self.encoder.close()
        self.libraries.close()


def start(settings: Settings) -> Service:
    """Open the library where there is one, and its model.

    Raises:
        SeesayError: the library or the model cannot be used.
    """
    return_large_blocks()
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
        decoding=Decoding(settings.budget),
        clips=Clips(settings.budget),
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
