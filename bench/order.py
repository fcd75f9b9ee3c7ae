"""What each way to see several frames can tell of their order: the clips of a pair differ in nothing else.

    python bench/order.py [--stills 700] [--steps 600] [--sheet sheet.png]

Clips are made of photographs (scikit-image's and scikit-learn's, which `make demo` brings): a part of one moves over a
part of another. The second label of each pair is the first one in reverse: left and right, grow and shrink, appear and
vanish. So the same pictures belong to both, the mean of their vectors is the same, and a model that cannot see order
gets exactly half. Each model is a small vision transformer trained by `seesay train` itself, beside the starter's text
tower, which stays. It is judged on photographs that it has not seen.

For `--stills` steps the image tower first sees single pictures with words for where a thing is, how large and how
faint, as CLIP has seen pictures before ActionCLIP begins: a head gets one vector a frame, and can learn nothing of an
order from vectors that say no place. `--lr` is the towers' rate; a temporal part always learns at 1e-3.
"""

import argparse
import dataclasses
import logging
import shutil
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFilter, ImageOps

from seesay.data.actions import TEMPLATES
from seesay.data.videos import open_videos
from seesay.encoders import recipes
from seesay.encoders.bundle import TOKENIZER, write_bundle
from seesay.encoders.catalog import open_bundle
from seesay.encoders.torch import load_clip, stored_state
from seesay.inputs.clips import middle_places, read_frames
from seesay.inputs.sheet import Tile, draw_sheet
from seesay.inputs.transform import ImageTransform
from seesay.models import variants
from seesay.models.clip import Clip, build
from seesay.training.config import DataConfig, ModelConfig, OptimConfig, SaveConfig, TrainConfig, VideoConfig
from seesay.training.live import LiveModel
from seesay.training.loop import train
from seesay.training.trainee import Trainee

PHOTOS = Path(__file__).parents[1] / ".demo" / "photos"
PAIRS = (("moving left", "moving right"), ("growing", "shrinking"), ("appearing", "vanishing"))
LABELS = tuple(label for pair in PAIRS for label in pair)
STILLS = (("on the left", "on the right"), ("large", "small"), ("there", "gone"))  # a frame at either end of a clip
WAYS: dict[str, VideoConfig] = {
    "mean": VideoConfig(num_frames=4, head="mean"),
    "convolution": VideoConfig(num_frames=4, head="convolution"),
    "LSTM": VideoConfig(num_frames=4, head="lstm"),
    "transformer": VideoConfig(num_frames=4, head="transformer", num_layers=2),
    "class transformer": VideoConfig(num_frames=4, head="class_transformer", num_layers=2),
    "shift, mean": VideoConfig(num_frames=4, tower="shift", head="mean"),
    "joint": VideoConfig(num_frames=4, tower="joint", head="mean"),
}
IMAGE_SIDE = variants.vit(64, 16, 128, 4, 4)
SIDE, NUM_FRAMES = 72, 16
HELD_OUT = ("coffee.png", "coins.png", "flower.jpg", "gravel.png", "motorcycle_left.png", "retina.jpg")


