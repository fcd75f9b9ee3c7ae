"""A model ready to use: bundle, inputs and backend behind one Encoder.

`load` is the way in. Importing this room imports neither torch nor onnxruntime.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seesay.encoders.ready import BundleEncoder

BACKENDS: dict[str, str] = {
    "onnx": "seesay.encoders.onnx:OnnxBackend",
    "torch": "seesay.encoders.torch:TorchBackend",
}


def load(
    name: str = "starter",
    *,
    backend: str = "onnx",
    device: str | None = None,
    threads: int | None = None,
    truncate: bool = False,
    on_cut: Callable[[str], None] | None = None,
    cache_bytes: int | None = None,
) -> "BundleEncoder":
    """Open a model by name or folder and make it ready to encode.

    Nothing heavy is loaded before the first vector is asked for, and then only the tower that makes it.

    Args:
        name: a name of the catalog, or the path of a bundle's folder.
        backend: "onnx" (needs nothing extra) or "torch".
        device: where to run, such as "cpu" or "cuda"; by default the backend's best.
        threads: threads of the model on the CPU; by default one a core.
        truncate: cut texts that are longer than the context instead of refusing them.
        on_cut: told of each text that was cut, in a sentence.
        cache_bytes: memory for the vectors of texts that may come again; 0 for none, by default 64 MiB.

    Raises:
        UsageError: an argument makes no sense.
        UnknownNameError: no such model or backend; the nearest names are offered.
        BundleError: the folder is incomplete or does not fit its own configuration.
        MissingExtraError: the backend's package is not installed.
    """
    from seesay.base.arguments import kind_of, whole_number
    from seesay.base.errors import UsageError
    from seesay.base.tables import resolve
    from seesay.encoders.catalog import open_bundle
    from seesay.encoders.ready import BundleEncoder

    if not isinstance(device, str | None):
        raise UsageError(f"device must be a name, such as cpu, got {kind_of(device)}")
    threads = None if threads is None else whole_number("threads", threads, least=1)
    cache_bytes = None if cache_bytes is None else whole_number("cache_bytes", cache_bytes, least=0)
    backend_type = resolve(BACKENDS, backend, kind="backend")
    bundle = open_bundle(name)
    return BundleEncoder(
        bundle,
        backend_type(bundle, device=device, threads=threads),
        truncate=truncate,
        on_cut=on_cut,
        cache_bytes=cache_bytes,
    )
