"""From a bundle's weights to the graphs that ONNX Runtime runs, without storing a weight twice.

torch traces each tower in float32. Then every weight in the graph is replaced by a reference into
model.safetensors (ONNX "external data": file, offset, length), followed by the Cast and the Mul that
turn 16 or 8 bits into float32. ONNX Runtime computes those once, when it loads the graph. The one
exception is a table of embeddings in 8 bits: there rows are gathered first and decoded then, so that
the table is never unpacked in memory.

A graph says in its metadata which weights it was made for, because its offsets fit no others.
"""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from seesay.base.errors import BundleError, MissingExtraError
from seesay.encoders import selftest
from seesay.encoders.bundle import IMAGE_GRAPH, PACKED_GRAPH, TEXT_GRAPH, WEIGHTS, Bundle, write_atomically
from seesay.encoders.onnx import FEATURES, WEIGHTS_KEY
from seesay.encoders.quantize import convolutions_to_8_bits, to_8_bits
from seesay.encoders.torch import load_clip
from seesay.encoders.weights import SCALE, Span, read_header
from seesay.inputs.transform import ImageTransform
from seesay.models.clip import Clip, normalize_pixels

try:
    import torch
    from onnx import TensorProto, helper
    from onnxscript.optimizer import optimize_ir
    from torch import Tensor, nn
except ModuleNotFoundError as error:
    raise MissingExtraError("exporting a model", "train") from error

OPSET = 20  # the first with the exact Gelu as one operator
_INLINE_LIMIT_BYTES = 1 << 20  # constants of the code itself (shapes, epsilons, rotary tables) may stay in the graph
_CALIBRATION_PICTURES = 32
_LEAST_COSINE = 0.99  # below, convolutions stay in float32: those of some small networks do not stand 8 bits
_ONNX_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int8": TensorProto.INT8,
    "int64": TensorProto.INT64,
}


def export(folder: Path) -> selftest.Report:
    """Write a bundle's graphs and selftest.json, then run the self-test on the graphs.

    They are image.onnx, text.onnx, and for a causal text tower text_packed.onnx.

    Args:
        folder: a bundle; its weights and config stay as they are.

    Raises:
        BundleError: the bundle is broken, or the graphs do not compute what torch computes.
    """
    bundle = Bundle.open(folder)
    clip = load_clip(bundle)
    size = bundle.image.size_px
    pixels = torch.zeros(2, size, size, 3, dtype=torch.uint8)
    batch = torch.export.Dim("N", min=1, max=65536)
    image = trace(_ImageSide(clip), (pixels, torch.zeros(3), torch.ones(3)), ({0: batch}, None, None))
    has_features = bundle.model["image_projection"] != "none"  # without a projection the vectors are the features
    name_ends(image, ["pixels", "mean", "std"], ["vectors", "patches", *([FEATURES] if has_features else [])])
    spans = read_header(folder / WEIGHTS)
    num_in_8_bits = to_8_bits(image.graph, {name for name, span in spans.items() if span.dtype == "int8"})
    write_atomically(folder / IMAGE_GRAPH, _finish(image, bundle))
    if _has_convolutions_in_8_bits(image.graph, spans):
        content, cosine = convolutions_to_8_bits(folder / IMAGE_GRAPH, list(_calibration(bundle)))
        if cosine >= _LEAST_COSINE:
            write_atomically(folder / IMAGE_GRAPH, content)
            num_in_8_bits += 1

    length = torch.export.Dim("L", min=1, max=bundle.text.context_length)
    ids = torch.ones(2, min(7, bundle.text.context_length), dtype=torch.int64)
    both = {0: batch, 1: length}
    text = trace(_TextSide(clip), (ids, torch.ones_like(ids)), (both, both))
    name_ends(text, ["ids", "mask"], ["vectors"])
    write_atomically(folder / TEXT_GRAPH, _finish(text, bundle))
    if bundle.is_causal:
        write_atomically(folder / PACKED_GRAPH, _finish(_trace_packed(clip, bundle), bundle))
    return selftest.write(bundle, is_in_8_bits=num_in_8_bits > 0)