def main() -> None:
    """Make clips, train every way, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--clips", type=int, default=150, help="clips of each label to train on; a fifth to test")
    parser.add_argument("--stills", type=int, default=700, help="steps of 64 single pictures before")
    parser.add_argument("--lr", type=float, default=3e-4)
    parser.add_argument("--ways", nargs="*", default=list(WAYS))
    parser.add_argument("--sheet", type=Path)
    arguments = parser.parse_args()
    logging.getLogger("seesay").setLevel(logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        if not PHOTOS.is_dir():
            raise SystemExit(f"{PHOTOS} is not there; run `make demo` first")
        photos = sorted(path for path in PHOTOS.iterdir() if path.stem != "motorcycle_right")  # the left one again
        make_clips(root / "train", [path for path in photos if path.name not in HELD_OUT], arguments.clips, seed=0)
        make_clips(root / "test", [path for path in photos if path.name in HELD_OUT], arguments.clips // 5, seed=1)
        make_start(root, arguments.stills, arguments.lr)
        if arguments.sheet:
            draw(root / "test").save(arguments.sheet)
        steps = f"{arguments.steps} steps of 32 clips of 4 frames after {arguments.stills} of 64 pictures"
        print(f"{torch.get_num_threads()} threads; {steps}; rate {arguments.lr:g}")
        print(f"{'':<20}" + "".join(f"{' / '.join(pair):>28}" for pair in PAIRS) + f"{'of six':>10}{'minutes':>10}")
        for way in arguments.ways:
            began = time.perf_counter()
            found = run(root, WAYS[way], arguments.steps, arguments.lr)
            minutes = (time.perf_counter() - began) / 60
            cells = "".join(f"{found[pair[0]]:>28.1%}" for pair in PAIRS)
            print(f"{way:<20}{cells}{found['six']:>10.1%}{minutes:>10.1f}", flush=True)


def run(root: Path, video: VideoConfig, steps: int, lr: float) -> dict[str, float]:
    """Train one way and judge it."""
    found: dict[str, float] = {}

    def evaluate(clip: Clip, trained: Trainee) -> Mapping[str, float]:
        found.update(judge(clip, trained, f"videos:{root}#test"))
        return found

    with tempfile.TemporaryDirectory() as folder:
        config = make_config(root, video, f"videos:{root}#train", steps=steps, batch_size=32, lr=lr)
        train(config, Path(folder) / "run", evaluate=evaluate)
    return found


def make_config(root: Path, video: VideoConfig, source: str, *, steps: int, batch_size: int, lr: float) -> TrainConfig:
    """The same for every way, and for the single pictures before."""
    return TrainConfig(
        model=ModelConfig(start=str(root / "start"), lock_text=True, video=video),
        data=DataConfig(sources=(source,), flip=False, threads=2),
        optim=OptimConfig(lr=lr, weight_decay=0.1, warmup_steps=30, clip_norm=1.0, temporal_lr=1e-3 / lr),
        save=SaveConfig(every_steps=10_000),
        loss="matching",
        steps=steps,
        batch_size=batch_size,
        log_every=steps,
    )


def make_start(root: Path, steps: int, lr: float) -> None:
    """The starter with another image tower: a small vision transformer that has seen single pictures at most."""
    starter = open_bundle("starter")
    torch.manual_seed(0)
    model = {**starter.model, "image": IMAGE_SIDE, "image_projection": "linear"}
    clip = build(model)
    theirs = {name: tensor for name, tensor in load_clip(starter).state_dict().items() if name.startswith("text_")}
    clip.load_state_dict({**clip.state_dict(), **theirs})
    image = recipes.image_config("clip", 64)
    # a trained CLIP's scale: left and right are alike to the starter (cosine 0.91), and a small scale blurs them
    bundle = dataclasses.replace(
        starter, folder=root / "start", name="order", model=model, image=image, logit_scale=100.0
    )

    def write(clip: Clip, _: Trainee | None = None) -> Mapping[str, float]:
        shutil.rmtree(root / "start", ignore_errors=True)
        write_bundle(bundle, stored_state(clip), (starter.folder / TOKENIZER).read_bytes(), {})
        return {}

    write(clip)
    if steps:
        video = VideoConfig(num_frames=1, head="mean")
        config = make_config(root, video, f"videos:{root}#train_stills", steps=steps, batch_size=64, lr=lr)
        train(config, root / "run", evaluate=write)


def judge(clip: Clip, trained: Trainee, address: str) -> dict[str, float]:
    """Accuracy between the two labels of each pair, and among all six."""
    model, transform, videos = LiveModel(clip, trained), ImageTransform(trained.bundle.image), open_videos(address)
    pixels = [
        np.stack([transform(frame) for frame in read_frames(video.path, middle_places(4))]) for video in videos.videos
    ]
    texts = [model.encode_texts([each.replace("{}", name) for each in TEMPLATES]).mean(0) for name in videos.classes]
    scores: NDArray[np.float32] = model.encode_pixels(pixels) @ np.stack(texts).T
    truth = np.array([video.labels[0] for video in videos.videos])
    found = {"six": float((scores.argmax(axis=1) == truth).mean())}
    for pair in PAIRS:
        own = [videos.classes.index(label) for label in pair]
        rows = np.isin(truth, own)
        found[pair[0]] = float((np.array(own)[scores[rows][:, own].argmax(axis=1)] == truth[rows]).mean())
    return found


def make_clips(root: Path, photos: list[Path], count: int, *, seed: int) -> None:
    """So many clips of each label; one of a pair is the other in reverse. The pictures at its ends lie beside it."""
    random = np.random.default_rng(seed)
    pictures = [Image.open(path).convert("RGB") for path in photos]
    for (first, second), stills in zip(PAIRS, STILLS, strict=True):
        for number in range(count):
            behind, before = random.choice(len(pictures), 2, replace=False)
            frames = draw_frames(second, pictures[behind], pictures[before], random)
            for label, some in ((second, frames), (first, frames[::-1])):
                save(root / label.replace(" ", "_") / f"{number:03}", some)
            for still, frame in zip(stills, (frames[0], frames[-1]), strict=True):
                save(root.with_name(f"{root.name}_stills") / still.replace(" ", "_") / f"{number:03}", [frame])


def save(folder: Path, frames: list[Image.Image]) -> None:
    """A clip in the layout of folders of frames."""
    folder.mkdir(parents=True)
    for place, frame in enumerate(frames):
        frame.save(folder / f"img_{place + 1:05}.png", compress_level=1)


def draw_frames(label: str, behind: Image.Image, before: Image.Image, random: np.random.Generator) -> list[Image.Image]:
    """The frames of one clip of the second label of a pair."""
    ground, thing = (_part(picture, random) for picture in (behind, before))
    # out of focus and in the shade, as what is behind often is
    ground = ImageEnhance.Brightness(ground.filter(ImageFilter.GaussianBlur(SIDE / 6))).enhance(0.5)
    thing = ImageOps.autocontrast(thing, cutoff=2)
    size, (x, y) = random.uniform(0.35, 0.5) * SIDE, random.uniform(0.35, 0.65, 2) * SIDE
    frames = []
    for share in np.linspace(0, 1, NUM_FRAMES):
        wide, centre, opacity = size, x, 1.0
        if label == "moving right":
            centre = (0.2 + 0.6 * share) * SIDE
        elif label == "shrinking":
            wide = (0.8 - 0.6 * share) * SIDE
        else:
            opacity = 1.0 - share
        side = max(4, round(wide))
        mask = Image.new("L", (side, side))
        ImageDraw.Draw(mask).ellipse((0, 0, side - 1, side - 1), fill=round(255 * opacity))
        frame = ground.copy()
        frame.paste(thing.resize((side, side)), (round(centre - side / 2), round(y - side / 2)), mask)
        frames.append(frame)
    return frames


def _part(picture: Image.Image, random: np.random.Generator) -> Image.Image:
    """A random square, at least a quarter of the shorter side."""
    side = int(random.uniform(0.25, 0.8) * min(picture.size))
    left, top = (int(random.integers(0, length - side + 1)) for length in picture.size)
    return picture.crop((left, top, left + side, top + side)).resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def draw(root: Path) -> Image.Image:
    """Four moments of the first clip of each label."""
    tiles = []
    for folder in sorted(root.iterdir()):
        for place, frame in enumerate(read_frames(next(iter(sorted(folder.iterdir()))), middle_places(4))):
            tiles.append(Tile(frame, folder.name.replace("_", " ") if place == 0 else ""))
    return draw_sheet(tiles, columns=4, tile_px=96, lines=1)


if __name__ == "__main__":
    main()
