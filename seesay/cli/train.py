"""`seesay train`: a recipe on your pairs, or a run that goes on."""

import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from seesay.base.errors import UsageError
from seesay.cli.console import say, write

if TYPE_CHECKING:
    from seesay.encoders.encoder import Pixels
    from seesay.training.loop import Evaluate

HELD_OUT_LIMIT = 2000  # pictures of a periodic evaluation


def train(
    recipe: Annotated[str, typer.Argument(help="A name from `seesay list recipes`.")],
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="Change a single value: --set optim.lr=3e-4; any number of times.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="The folder of the run; one that is there goes on.")] = None,
    held_out: Annotated[
        str | None, typer.Option(help="Pairs that are not trained on, to measure retrieval with; as data.sources.")
    ] = None,
    zero_shot: Annotated[
        str | None, typer.Option(help="Labelled pictures, to measure zero-shot on; as for `seesay eval --on`.")
    ] = None,
    tiny: Annotated[bool, typer.Option("--tiny", help="Two steps with the smallest model, to try it.")] = False,
    show: Annotated[bool, typer.Option("--show", help="Print every setting of the recipe, and do nothing.")] = False,
) -> None:
    r"""Train a CLIP.

    Stop it whenever you like: started again with the same settings it goes on where it was. The result is a model in
    OUT/model. What --held-out and --zero-shot measure comes every evaluate_every steps and at the end; after
    fine-tuning also for mixtures with the weights it started from. Needs the extra: pip install 'seesay\[train]'
    """
    from seesay.training.config import override, to_json
    from seesay.training.loop import train as run
    from seesay.training.recipes import find_recipe, shrink

    config = find_recipe(recipe)
    config = override(shrink(config) if tiny else config, settings or [])
    if show:
        write(to_json(config).rstrip())
        return
    if out is None:
        raise UsageError("name the folder of the run with --out")
    logger, handler = logging.getLogger("seesay"), logging.StreamHandler()
    handler.setFormatter(logging.Formatter("seesay: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    bundle = run(config, out, evaluate=measures_on(held_out, zero_shot), show=say)
    if bundle is not None:
        write(f"{bundle.id} in {bundle.folder}")
    elif os.environ.get("RANK", "0") == "0":  # the others end before the first one has written
        say(f"stopped; run it again to go on, in {out}")


def measures_on(held_out: str | None, zero_shot: str | None) -> "Evaluate | None":
    """Both evaluations in one; the first number decides which checkpoint is the best."""
    chosen = [make(address) for make, address in ((retrieval_on, held_out), (zero_shot_on, zero_shot)) if address]
    if not chosen:
        return None
    return lambda clip, trainee: {name: number for each in chosen for name, number in each(clip, trainee).items()}


def zero_shot_on(address: str) -> "Evaluate":
    """Zero-shot figures on a dataset of the evaluator, for the periodic evaluation."""
    import tempfile
    from collections.abc import Sequence
    from typing import Any

    import numpy as np
    import torch

    from seesay.evaluation.adapters import Wrapped
    from seesay.evaluation.datasets import open_dataset
    from seesay.evaluation.run import evaluate as evaluate_on
    from seesay.inputs.transform import ImageTransform
    from seesay.models.clip import Clip, normalize_pixels
    from seesay.training.trainee import Trainee, tokenizer_of

    dataset = open_dataset(address)

    def evaluate(clip: Clip, trainee: Trainee) -> dict[str, float]:
        tokenizer, device = tokenizer_of(trainee), clip.log_scale.device
        mean, std = (
            torch.tensor(each, device=device) for each in (trainee.bundle.image.mean, trainee.bundle.image.std)
        )

        def encode_images(pixels: Sequence[Any]) -> Any:
            batch = torch.from_numpy(np.stack(list(pixels))).to(device)
            return clip.embed_images(normalize_pixels(batch, mean, std)).float().cpu().numpy()

        def encode_texts(texts: Sequence[str]) -> Any:
            parts = []
            for start in range(0, len(texts), 64):
                tokens = tokenizer.pad(tokenizer.rows(texts[start : start + 64], truncate=True))
                ids, mask = (torch.from_numpy(array).to(device) for array in tokens)
                parts.append(clip.embed_texts(ids, mask).float().cpu().numpy())
            return np.concatenate(parts)

        model = Wrapped(
            id="the run",
            encode_images=encode_images,
            encode_texts=encode_texts,
            scale=float(clip.log_scale.exp()),
            read=ImageTransform(trainee.bundle.image),
        )
        with tempfile.TemporaryDirectory() as folder:  # the next evaluation has other weights
            (result,) = evaluate_on(model, [dataset], ["zeroshot"], cache=Path(folder))
        return {f"zero_shot_{one.name}": one.value for one in result.measures}

    return evaluate


def retrieval_on(address: str) -> "Evaluate":
    """Recall on held-out pairs, for the periodic evaluation; their pixels and tokens are read once."""
    import numpy as np
    import torch

    from seesay.base.errors import DataError, InputError
    from seesay.data import open_source
    from seesay.data.source import Example, Pass
    from seesay.evaluation.retrieval import recall
    from seesay.inputs.transform import ImageTransform, load_pixels
    from seesay.models.clip import Clip, normalize_pixels
    from seesay.training.trainee import Trainee, tokenizer_of

    examples = [one for one, _ in open_source(address).stream(Pass(seed=0, epoch=0)) if isinstance(one, Example)]
    examples = examples[:HELD_OUT_LIMIT]

    pixels: list[Pixels] = []
    rows: list[list[int]] = []
    owners: list[int] = []

    def read(trainee: Trainee) -> None:
        transform, tokenizer = ImageTransform(trainee.bundle.image), tokenizer_of(trainee)
        for example in examples:
            try:
                tokens, picture = tokenizer.rows(example.captions, truncate=True), load_pixels(example.image, transform)
            except InputError as error:
                say(f"seesay: left out of the evaluation: {example.key}: {error}")
                continue
            owners.extend([len(pixels)] * len(tokens))
            rows.extend(tokens)
            pixels.append(picture)
        if not pixels:
            raise DataError(f"{address} has no pair that can be read, so nothing can be measured on it")

    def evaluate(clip: Clip, trainee: Trainee) -> dict[str, float]:
        if not pixels:
            read(trainee)
        image, tokenizer = trainee.bundle.image, tokenizer_of(trainee)
        device = clip.log_scale.device
        mean, std = (torch.tensor(values, device=device) for values in (image.mean, image.std))
        images, texts = [], []
        for start in range(0, len(pixels), 64):
            batch = torch.from_numpy(np.stack(pixels[start : start + 64])).to(device)
            images.append(clip.embed_images(normalize_pixels(batch, mean, std)))
        for start in range(0, len(rows), 64):
            padded = tokenizer.pad(rows[start : start + 64])
            texts.append(clip.embed_texts(*(torch.from_numpy(array).to(device) for array in padded)))
        return recall(torch.cat(images).cpu().numpy(), torch.cat(texts).cpu().numpy(), np.array(owners))

    return evaluate