def _has_convolutions_in_8_bits(graph: Any, spans: Mapping[str, Span]) -> bool:
    """Whether there are some beyond a ViT's one, which cuts the picture into patches and is worth nothing."""
    names = [node.input[1].removeprefix("clip.") for node in graph.node if node.op_type == "Conv"]
    return sum(name in spans and spans[name].dtype == "int8" for name in names) > 1


def _calibration(bundle: Bundle) -> Iterator[dict[str, Any]]:
    """Pictures that show every layer its range: flat, coarse and fine, dark and bright."""
    transform = ImageTransform(bundle.image)
    mean, std = (np.array(values, dtype=np.float32) for values in (bundle.image.mean, bundle.image.std))
    for seed in range(_CALIBRATION_PICTURES):
        pixels = transform(selftest.make_picture(seed, (320 + 16 * seed, 300)))
        yield {"pixels": pixels[None], "mean": mean, "std": std}


class _ImageSide(nn.Module):
    def __init__(self, clip: Clip) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, pixels: Tensor, mean: Tensor, std: Tensor) -> tuple[Tensor, ...]:
        features_BD, patches_BPPD = self.clip.image_tower.with_patches(normalize_pixels(pixels, mean, std))
        project = self.clip.image_projection
        projected = (project(features_BD), project(patches_BPPD))
        return projected if isinstance(project, nn.Identity) else (*projected, features_BD)


class _TextSide(nn.Module):
    def __init__(self, clip: Clip) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, ids: Tensor, mask: Tensor) -> Tensor:
        return self.clip.project_texts(ids, mask)


class _PackedSide(nn.Module):
    def __init__(self, clip: Clip) -> None:
        super().__init__()
        self.clip = clip

    def forward(self, ids: Tensor, positions: Tensor, allowed: Tensor, ends: Tensor) -> Tensor:
        return self.clip.project_packs(ids, positions, allowed, ends)


def _trace_packed(clip: Clip, bundle: Bundle) -> Any:
    packs, tokens, texts = (torch.export.Dim(name, min=1, max=65536) for name in "BTR")
    num = min(7, bundle.text.context_length)
    ids = torch.ones(2, num, dtype=torch.int64)
    positions = torch.arange(num).repeat(2, 1)
    allowed = torch.ones(num, num, dtype=torch.bool).tril().repeat(2, 1, 1)
    ends = torch.full((2, 3), num - 1, dtype=torch.int64)
    of_tokens = {0: packs, 1: tokens}
    dynamic = (of_tokens, of_tokens, of_tokens | {2: tokens}, {0: packs, 1: texts})
    model = trace(_PackedSide(clip), (ids, positions, allowed, ends), dynamic)
    name_ends(model, ["ids", "positions", "allowed", "ends"], ["vectors"])
    return model


def trace(side: nn.Module, inputs: tuple[Tensor, ...], dynamic: tuple[Any, ...]) -> Any:
    """The side as an ONNX model, with its weights still inside and under torch's names.

    The optimiser may fold whatever does not depend on a weight. While it works the weights are inputs
    of the graph, so that it cannot fold one into another: each must stay what model.safetensors holds.
    """
    with _quiet():
        program = torch.onnx.export(
            side.eval(), inputs, dynamo=True, dynamic_shapes=dynamic, opset_version=OPSET, optimize=False, verbose=False
        )
        assert program is not None
        graph = program.model.graph
        weights = [
            (name, graph.initializers.pop(name)) for name in list(graph.initializers) if name.startswith("clip.")
        ]
        contents = {name: value.const_value for name, value in weights}
        num_inputs = len(graph.inputs)
        for _, value in weights:
            value.const_value = None
            graph.inputs.append(value)
        optimize_ir(program.model)
        del graph.inputs[num_inputs:]
        for name, value in weights:
            value.const_value = contents[name]
            graph.initializers[name] = value
    return program.model_proto


