"""Why it matched: the cosine of the query and each patch of the picture.

Shape legend: P patches a side, E embedding.
"""

from typing import Any

import numpy as np
from PIL import Image

from seesay.base.errors import UsageError
from seesay.inputs.transform import ImageConfig
from seesay.search.picture import open_item
from seesay.search.query import Query
from seesay.search.rows import ItemRow
from seesay.serve.errors import NoHeatError
from seesay.serve.service import Service


def of_item(service: Service, row: ItemRow, query: Query) -> dict[str, Any]:
    """A grid of cosines and the part of the picture that it covers.

    Raises:
        NoHeatError: the model has no patch features.
        InputError: the picture cannot be read.
    """
    picture = open_item(row, target_px=service.encoder.transform.target_px)
    try:
        patches_PPE = service.encoder.encode_patches([picture])[0]
    except UsageError as error:
        raise NoHeatError(str(error)) from error
    cosine_PP = patches_PPE @ query.vector(service.encoder)
    return {
        "rows": cosine_PP.shape[0],
        "columns": cosine_PP.shape[1],
        "values": cosine_PP.astype(np.float64).round(4).tolist(),
        "low": round(float(cosine_PP.min()), 4),
        "high": round(float(cosine_PP.max()), 4),
        "view": view_of(picture, service.encoder.transform.config),
    }


def view_of(picture: Image.Image, config: ImageConfig) -> dict[str, float]:
    """The part of a picture that a model sees, as fractions of its sides; beyond [0, 1] where it adds a border."""
    width, height = picture.size
    if config.resize == "squash":
        return {"left": 0.0, "top": 0.0, "right": 1.0, "bottom": 1.0}
    side = min(width, height) if config.resize == "shortest" else max(width, height)
    across, down = side / width / 2, side / height / 2
    return {"left": 0.5 - across, "top": 0.5 - down, "right": 0.5 + across, "bottom": 0.5 + down}
