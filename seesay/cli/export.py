"""`seesay export`: a model in the format of another program, or its graphs again."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from seesay.base.errors import UsageError
from seesay.cli.console import write

if TYPE_CHECKING:
    from seesay.encoders.bundle import Bundle

Format = Literal["onnx", "hf", "open_clip"]


def export(
    name: Annotated[str, typer.Argument(help="A model that is on this machine: its name, or its folder.")],
    to: Annotated[
        Format, typer.Option("--to", help="onnx: our folder with ONNX graphs; hf: transformers; open_clip: open_clip.")
    ] = "onnx",
    out: Annotated[
        Path | None, typer.Option(help="The folder to write; by default named after the model, and for onnx in place.")
    ] = None,
    int8: Annotated[
        bool, typer.Option("--int8", help="8 bits: a quarter of the size, pictures about three times as fast.")
    ] = False,
) -> None:
    r"""Write a model for other programs.

    In place, onnx makes the graphs and the self-test of a model again. A video model keeps its temporal part with
    onnx, in 32 bits; hf and open_clip have no place for it. Needs the extra: pip install 'seesay\[train]'
    """
    from seesay.encoders.catalog import open_bundle

    bundle = open_bundle(name)
    if int8 and to != "onnx":
        raise UsageError(f"--int8 is for --to onnx; {to} has its own ways to make a model smaller")
    if to == "onnx":
        folder = _export_onnx(bundle, out or (_default_folder(bundle, "int8") if int8 else bundle.folder), int8=int8)
    else:
        folder = out or _default_folder(bundle, to)
        _refuse_existing(folder)
        _refuse_video(bundle, to)
        _export_foreign(bundle, folder, to)
    write(f"{folder}")


def _export_onnx(bundle: "Bundle", folder: Path, *, int8: bool) -> Path:
    """Make the graphs beside the folder and put them there when they compute what the model does."""
    from seesay.encoders.bundle import Bundle, copy_bundle
    from seesay.encoders.export import export as export_graphs
    from seesay.encoders.temporal import copy_temporal, export_temporal
    from seesay.encoders.video import read_temporal
    from seesay.encoders.weights import in_8_bits

    is_in_place = folder.resolve() == bundle.folder.resolve()
    if int8 and is_in_place:
        raise UsageError(f"--int8 would change {folder} in place; name another folder with --out")
    if not is_in_place:
        _refuse_existing(folder)
    place = folder.resolve()
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent, prefix=f".{place.name}-") as scratch:
        fresh = Path(scratch) / place.name
        copied = copy_bundle(bundle, fresh, storage=in_8_bits(bundle.read_weights()) if int8 else None)
        if is_video := read_temporal(bundle.folder) is not None:
            copy_temporal(bundle, copied)
        export_graphs(fresh)
        if is_video:
            export_temporal(Bundle.open(fresh))
        place.mkdir(exist_ok=True)
        for path in sorted(fresh.iterdir()):
            if not (is_in_place and path.name in bundle.files):  # the weights stay where they are
                path.replace(place / path.name)
    return folder


def _export_foreign(bundle: "Bundle", folder: Path, to: Format) -> None:
    from seesay.encoders.foreign import write_hf, write_open_clip

    (write_hf if to == "hf" else write_open_clip)(bundle, folder)


def _refuse_video(bundle: "Bundle", to: Format) -> None:
    from seesay.encoders.video import TEMPORAL, read_temporal

    if facts := read_temporal(bundle.folder):
        raise UsageError(
            f"{bundle.name} is a video model, and {to} has no place for its temporal part (tower {facts['tower']!r}, "
            f"head {facts['head']!r}); --to onnx keeps it. For its towers alone, export a copy without {TEMPORAL}"
        )


def _default_folder(bundle: "Bundle", suffix: str) -> Path:
    return Path(f"{bundle.name.replace('/', '-')}-{suffix}")


def _refuse_existing(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already and not empty; name another with --out")
