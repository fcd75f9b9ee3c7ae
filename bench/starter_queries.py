"""Twelve queries on the photographs of `make demo`, the three nearest each, and what the calibration says.

python bench/starter_queries.py [--sheet sheet.png] [--model starter]
"""

import argparse
from pathlib import Path

from seesay.encoders import load
from seesay.inputs.pictures import open_picture
from seesay.inputs.sheet import Tile, draw_sheet

PHOTOS = Path(__file__).parents[1] / ".demo" / "photos"
QUERIES = (
    "a cat",
    "a cup of coffee",
    "a rocket taking off",
    "a motorcycle",
    "a flower",
    "a man in an orange suit",
    "coins",
    "the moon",
    "a temple",
    "a brick wall",
    "a clock",
    "a giraffe",
)


def main() -> None:
    """Print a line for each query, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--model", default="starter")
    arguments = parser.parse_args()
    encoder = load(arguments.model)
    paths = sorted(PHOTOS.iterdir())
    cosines_QN = encoder.encode_texts(QUERIES) @ encoder.encode_images(paths).T
    least = encoder.least_cosine(len(paths)) or -1.0
    tiles = []
    for query, cosines_N in zip(QUERIES, cosines_QN, strict=True):
        best = cosines_N.argsort()[::-1][:3]
        said = query if cosines_N[best[0]] >= least else f"{query}: nothing here matches"
        print(f"{said:<48}" + "  ".join(f"{cosines_N[row]:.2f} {paths[row].name}" for row in best))
        tiles.append(Tile(None, said))
        tiles += [Tile(open_picture(paths[row]), f"{cosines_N[row]:.2f}  {paths[row].name}") for row in best]
    if arguments.sheet:
        draw_sheet(tiles, columns=8, tile_px=130, lines=1).save(arguments.sheet)


if __name__ == "__main__":
    main()
