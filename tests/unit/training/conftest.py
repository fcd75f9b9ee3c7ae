import numpy as np
import pytest
from PIL import Image

COLOURS = {"red": (200, 0, 0), "green": (0, 200, 0), "blue": (0, 0, 200), "white": (240, 240, 240)}


@pytest.fixture(scope="session")
def pair_folder(tmp_path_factory):
    """24 noisy pictures of four colours, each with two captions; to read, not to change."""
    folder = tmp_path_factory.mktemp("pairs")
    for number in range(24):
        name, colour = list(COLOURS.items())[number % 4]
        shade = np.random.default_rng(number).integers(0, 40, (40, 50, 3)) + np.array(colour)
        Image.fromarray(shade.clip(0, 255).astype(np.uint8)).save(folder / f"{number:02}.png")
        (folder / f"{number:02}.txt").write_text(f"a {name} picture\n{name}\n")
    return str(folder)
