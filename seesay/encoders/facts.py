"""What is worth knowing of a model before using it: sizes, costs, preprocessing, licence, where it is from.

For a published checkpoint that comes from the catalog alone, whether or not it is installed; for any other model from
its bundle. Imports no torch but to count the operations of the latter, where it is installed.
"""

from dataclasses import dataclass, replace
from importlib.util import find_spec
from math import prod
from pathlib import Path

from seesay.encoders import recipes
from seesay.encoders.bundle import WEIGHTS, Bundle
from seesay.encoders.catalog import CATALOG, SHIPPED, SIZES, Entry, Sizes, installed_folder, open_bundle, read_lock
from seesay.encoders.weights import SCALE, read_header
from seesay.inputs.tokenizer import TextConfig
from seesay.inputs.transform import ImageConfig
from seesay.models.variants import VARIANTS

_FLOAT32_BYTES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """One model."""

    name: str
    folder: Path | None
    """Where it lies; None where it is not installed."""
    variant: str | None
    """The architecture's name, where it has one."""
    dim: int
    """E, the length of a vector."""
    image: ImageConfig
    text: TextConfig
    image_parameters: int
    text_parameters: int
    sizes: Sizes | None
    """With the operations that a picture and a text take; None where they were not counted."""
    size_bytes: int
    """Of the weights: on this machine, or as float32 where they are not."""
    licence: str
    repo: str | None
    revision: str | None
    """The commit that is, or will be, fetched; None where the first fetch settles it."""
    top1: float | None
    """Zero-shot accuracy on ImageNet in percent, as published."""
    top1_source: str | None
    note: str | None = None
    """What a user must know besides the licence's name."""

    @property
    def num_parameters(self) -> int:
        """Of both towers."""
        return self.image_parameters + self.text_parameters


def all_facts() -> list[Facts]:
    """What ships, what was pulled beside the catalog, and the catalog, in its order."""
    others = [name for name in read_lock() if name not in CATALOG and installed_folder(name)]
    return [*(_of_bundle(name) for name in [*SHIPPED, *others]), *map(_of_entry, CATALOG.values())]


def facts(name: str) -> Facts:
    """The facts of one model.

    Args:
        name: a name of the catalog, `hf-hub:org/name` or the path of a bundle's folder.

    Raises:
        UnknownNameError: no such model; the nearest are offered.
        UsageError: known, but its facts come with it, and it is not installed.
        BundleError: the bundle is broken.
    """
    if name in CATALOG:
        return _of_entry(CATALOG[name])
    found = _of_bundle(name)
    return replace(found, sizes=_measure(open_bundle(name))) if find_spec("torch") else found


def _measure(bundle: Bundle) -> Sizes:
    from seesay.models.size import measure

    size = measure(bundle.model, image_size=bundle.image.size_px, context_length=bundle.text.context_length)
    return Sizes(size.image_parameters, size.text_parameters, size.image_flops, size.text_flops)


def _of_entry(entry: Entry) -> Facts:
    variant, sizes = VARIANTS[entry.variant], SIZES[entry.variant]
    folder = installed_folder(entry.name)
    context_length = variant.model["text"]["context_length"]
    num_parameters = sizes.image_parameters + sizes.text_parameters
    image = recipes.image_config(variant.family, variant.model["image"]["image_size"], statistics=entry.statistics)
    return Facts(
        name=entry.name,
        folder=folder,
        variant=entry.variant,
        dim=variant.model["dim"],
        image=replace(image, resize=entry.resize or image.resize),
        text=recipes.text_config(variant.family, context_length),
        image_parameters=sizes.image_parameters,
        text_parameters=sizes.text_parameters,
        sizes=sizes,
        size_bytes=(folder / WEIGHTS).stat().st_size if folder else _FLOAT32_BYTES * num_parameters,
        licence=entry.licence,
        repo=entry.repo,
        revision=entry.revision or read_lock().get(entry.name, {}).get("revision"),
        top1=entry.top1,
        top1_source=entry.top1_source,
        note=entry.note,
    )


def _of_bundle(name: str) -> Facts:
    bundle = open_bundle(name)
    locked = read_lock().get(name, {})
    image_parameters, text_parameters = _count_parameters(bundle)
    return Facts(
        name=name,
        folder=bundle.folder,
        variant=next((known for known, variant in VARIANTS.items() if variant.model == bundle.model), None),
        dim=bundle.dim,
        image=bundle.image,
        text=bundle.text,
        image_parameters=image_parameters,
        text_parameters=text_parameters,
        sizes=None,
        size_bytes=(bundle.folder / WEIGHTS).stat().st_size,
        licence=bundle.licence,
        repo=locked.get("repo"),
        revision=locked.get("revision"),
        top1=None,
        top1_source=None,
    )


def _count_parameters(bundle: Bundle) -> tuple[int, int]:
    """Numbers of the image side and of the text side, from the header of the weights."""
    counts = {"image": 0, "text": 0}
    for name, span in read_header(bundle.folder / WEIGHTS).items():
        if not name.endswith((SCALE, "running_mean", "running_var", "num_batches_tracked")):
            counts["image" if name.startswith("image") else "text"] += prod(span.shape)
    return counts["image"], counts["text"]
