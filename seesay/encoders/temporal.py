"""The temporal part of a video model, beside the bundle whose towers it belongs to; run by torch.

    temporal.json          its shape, and the hash of the weights it was trained with
    temporal.safetensors   its weights
    temporal.onnx          a head over vectors of frames as a graph, so that naming actions needs no torch

A bundle with these two files is a video model; for pictures and texts it is the bundle it was.

Shape legend: V clips, T frames, S picture side, E embedding.
"""

import dataclasses
import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from seesay.base.errors import BundleError, MissingExtraError, UsageError
from seesay.encoders.bundle import WEIGHTS, Bundle, file_sha256, write_atomically
from seesay.encoders.encoder import Pixels, Vectors
from seesay.encoders.onnx import WEIGHTS_KEY
from seesay.encoders.video import TEMPORAL, TEMPORAL_GRAPH, TEMPORAL_WEIGHTS, read_temporal
from seesay.encoders.weights import encode, read_weights, write_weights

try:
    import torch
    import torch.nn.functional as F
    from torch import Tensor
except ModuleNotFoundError as error:
    raise MissingExtraError("a video model with a trained temporal part", "train") from error

from seesay.encoders.export import name_ends, trace
from seesay.encoders.torch import check_fit, load_clip, open_device
from seesay.models.clip import normalize_pixels
from seesay.models.config import from_dict
from seesay.models.temporal import TemporalConfig
from seesay.models.temporal_clip import VideoClip

PREFIX = "temporal."
"""What the temporal weights of a `VideoClip` are called by."""


def write_temporal(bundle: Bundle, config: TemporalConfig, state: Mapping[str, Tensor]) -> None:
    """Make a video model of a bundle.

    Args:
        bundle: written already, with the towers that the temporal part was trained with.
        config: its shape.
        state: weights, of which those of the temporal part are written.
    """
    weights = {
        name.removeprefix(PREFIX): tensor.detach().cpu().float().numpy()
        for name, tensor in state.items()
        if name.startswith(PREFIX)
    }
    path = bundle.folder / TEMPORAL_WEIGHTS
    write_weights(path, encode(weights, {}))
    facts = {
        **dataclasses.asdict(config),
        "files": {WEIGHTS: bundle.files[WEIGHTS], TEMPORAL_WEIGHTS: file_sha256(path)},
    }
    (bundle.folder / TEMPORAL_GRAPH).unlink(missing_ok=True)  # of other weights
    write_atomically(bundle.folder / TEMPORAL, (json.dumps(facts, indent=2) + "\n").encode())


def copy_temporal(bundle: Bundle, copied: Bundle) -> None:
    """Give a copy of a video model's towers, stored in another way perhaps, its temporal part; that stays as it was.

    Args:
        bundle: the video model.
        copied: what `copy_bundle` made of it.

    Raises:
        BundleError: its files do not belong together.
    """
    clip = load_video_clip(bundle)
    write_temporal(copied, clip.temporal_config, clip.state_dict())


def export_temporal(bundle: Bundle) -> bool:
    """Write a video model's head as a graph, where it takes vectors of frames.

    Args:
        bundle: a video model.

    Returns:
        Whether there is one now; what looks at the frames themselves runs by torch only.
    """
    clip = load_video_clip(bundle)
    config = clip.temporal_config
    if config.tower != "frames" or config.head == "mean" or not config.has_unit_frames:
        return False
    frames = F.normalize(torch.randn(2, config.num_frames, clip.dim), dim=-1)
    batch = torch.export.Dim("V", min=1, max=65536)
    model = trace(clip.temporal["head"], (frames,), ({0: batch},))
    name_ends(model, ["frames"], ["vectors"])
    for node in model.graph.node:  # stack traces and paths of the machine that exported
        del node.metadata_props[:]
        node.doc_string = ""
    del model.metadata_props[:]
    model.metadata_props.add(key=WEIGHTS_KEY, value=file_sha256(bundle.folder / TEMPORAL_WEIGHTS))
    write_atomically(bundle.folder / TEMPORAL_GRAPH, model.SerializeToString(deterministic=True))
    return True


def load_video_clip(bundle: Bundle) -> VideoClip:
    """The bundle's towers with its temporal part, in evaluation mode on the CPU.

    Raises:
        BundleError: the bundle is no video model, or its files do not belong together.
    """
    facts = read_temporal(bundle.folder)
    if facts is None:
        raise BundleError(f"{bundle.folder} is no video model: it has no {TEMPORAL}; train one with `seesay train`")
    files = facts["files"]
    for name, got in (
        (WEIGHTS, bundle.files[WEIGHTS]),
        (TEMPORAL_WEIGHTS, file_sha256(bundle.folder / TEMPORAL_WEIGHTS)),
    ):
        if files.get(name) != got:
            raise BundleError(f"{bundle.folder / name} is not the one that {TEMPORAL} was written for; make it again")
    shape = {name: value for name, value in facts.items() if name != "files"}
    try:
        clip = VideoClip(load_clip(bundle), from_dict(TemporalConfig, shape, where="the temporal part"))
    except UsageError as error:
        raise BundleError(f"{bundle.folder / TEMPORAL}: {error}") from error
    set_temporal(clip, {f"{PREFIX}{name}": torch.from_numpy(array) for name, array in _weights(bundle.folder).items()})
    return clip.eval()


def _weights(folder: Path) -> dict[str, np.ndarray]:
    return {name: np.array(array) for name, array in read_weights(folder / TEMPORAL_WEIGHTS).items()}


def set_temporal(clip: VideoClip, state: Mapping[str, Tensor]) -> None:
    """Give a video model other weights for its temporal part; in place.

    Raises:
        BundleError: they are not those of its shape.
    """
    own = {f"{PREFIX}{name}": tensor for name, tensor in clip.temporal.state_dict().items()}
    check_fit(own, state, where="the temporal part")
    clip.temporal.load_state_dict({name.removeprefix(PREFIX): tensor for name, tensor in state.items()})


class TorchTemporal:
    """A bundle's temporal part, ready to use; its towers are loaded when frames are given.

    Args:
        bundle: a video model.
        device: as torch names it.
    """

    def __init__(self, bundle: Bundle, *, device: str | None = None) -> None:
        self._bundle = bundle
        self._device = open_device(device or "cpu")

    @cached_property
    def _clip(self) -> VideoClip:
        return load_video_clip(self._bundle).to(self._device)

    @torch.inference_mode()
    def embed_frames(self, vectors: Vectors) -> Vectors:
        """(V, T, E) unit rows of frames -> (V, E), not normalised."""
        return _to_numpy(self._clip.project_images(torch.from_numpy(vectors).to(self._device)))

    @torch.inference_mode()
    def embed_videos(self, pixels: Pixels) -> Vectors:
        """(V, T, S, S, 3) uint8 -> (V, E), not normalised; clip by clip, because one is a batch by itself."""
        image = self._bundle.image
        mean, std = (torch.tensor(each, device=self._device) for each in (image.mean, image.std))
        return np.concatenate(
            [
                _to_numpy(
                    self._clip.project_images(
                        normalize_pixels(torch.from_numpy(clip).to(self._device), mean, std).unsqueeze(0)
                    )
                )
                for clip in pixels
            ]
        )


def _to_numpy(tensor: Tensor) -> Vectors:
    return np.asarray(tensor.float().cpu().numpy(), np.float32)
