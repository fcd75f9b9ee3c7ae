"""How fast the texts of an ImageNet classifier become vectors, beside open_clip with the same weights.

    python bench/texts.py [--classes 100] [--templates 80] [--rounds 3]

OpenAI's 80 templates and 1000 names, ViT-B/32 with random weights, in one process. A round makes the classifier with
each backend, and open_clip's of a few of its classes, one after another, because the machine may have other work;
the ratio is of texts a second within a round.
"""

import argparse
import contextlib
import importlib
import math
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from seesay.encoders import load, recipes
from seesay.encoders.bundle import Bundle, write_bundle
from seesay.encoders.checkpoints.keymap import from_ours
from seesay.encoders.packing import pack
from seesay.inputs import openai
from seesay.models.variants import VARIANTS
from seesay.tasks.classify import build_classifier

ROOT = Path(__file__).resolve().parent.parent
NAME = "ViT-B-32-quickgelu"


def open_clip_and_torch() -> tuple[Any, Any]:
    """The reference, made importable where torchvision's operators cannot be loaded."""
    sys.path.insert(0, str(ROOT / "tests" / "parity"))
    importlib.import_module("conftest")
    warnings.simplefilter("ignore")
    return importlib.import_module("open_clip"), importlib.import_module("torch")


def make_models(folder: Path) -> tuple[Any, Any]:
    """A bundle with graphs in `folder`, and open_clip's model with its weights."""
    open_clip, torch = open_clip_and_torch()
    from seesay.encoders.export import export
    from seesay.encoders.torch import stored_state
    from seesay.models.clip import build

    torch.manual_seed(0)
    config = VARIANTS[NAME].model
    clip = build(config).eval()
    for block in clip.text_tower.blocks:  # type: ignore[attr-defined]  # fresh biases are zero, and would hide faults
        for layer in (block.qkv, block.attention_out, block.mlp_in, block.mlp_out):
            torch.nn.init.normal_(layer.bias, std=0.05)
    bundle = Bundle(
        folder=folder,
        name="bench",
        licence="MIT",
        dim=config["dim"],
        model=config,
        image=recipes.image_config("clip", 224),
        text=recipes.text_config("clip", 77),
        logit_scale=math.exp(float(clip.log_scale)),
        logit_bias=None,
        calibration=None,
        files={},
    )
    write_bundle(bundle, stored_state(clip), openai.tokenizer_json(), {})
    export(folder)
    theirs = open_clip.create_model(NAME)
    theirs.load_state_dict(from_ours("open_clip", clip.state_dict(), config), strict=True)
    return open_clip, theirs.eval()


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What the work gives, and the seconds it takes."""
    begun = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begun


def main() -> None:
    """Print texts a second, their ratio to open_clip's, and how near the class vectors are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, default=100, help="of the 1000, evenly chosen")
    parser.add_argument("--templates", type=int, default=80, help="of the 80, evenly chosen")
    parser.add_argument("--peer-classes", type=int, default=4, help="of those, how many open_clip makes in each round")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "model"
        with contextlib.redirect_stderr(None):
            open_clip, theirs = make_models(folder)
        tokenizer = open_clip.get_tokenizer(NAME)
        every = [template("{}") for template in open_clip.OPENAI_IMAGENET_TEMPLATES]
        labels = evenly(list(dict.fromkeys(open_clip.IMAGENET_CLASSNAMES)), arguments.classes)
        templates = evenly(every, arguments.templates)
        peers = evenly(list(range(len(labels))), arguments.peer_classes)
        calls = [template.format for template in templates]
        print(f"{len(labels)} classes x {len(templates)} templates; {describe(folder, labels, templates)}")

        def make_theirs() -> NDArray[np.float32]:
            names = [labels[peer] for peer in peers]
            weights = open_clip.build_zero_shot_classifier(theirs, tokenizer, names, calls, num_classes_per_batch=1)
            return np.asarray(weights.T.numpy(), np.float32)

        for backend in ("onnx", "torch"):
            options = {"device": "cpu"} if backend == "torch" else {}
            encoder = load(str(folder), backend=backend, cache_bytes=0, **options)  # type: ignore[arg-type]
            encoder.encode_texts(["a first call loads the weights"])
            ours_rate, ratios = [], []
            for _ in range(arguments.rounds):
                ours, ours_s = timed(lambda: build_classifier(encoder, labels, templates))
                reference, theirs_s = timed(make_theirs)
                ours_rate.append(len(labels) * len(templates) / ours_s)
                ratios.append(ours_rate[-1] / (len(peers) * len(templates) / theirs_s))
            cosine = float((ours[peers] * reference).sum(axis=1).min())
            print(
                f"{backend:<6} {statistics.median(ours_rate):6.0f} texts/s, "
                f"{statistics.median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f}) times open_clip's; "
                f"lowest cosine of {len(peers)} class vectors {cosine:.7f}",
                flush=True,
            )


def describe(folder: Path, labels: list[str], templates: list[str]) -> str:
    """What sharing saves, in tokens that a text pays for."""
    encoder = load(str(folder))
    texts = [template.replace("{}", label) for label in labels for template in templates]
    (tokens, planning_s) = timed(lambda: encoder._tokenize(texts, texts))
    lengths = tokens.mask.sum(axis=1)
    batches, packing_s = timed(lambda: list(pack(tokens.ids, lengths, tokens_per_batch=2048)))
    packed = sum(batch.packs.ids.size for batch in batches) / len(texts)
    return (
        f"a text has 77 tokens padded, {lengths.mean():.2f} without padding, {packed:.2f} packed; "
        f"tokenizing took {planning_s:.2f} s, packing {packing_s:.2f} s"
    )


def evenly(items: list[Any], count: int) -> list[Any]:
    """So many of the items, spread over the list."""
    return [items[int(place)] for place in np.linspace(0, len(items) - 1, min(count, len(items)))]


if __name__ == "__main__":
    main()
