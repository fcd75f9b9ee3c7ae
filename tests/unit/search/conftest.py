import pytest
from encoders import COLOURS, ColourEncoder
from painting import paint

from seesay.search.library import Library


@pytest.fixture
def encoder():
    return ColourEncoder()


@pytest.fixture
def photos(tmp_path):
    """A folder with one picture for each colour."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for name, colour in COLOURS.items():
        paint(folder / f"{name}.png", colour)
    return folder


@pytest.fixture
def library(tmp_path, encoder):
    with Library.open(tmp_path / "library", encoder=encoder) as opened:
        yield opened
