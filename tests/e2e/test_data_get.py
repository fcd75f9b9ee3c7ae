"""`seesay data get` and what follows it, through the real program, with packages that are in the cache already."""

import shutil

import numpy as np
from PIL import Image

from seesay.base.paths import ASSETS

PLACES = (
    "beach",
    "forest",
    "street",
    "river",
    "garden",
    "kitchen",
    "field",
    "roof",
    "bridge",
    "market",
    "cave",
    "attic",
)


def test_a_public_set_is_made_and_inspected(run, tmp_path):
    package = tmp_path / "cache" / "seesay" / "packages" / "tuxpaint-stamps-default"
    stamps = package / "usr/share/tuxpaint/stamps"
    stamps.mkdir(parents=True)
    for number, name in enumerate(f"{thing} {place}" for thing in ("dog", "cat") for place in PLACES):
        pixels = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((40, 30), Image.Resampling.NEAREST).save(stamps / f"{name}.png")
        (stamps / f"{name}.txt").write_text(f"A {name} here.\n")
    run.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
    done = run("data", "get", "tuxpaint", "--to", "pairs", "--share", "0.3")
    train, held_out = done.stdout.splitlines()
    assert train.startswith("pairs/train.jsonl  ")
    assert held_out.startswith("pairs/held-out.jsonl  ")
    assert "GNU General Public License" in done.stderr
    assert f"{train.split()[1]} examples, 0 bad" in run("data", "inspect", "pairs/train.jsonl").stdout
    again = run("data", "get", "tuxpaint", "--to", "pairs", "--share", "0.3")
    assert again.stdout == done.stdout
    refused = run("data", "get", "tuxpant", code=2)
    assert "did you mean tuxpaint" in refused.stderr


def test_a_library_made_by_a_model_of_ones_own_is_searched_with_its_folder(run, photos, tmp_path):
    shutil.copytree(ASSETS / "starter", tmp_path / "models" / "mine")
    config = tmp_path / "models" / "mine" / "config.json"
    config.write_text(config.read_text("utf-8").replace('"name": "starter"', '"name": "mine"'), "utf-8")
    run("index", "photos", "--model", "models/mine")
    assert "name its folder with --model" in run("search", "red", code=2).stderr
    assert len(run("search", "red", "--weak", "--model", "models/mine").stdout.splitlines()) == 3
