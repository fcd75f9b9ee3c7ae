"""How far a picture that was made small is from itself, by how it is sharpened after it was enlarged again.

    python bench/starter_sharp.py FOLDER [--model starter]

Every picture of the folder is brought to the model's size, made smaller, enlarged again and sharpened; the figure is
the mean cosine of its vector to that of the picture before. That is where `bicubic_sharp` of
`seesay/inputs/transform.py` has its radius and strength from.
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from seesay.encoders import load
from seesay.inputs.pictures import PICTURE_SUFFIXES, open_picture

SMALL_PX = (32, 64, 120)
RADII = (0.3, 0.4, 0.5, 0.7)  # in pixels of the small picture
PERCENTS = (75, 150, 250)


def main() -> None:
    """Print a line for each size and each way."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default="starter")
    arguments = parser.parse_args()
    encoder = load(arguments.model)
    size = encoder.transform.config.size_px
    paths = sorted(path for path in arguments.folder.rglob("*") if path.suffix.lower() in PICTURE_SUFFIXES)
    pixels = np.stack([encoder.transform(open_picture(path)) for path in paths])
    before = encoder.encode_pixels(pixels)
    print(f"{encoder.id}, {len(paths)} pictures")
    for small in SMALL_PX:
        shrunk = [Image.fromarray(one).resize((small, small), Image.Resampling.BICUBIC) for one in pixels]
        enlarged = [one.resize((size, size), Image.Resampling.BICUBIC) for one in shrunk]
        print(f"{small} px  not sharpened  {_cosine(before, encoder.encode_pixels(_stack(enlarged))):.4f}")
        for radius in RADII:
            for percent in PERCENTS:
                mask = ImageFilter.UnsharpMask(radius * size / small, percent, threshold=0)
                after = encoder.encode_pixels(_stack([one.filter(mask) for one in enlarged]))
                print(f"{small} px  radius {radius}  {percent} %  {_cosine(before, after):.4f}", flush=True)


def _stack(pictures: list[Image.Image]) -> np.ndarray:
    return np.stack([np.asarray(picture) for picture in pictures])


def _cosine(before: np.ndarray, after: np.ndarray) -> float:
    return float((before * after).sum(axis=1).mean())


if __name__ == "__main__":
    main()
