"""`seesay models`: which models there are, bring one, look at one."""

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from seesay.cli.console import JsonOption, say, write

if TYPE_CHECKING:
    from seesay.encoders.facts import Facts
    from seesay.encoders.hub import Progress
    from seesay.inputs.transform import ImageConfig

models = typer.Typer(help="List models, bring one to this machine, show one.", invoke_without_command=True)

_HEADER = ("name", "here", "parameters", "picture", "dim", "ImageNet", "licence")


@models.callback()
def list_models(
    context: typer.Context,
    installed: Annotated[bool, typer.Option("--installed", help="Only those on this machine.")] = False,
    as_json: JsonOption = False,
) -> None:
    """List models, bring one to this machine, show one.

    Without a command: a table of all models. ImageNet is the published zero-shot accuracy.
    """
    if context.invoked_subcommand is not None:
        return
    from seesay.encoders.facts import all_facts

    found = [facts for facts in all_facts() if facts.folder or not installed]
    if as_json:
        for facts in found:
            write(json.dumps(as_dict(facts), ensure_ascii=False))
        return
    rows = [_HEADER, *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (
            cell.rjust(width) if place in (2, 3, 4, 5) else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        write("  ".join(cells).rstrip())


@models.command()
def pull(
    name: Annotated[
        str, typer.Argument(help="A name from `seesay models`, hf-hub:org/name, or the path of a checkpoint.")
    ],
    source: Annotated[
        Path | None, typer.Option("--from", help="Take the checkpoint from this folder or file, not from the hub.")
    ] = None,
    variant: Annotated[
        str | None, typer.Option(help="The architecture, where the checkpoint does not say it: ViT-B-32-quickgelu")
    ] = None,
    update: Annotated[
        bool, typer.Option("--update", help="Take the newest revision, not the one that was pulled before.")
    ] = False,
) -> None:
    r"""Bring a published model to this machine: fetch, check, convert, test it.

    A fetch that was stopped goes on where it was. Needs the extra: pip install 'seesay\[train]'
    """
    from seesay.encoders.install import pull as pull_model

    with PullBar() as bar:
        bundle = pull_model(name, source=source, variant=variant, is_update=update, report=bar.update)
    write(f"{bundle.id} in {bundle.folder}")
    say(f"use it with --model {bundle.name}")


@models.command()
def show(
    name: Annotated[str, typer.Argument(help="A name from `seesay models`, or a model's folder.")],
    as_json: JsonOption = False,
) -> None:
    """Show a model's sizes, costs, preprocessing, licence and source."""
    from seesay.encoders.facts import facts

    found = facts(name)
    if as_json:
        write(json.dumps(as_dict(found), ensure_ascii=False))
        return
    for key, value in _lines(found).items():
        write(f"{key:<12} {value}")


def as_dict(facts: "Facts") -> dict[str, Any]:
    """Facts with nothing but JSON's types."""
    return {
        **{field.name: getattr(facts, field.name) for field in dataclasses.fields(facts)},
        "folder": str(facts.folder) if facts.folder else None,
        "image": facts.image.to_dict(),
        "text": facts.text.to_dict(),
        "sizes": facts.sizes._asdict() if facts.sizes else None,
    }


class PullBar:
    """A bar on stderr for a pull: bytes while it fetches, the stage's name after; silent where there is no terminal."""

    def __init__(self) -> None:
        from rich import progress as rich_progress
        from rich.console import Console

        self._progress = rich_progress.Progress(
            rich_progress.TextColumn("{task.description}"),
            rich_progress.BarColumn(),
            rich_progress.DownloadColumn(),
            rich_progress.TransferSpeedColumn(),
            rich_progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
            disable=not Console(stderr=True).is_terminal,
        )
        self._task = self._progress.add_task("looking", total=None)

    def __enter__(self) -> "PullBar":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, progress: "Progress") -> None:
        """Show how far it is."""
        self._progress.update(
            self._task,
            description=f"{progress.stage} {progress.what}",
            completed=progress.done_bytes,
            total=progress.total_bytes,
        )


def _row(facts: "Facts") -> tuple[str, ...]:
    return (
        facts.name,
        "yes" if facts.folder else "",
        f"{facts.num_parameters / 1e6:,.0f}M",
        f"{facts.image.size_px}",
        f"{facts.dim}",
        f"{facts.top1:g}%" if facts.top1 is not None else "",
        facts.licence,
    )


def _lines(facts: "Facts") -> dict[str, str]:
    flops = facts.sizes
    lines = {
        "name": facts.name,
        "here": str(facts.folder) if facts.folder else f"no; bring it with `seesay models pull {facts.name}`",
        "variant": facts.variant or "",
        "parameters": f"{_millions(facts.image_parameters)} image + {_millions(facts.text_parameters)} text",
        "FLOPs": f"{flops.image_flops / 1e9:,.1f}G a picture, {flops.text_flops / 1e9:,.1f}G a text" if flops else "",
        "weights": f"{facts.size_bytes / 1e6:,.0f} MB" + ("" if facts.folder else " as float32"),
        "dim": f"{facts.dim}",
        "picture": show_preprocessing(facts.image),
        "text": f"{facts.text.context_length} tokens, padding {facts.text.padding}, cleaner {facts.text.cleaner}",
        "ImageNet": f"{facts.top1:g}% zero-shot ({facts.top1_source})" if facts.top1 is not None else "",
        "licence": facts.licence,
        "note": facts.note or "",
        "source": f"{facts.repo}, revision {facts.revision or 'settled by the first pull'}" if facts.repo else "",
    }
    return {key: value for key, value in lines.items() if value}


def show_preprocessing(image: "ImageConfig") -> str:
    """`224 px, shortest, bicubic, mean 0.4815 0.4578 0.4082, std 0.2686 0.2613 0.2758`."""
    mean, std = (" ".join(f"{value:.4g}" for value in values) for values in (image.mean, image.std))
    resize = f"{image.resize} to {image.resize_px} px" if image.resize_px else image.resize
    return f"{image.size_px} px, {resize}, {image.interpolation}, mean {mean}, std {std}"


def _millions(count: int) -> str:
    return f"{count / 1e6:,.1f}M"


def render_models_page() -> str:
    """docs/models.md: every published checkpoint of the catalog."""
    from seesay.encoders.facts import all_facts

    lines = [
        "# Models",
        "",
        "Made from the catalog by `make docs`. Bring one with `seesay models pull NAME`, which needs the extra",
        "`pip install 'seesay[train]'`; then use it with `--model NAME`. The model `starter` ships with seesay.",
        "",
        "Parameters and GFLOPs are of the image tower + the text tower, for one picture and for one text as long as",
        "the context; a multiplication and an addition are two operations. ImageNet is zero-shot top-1 in percent, as",
        "published by the source named below. `hf-hub:org/name` and a checkpoint's path work too.",
        "",
        "| name | parameters (M) | GFLOPs | picture (px) | resize | context | dim | ImageNet | licence | from |",
        "|---|--:|--:|--:|---|--:|--:|--:|---|---|",
    ]
    published = [facts for facts in all_facts() if facts.sizes is not None]
    lines += [_page_row(facts) for facts in published]
    sources = dict.fromkeys(facts.top1_source for facts in published if facts.top1_source)
    lines += ["", f"Sources of the accuracies: {'; '.join(sources)}."]
    for note in dict.fromkeys(facts.note for facts in published if facts.note):
        names = ", ".join(f"`{facts.name}`" for facts in published if facts.note == note)
        lines += ["", f"{names}: {note}."]
    return "\n".join(lines) + "\n"


def _page_row(facts: "Facts") -> str:
    assert facts.sizes is not None
    cells = (
        f"`{facts.name}`",
        f"{facts.image_parameters / 1e6:.1f} + {facts.text_parameters / 1e6:.1f}",
        f"{facts.sizes.image_flops / 1e9:.1f} + {facts.sizes.text_flops / 1e9:.1f}",
        f"{facts.image.size_px}",
        f"{facts.image.resize}, {facts.image.interpolation}",
        f"{facts.text.context_length}",
        f"{facts.dim}",
        f"{facts.top1:g}" if facts.top1 is not None else "",
        facts.licence,
        f"[{facts.repo}](https://huggingface.co/{facts.repo})",
    )
    return f"| {' | '.join(cells)} |"
