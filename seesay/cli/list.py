"""`seesay list`: what the tables hold."""

from importlib import import_module
from typing import Annotated

import typer

from seesay.base.errors import UnknownNameError
from seesay.cli.console import write

TABLES = {
    "models": "seesay.encoders.catalog:MODELS",
    "backends": "seesay.encoders:BACKENDS",
    "image-towers": "seesay.models:IMAGE_TOWERS",
    "text-towers": "seesay.models:TEXT_TOWERS",
    "temporal-heads": "seesay.models:TEMPORAL_HEADS",
    "losses": "seesay.training.losses:LOSSES",
    "recipes": "seesay.training.recipes:RECIPES",
    "trackers": "seesay.training.trackers:TRACKERS",
    "sources": "seesay.data:SOURCES",
    "public-sets": "seesay.data.public:PUBLIC_SETS",
    "tasks": "seesay.tasks:TASKS",
    "evaluations": "seesay.evaluation:TASKS",
    "comparisons": "seesay.evaluation:COMPARISONS",
    "metrics": "seesay.evaluation.metrics:METRICS",
    "commands": "seesay.cli:COMMANDS",
}


def list_table(
    table: Annotated[str | None, typer.Argument(help="Which table; without it, all of them.")] = None,
) -> None:
    """List models, backends, losses and whatever else has a name."""
    if table is not None and table not in TABLES:
        raise UnknownNameError("table", table, TABLES, cure="list them with `seesay list`")
    for name in [table] if table else TABLES:
        module, _, attribute = TABLES[name].partition(":")
        entries = getattr(import_module(module), attribute)
        if table:
            for entry in entries:
                write(entry)
        else:
            write(f"{name:<14} {', '.join(entries)}")
