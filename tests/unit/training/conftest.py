from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from seesay.training.wordnet import WordNet

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


@pytest.fixture(scope="session")
def class_folder(pair_folder, tmp_path_factory):
    """The same pictures, in a folder for each colour; to read, not to change."""
    folder = tmp_path_factory.mktemp("classes")
    for number in range(24):
        path = folder / list(COLOURS)[number % 4] / f"{number:02}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes((Path(pair_folder) / f"{number:02}.png").read_bytes())
    return str(folder)


# thing > animal > cat, dog, the bird crane, wolf, the animal seal; rock is an instance of thing
NOUNS = """\
  1 This line is part of a licence.
00000001 03 n 01 thing 0 000 | what there is
00000002 05 n 02 animal 0 beast 0 001 @ 00000001 n 0000 | a living thing; "animals move"
00000003 05 n 01 cat 0 001 @ 00000002 n 0000 | it purrs
00000004 05 n 02 dog 0 domestic_dog 0 002 @ 00000002 n 0000 ~ 00000099 n 0000 | it barks
00000005 17 n 01 rock 0 001 @i 00000001 n 0000 | it lies there
00000006 05 n 01 crane 0 001 @ 00000002 n 0000 | it wades
00000007 06 n 02 crane 0 derrick 0 001 @ 00000001 n 0000 | it lifts
00000008 05 n 02 wolf 0 grey_wolf 0 001 @ 00000002 n 0000 | it howls
00000009 06 n 02 seal 0 stamp 0 001 @ 00000001 n 0000 | it is pressed into wax
00000010 05 n 01 seal 0 001 @ 00000002 n 0000 | it dives
00000011 15 n 02 Paris 0 City_of_Light 0 001 @i 00000001 n 0000 | it lies on the Seine
00000012 09 n 01 idea 0 001 @ 00000001 n 0000 | it comes to mind
"""
SENSES = """\
  1 This line is part of a licence.
animal n 1 1 @ 1 1 00000002
beast n 1 1 @ 1 1 00000002
cat n 1 1 @ 1 1 00000003
city_of_light n 1 1 @i 1 0 00000011
crane n 2 1 @ 2 0 00000007 00000006
derrick n 1 1 @ 1 0 00000007
dog n 1 2 @ ~ 1 1 00000004
domestic_dog n 1 2 @ ~ 1 1 00000004
grey_wolf n 1 1 @ 1 0 00000008
idea n 1 1 @ 1 1 00000012
paris n 1 1 @i 1 0 00000011
rock n 1 1 @i 1 1 00000005
seal n 2 1 @ 2 1 00000010 00000009
stamp n 1 1 @ 1 0 00000009
thing n 1 0 1 1 00000001
wolf n 1 1 @ 1 1 00000008
"""


@pytest.fixture
def wordnet(tmp_path):
    """Twelve synsets, as Debian's files have them."""
    (tmp_path / "data.noun").write_text(NOUNS)
    (tmp_path / "index.noun").write_text(SENSES)
    return WordNet.read(tmp_path)