def _finish(model: Any, bundle: Bundle) -> bytes:
    spans = read_header(bundle.folder / WEIGHTS)
    graph = model.graph
    kept, nodes = [], []
    for initializer in graph.initializer:
        name = initializer.name.removeprefix("clip.")
        if name not in spans:
            if len(initializer.raw_data) > _INLINE_LIMIT_BYTES:
                raise BundleError(f"the exported graph holds {initializer.name}, which is no weight of {bundle.folder}")
            kept.append(initializer)
            continue
        more_initializers, more_nodes = _reference(initializer.name, name, spans, graph)
        kept += more_initializers
        nodes += more_nodes
    body = [*nodes, *graph.node]
    del graph.initializer[:], graph.node[:], graph.value_info[:]
    graph.initializer.extend(kept)
    graph.node.extend(body)
    del model.metadata_props[:]
    model.metadata_props.add(key=WEIGHTS_KEY, value=bundle.files[WEIGHTS])
    model.doc_string = ""
    for node in graph.node:  # stack traces and paths of the machine that exported
        del node.metadata_props[:]
        node.doc_string = ""
    return bytes(model.SerializeToString(deterministic=True))


def _reference(used: str, name: str, spans: Mapping[str, Span], graph: Any) -> tuple[list[Any], list[Any]]:
    """Initializers in model.safetensors, and the nodes that make of them the float32 tensor called `used`."""
    kind = spans[name].dtype
    if kind in ("float32", "int64"):
        return [_external(used, spans[name])], []
    stored = _external(f"{name}.stored", spans[name])
    if kind == "float16":
        return [stored], [helper.make_node("Cast", [stored.name], [used], to=TensorProto.FLOAT)]
    scale = _external(name + SCALE, spans[name + SCALE])
    readers = [node for node in graph.node if used in node.input]
    if all(
        node.op_type == "Gather" and node.input[0] == used for node in readers
    ):  # or products in 8 bits, and no other
        for node in readers:
            _decode_after_gather(node, stored.name, scale.name, graph)
        return [stored, scale], []
    cast = helper.make_node("Cast", [stored.name], [f"{name}.cast"], to=TensorProto.FLOAT)
    return [stored, scale], [cast, helper.make_node("Mul", [f"{name}.cast", scale.name], [used])]


def _decode_after_gather(gather: Any, stored: str, scale: str, graph: Any) -> None:
    """Gather(table) -> Cast(Gather(stored)) * Gather(scale), in the place of the one node."""
    rows, out = gather.input[1], gather.output[0]
    fresh = [
        helper.make_node("Gather", [stored, rows], [f"{out}.rows"], axis=0),
        helper.make_node("Cast", [f"{out}.rows"], [f"{out}.cast"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [scale, rows], [f"{out}.scale"], axis=0),
        helper.make_node("Mul", [f"{out}.cast", f"{out}.scale"], [out]),
    ]
    place = next(index for index, node in enumerate(graph.node) if node.output[:1] == [out])
    nodes = [*graph.node[:place], *fresh, *graph.node[place + 1 :]]
    del graph.node[:]
    graph.node.extend(nodes)


def _external(name: str, span: Span) -> Any:
    tensor = TensorProto(name=name, data_type=_ONNX_TYPES[span.dtype], dims=span.shape)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", WEIGHTS), ("offset", span.offset), ("length", span.size_bytes)):
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def name_ends(model: Any, inputs: list[str], outputs: list[str]) -> None:
    """Give the graph's inputs and outputs the names that the backend feeds and asks for."""
    graph = model.graph
    renamed = dict(zip((entry.name for entry in graph.input), inputs, strict=True))
    renamed |= dict(zip((entry.name for entry in graph.output), outputs, strict=True))
    for entry in [*graph.input, *graph.output]:
        entry.name = renamed[entry.name]
    for node in graph.node:
        node.input[:] = [renamed.get(name, name) for name in node.input]
        node.output[:] = [renamed.get(name, name) for name in node.output]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Torch's exporter prints progress and warns of its own deprecations; neither is for our user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
