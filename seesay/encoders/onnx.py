"""The default backend: ONNX Runtime, on the CPU or any of its providers. Needs no torch.

Each tower's session is made when it is first used, so that a search by text never loads the image tower.
"""

from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np

from seesay.base.errors import BundleError, UsageError
from seesay.encoders.backend import Ids, Packs
from seesay.encoders.bundle import IMAGE_GRAPH, PACKED_GRAPH, TEXT_GRAPH, WEIGHTS, Bundle
from seesay.encoders.encoder import Pixels, Vectors

PROVIDERS = {
    "cpu": "CPUExecutionProvider",
    "cuda": "CUDAExecutionProvider",
    "coreml": "CoreMLExecutionProvider",
    "directml": "DmlExecutionProvider",
    "openvino": "OpenVINOExecutionProvider",
}

FEATURES = "features"  # an output of the image graph; those of the first releases have none
WEIGHTS_KEY = "seesay.weights.sha256"  # metadata of a graph: which weights its offsets point into


class OnnxBackend:
    """Runs a bundle's `image.onnx`, and `text_packed.onnx` or, where there is none, `text.onnx`.

    Args:
        bundle: the model; its folder holds the graphs.
        device: one of `PROVIDERS`; by default "cpu".
        threads: threads within one operator; by default ONNX Runtime's own choice, one a core.

    Raises:
        UsageError: no such device, or this build of ONNX Runtime has no provider for it.
    """

    image_batch: int

    def __init__(self, bundle: Bundle, *, device: str | None = None, threads: int | None = None) -> None:
        self._bundle = bundle
        self._threads = threads
        self._device = device or "cpu"
        if self._device not in PROVIDERS:
            raise UsageError(f"the onnx backend knows no device {device!r}; it knows {', '.join(PROVIDERS)}")
        # what 8 pictures are between two layers of the starter stays in a cache; 32 at once cost some ms more each
        self.image_batch = 8 if self._device == "cpu" else 32

    def embed_pixels(self, pixels: Pixels) -> Vectors:
        """(N, S, S, 3) uint8 -> (N, E)."""
        return self._run(self._image_session, self._image_feed(pixels), "vectors")[0]

    def embed_pixels_and_features(self, pixels: Pixels) -> tuple[Vectors, Vectors]:
        """(N, S, S, 3) uint8 -> (N, E) and (N, D) before the projection, in one run of the tower.

        Raises:
            UsageError: this bundle was exported without them.
        """
        if self._bundle.model["image_projection"] == "none":  # the tower's own are the vectors
            vectors_NE = self.embed_pixels(pixels)
            return vectors_NE, vectors_NE
        if FEATURES not in {entry.name for entry in self._image_session.get_outputs()}:
            raise UsageError(
                f"{self._bundle.folder / IMAGE_GRAPH} gives no features, being of an older seesay; "
                f"make it again with `seesay export {self._bundle.folder}`, or use backend='torch'"
            )
        vectors_NE, features_ND = self._run(self._image_session, self._image_feed(pixels), "vectors", FEATURES)
        return vectors_NE, features_ND

    def embed_patches(self, pixels: Pixels) -> Vectors:
        """(N, S, S, 3) uint8 -> (N, P, P, E), rows top to bottom."""
        return self._run(self._image_session, self._image_feed(pixels), "patches")[0]

    def embed_tokens(self, ids: Ids, mask: Ids) -> Vectors:
        """(N, L) ids and (N, L) mask, 1 for a token -> (N, E)."""
        return self._run(self._text_session, {"ids": ids, "mask": mask}, "vectors")[0]

    @property
    def can_pack(self) -> bool:
        """Whether the text tower is causal, and the bundle has a graph for packed texts; not every one has."""
        return self._bundle.is_causal and (self._bundle.folder / PACKED_GRAPH).is_file()

    def embed_packs(self, packs: Packs) -> Vectors:
        """(B, R, E), a vector for each of `packs.ends`."""
        return self._run(self._packed_session, packs._asdict(), "vectors")[0]

    def _image_feed(self, pixels: Pixels) -> dict[str, Any]:
        image = self._bundle.image
        return {
            "pixels": pixels,
            "mean": np.array(image.mean, dtype=np.float32),
            "std": np.array(image.std, dtype=np.float32),
        }

    @staticmethod
    def _run(session: Any, feed: dict[str, Any], *outputs: str) -> list[Vectors]:
        known = {entry.name for entry in session.get_inputs()}  # a causal text tower needs no mask
        arrays = session.run(list(outputs), {name: value for name, value in feed.items() if name in known})
        return [np.asarray(array, dtype=np.float32) for array in arrays]

    @cached_property
    def _image_session(self) -> Any:
        return self._session(IMAGE_GRAPH)

    @cached_property
    def _text_session(self) -> Any:
        return self._session(TEXT_GRAPH)

    @cached_property
    def _packed_session(self) -> Any:
        return self._session(PACKED_GRAPH)

    def _session(self, graph: str) -> Any:
        import onnxruntime

        path = self._bundle.folder / graph
        if not path.is_file():
            raise BundleError(f"{path} is not there; make it with `seesay export {self._bundle.folder}`")
        provider = PROVIDERS[self._device]
        if provider not in onnxruntime.get_available_providers():
            raise UsageError(
                f"this ONNX Runtime has no {provider}; it has {', '.join(onnxruntime.get_available_providers())}"
            )
        options = onnxruntime.SessionOptions()
        options.add_session_config_entry("session.x64quantprecision", "0" if _has_vnni() else "1")
        options.log_severity_level = 3  # warnings of the optimiser are nothing a user can act on
        if graph == IMAGE_GRAPH:  # a thread that spins while it waits takes the core that decodes the next pictures
            options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if self._threads is not None:
            options.intra_op_num_threads = self._threads
        try:
            session = onnxruntime.InferenceSession(path, options, providers=[provider])
        except (RuntimeError, ValueError) as error:
            raise BundleError(f"{path} cannot be loaded; make it again with `seesay export`: {error}") from error
        made_for = session.get_modelmeta().custom_metadata_map.get(WEIGHTS_KEY)
        if made_for != self._bundle.files[WEIGHTS]:
            raise BundleError(f"{path} was exported for other weights; make it again with `seesay export`")
        return session


@cache
def _has_vnni() -> bool:
    """Whether this CPU adds 8-bit products in 32 bits.

    An x86 without VNNI adds them in 16 bits, which may overflow: ONNX Runtime then has exact kernels, which take
    half as long again. It cannot tell the two apart by itself. Other systems than Linux are taken to have no VNNI.
    """
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return "avx512_vnni" in flags or "avx_vnni" in flags
