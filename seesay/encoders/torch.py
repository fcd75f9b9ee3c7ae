"""The torch backend: CUDA, Apple's MPS, or the CPU, from the bundle's weights.

On the CPU and MPS in float32, the reference that exported graphs are tested against. On CUDA matrix products and
convolutions run in bfloat16, everything that sums or normalises in float32, and the image tower is compiled once a
full batch comes: a search by text, or for one picture, never waits for a compiler.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property

import numpy as np

from seesay.base.errors import BundleError, MissingExtraError, UsageError
from seesay.encoders.backend import Ids, Packs
from seesay.encoders.bundle import Bundle
from seesay.encoders.encoder import Pixels, Vectors
from seesay.encoders.weights import Array

try:
    import torch
    from torch import Tensor, nn
except ModuleNotFoundError as error:
    raise MissingExtraError("the torch backend", "train") from error

from seesay.models.clip import Clip, build, normalize_pixels


class TorchBackend:
    """Runs a bundle's `Clip`.

    Args:
        bundle: the model.
        device: as torch names it; by default "cuda", "mps" or "cpu", the first that is there.
        threads: torch's threads on the CPU, which is a setting of the whole process; by default left alone.
        is_bf16: whether to multiply in bfloat16; by default on a GPU that can.

    Raises:
        UsageError: torch knows no such device, or it is not there.
    """

    def __init__(
        self, bundle: Bundle, *, device: str | None = None, threads: int | None = None, is_bf16: bool | None = None
    ) -> None:
        self._bundle = bundle
        self._device = open_device(device or best_device())
        on_cuda = self._device.type == "cuda"
        self._is_bf16 = on_cuda and torch.cuda.is_bf16_supported() if is_bf16 is None else is_bf16
        self.image_batch = 256 if on_cuda else 32
        if threads is not None:
            torch.set_num_threads(threads)

    def embed_pixels(self, pixels: Pixels) -> Vectors:
        """(N, S, S, 3) uint8 -> (N, E)."""
        with self._running():
            return _to_numpy(self._project(pixels)[0])

    def embed_pixels_and_features(self, pixels: Pixels) -> tuple[Vectors, Vectors]:
        """(N, S, S, 3) uint8 -> (N, E) and (N, D) before the projection, in one run of the tower."""
        with self._running():
            vectors_NE, features_ND = self._project(pixels)
            return _to_numpy(vectors_NE), _to_numpy(features_ND)

    def embed_patches(self, pixels: Pixels) -> Vectors:
        """(N, S, S, 3) uint8 -> (N, P, P, E), rows top to bottom."""
        with self._running():
            return _to_numpy(self._clip.project_images_and_patches(self._normalize(pixels))[1])

    def embed_tokens(self, ids: Ids, mask: Ids) -> Vectors:
        """(N, L) ids and (N, L) mask, 1 for a token -> (N, E)."""
        with self._running():
            on_device = (torch.from_numpy(array).to(self._device) for array in (ids, mask))
            return _to_numpy(self._clip.project_texts(*on_device))

    @property
    def can_pack(self) -> bool:
        """Whether the text tower is causal."""
        return self._bundle.is_causal

    def embed_packs(self, packs: Packs) -> Vectors:
        """(B, R, E), a vector for each of `packs.ends`."""
        with self._running():
            return _to_numpy(self._clip.project_packs(*(torch.from_numpy(array).to(self._device) for array in packs)))

    def _project(self, pixels: Pixels) -> tuple[Tensor, Tensor]:
        is_worth_it = self._device.type == "cuda" and len(pixels) == self.image_batch
        project = self._compiled_project_images if is_worth_it else self._clip.project_images_and_features
        return project(self._normalize(pixels))

    def _normalize(self, pixels: Pixels) -> Tensor:
        image = self._bundle.image
        mean, std = (
            torch.tensor(values, dtype=torch.float32, device=self._device) for values in (image.mean, image.std)
        )
        return normalize_pixels(torch.from_numpy(pixels).to(self._device), mean, std)

    @contextmanager
    def _running(self) -> Iterator[None]:
        with torch.inference_mode(), torch.autocast(self._device.type, torch.bfloat16, enabled=self._is_bf16):
            yield

    @cached_property
    def _clip(self) -> Clip:
        clip = load_clip(self._bundle).to(self._device)
        if self._is_bf16:  # once, or autocast would do it again in every call
            for module in clip.modules():
                if isinstance(module, nn.Linear | nn.Conv2d):
                    module.to(torch.bfloat16)
        return clip

    @cached_property
    def _compiled_project_images(self) -> Callable[[Tensor], tuple[Tensor, Tensor]]:
        return torch.compile(self._clip.project_images_and_features, dynamic=False)


def load_clip(bundle: Bundle) -> Clip:
    """The bundle's model as a torch module, in evaluation mode, on the CPU.

    Raises:
        BundleError: a weight is missing, unknown or of another shape than the architecture says; all are named.
    """
    try:
        clip = build(bundle.model)
    except UsageError as error:
        raise BundleError(f"{bundle.folder}: {error}") from error
    state = {name: torch.from_numpy(array) for name, array in bundle.read_weights().items()}
    state["log_scale"] = torch.tensor(math.log(bundle.logit_scale))
    if bundle.logit_bias is not None:
        state["bias"] = torch.tensor(float(bundle.logit_bias))
    check_fit(clip.state_dict(), state, where=str(bundle.folder))
    clip.load_state_dict(state)
    return clip.eval()


def stored_state(clip: Clip) -> dict[str, Array]:
    """The weights that a bundle's model.safetensors holds: all but scale and bias, which config.json does."""
    state = clip.state_dict()
    return {name: tensor.detach().cpu().numpy() for name, tensor in state.items() if name not in ("log_scale", "bias")}


def check_fit(expected: Mapping[str, Tensor], got: Mapping[str, Tensor], *, where: str) -> None:
    """Refuse weights that are missing, unknown or of another shape.

    Raises:
        BundleError: it names the first five.
    """
    faults = [f"{name} is missing" for name in expected if name not in got]
    faults += [f"{name} is unknown" for name in got if name not in expected]
    faults += [
        f"{name} has shape {tuple(got[name].shape)}, expected {tuple(tensor.shape)}"
        for name, tensor in expected.items()
        if name in got and got[name].shape != tensor.shape
    ]
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise BundleError(f"the weights of {where} do not fit its architecture: {'; '.join(faults[:5])}{more}")


def open_device(name: str) -> torch.device:
    """A device that is really there.

    Raises:
        UsageError: it is not, or PyTorch knows no such name.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:  # an AssertionError where torch was built without CUDA
        raise UsageError(f"the torch backend cannot run on {name!r}: {str(error).splitlines()[0]}") from error
    return device


def best_device() -> str:
    """CUDA or MPS where there is one, else the CPU."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _to_numpy(tensor: Tensor) -> Vectors:
    return np.asarray(tensor.float().cpu().numpy(), dtype=np.float32)
