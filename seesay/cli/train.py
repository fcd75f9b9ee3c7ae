"""`seesay train`: a recipe on your pairs, or a run that goes on."""

import logging
import os
from pathlib import Path
from typing import Annotated

import typer

from seesay.base.errors import UsageError
from seesay.cli.console import PlainFormatter, say, write


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
    from seesay.cli.measures import measures_on
    from seesay.cli.taught import report_classes
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
    handler.setFormatter(PlainFormatter("seesay: %(message)s"))
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    bundle = run(config, out, evaluate=measures_on(held_out, zero_shot), show=say)
    if bundle is not None:
        write(f"{bundle.id} in {bundle.folder}")
        report_classes(config, bundle, out)
    elif os.environ.get("RANK", "0") == "0":  # the others end before the first one has written
        say(f"stopped; run it again to go on, in {out}")
