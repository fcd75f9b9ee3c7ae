"""What a model trained on public drawings finds: recall on held-out titles with chance beside it, and a contact sheet.

    python bench/drawings.py --model runs/openclipart/model --pairs pairs/openclipart/held-out.jsonl --sheet sheet.png

The pictures of the page docs/training.md are made by it; the sheet shows titles drawn by seed, never chosen.
"""

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import seesay
from seesay.data import open_source
from seesay.data.source import Example, Pass
from seesay.evaluation.retrieval import recall
from seesay.inputs.pictures import open_picture
from seesay.inputs.sheet import Tile, draw_sheet

AT = (1, 5, 10)
NUM_TITLES, NUM_FOUND = 12, 4
TILE_PX = 104


def main() -> None:
    """Measure, print, and draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--pairs", required=True)
    parser.add_argument("--sheet", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    encoder = seesay.load(arguments.model)
    stream = open_source(arguments.pairs).stream(Pass(seed=0, epoch=0))
    examples = [one for one, _ in stream if isinstance(one, Example)]
    images = encoder.encode_images([example.image for example in examples])
    texts = encoder.encode_texts([example.captions[0] for example in examples])
    count = len(examples)
    shares = recall(images, texts, np.arange(count), at=AT)
    print(f"{count} held-out titles, one picture each")
    print(f"{'':<16}" + "".join(f"{f'recall@{k}':>12}" for k in AT))
    for way in ("text_to_image", "image_to_text"):
        print(f"{way.replace('_', ' '):<16}" + "".join(f"{shares[f'{way}_recall@{k}']:>12.1%}" for k in AT))
    print(f"{'chance':<16}" + "".join(f"{k / count:>12.1%}" for k in AT))
    if arguments.sheet is not None:
        draw(examples, texts @ images.T, arguments.seed).save(arguments.sheet)


def draw(examples: list[Example], cosines_NN: NDArray[np.float32], seed: int) -> Image.Image:
    """A row a title: the title, and what is found for it with the cosine; the right one has a star."""
    tiles = []
    for row in np.random.default_rng(seed).choice(len(examples), NUM_TITLES, replace=False).tolist():
        tiles.append(Tile(None, examples[row].captions[0]))
        for column in np.argsort(-cosines_NN[row], kind="stable")[:NUM_FOUND].tolist():
            star = "* " if column == row else ""
            text = f"{star}{cosines_NN[row, column]:.2f}  {examples[column].captions[0]}"
            tiles.append(Tile(open_picture(examples[column].image), text))
    return draw_sheet(tiles, columns=2 * (1 + NUM_FOUND), tile_px=TILE_PX, lines=2)


if __name__ == "__main__":
    main()
