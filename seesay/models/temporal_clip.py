"""A CLIP that takes videos too: pictures as before, clips of frames, or the vectors of frames.

    (B, 3, S, S)       pictures          as `Clip` does
    (B, T, 3, S, S)    videos            tower, projection, temporal head
    (B, T, E)          frame vectors     temporal head only: what training on stored vectors gives it

Shape legend: B videos or pictures, T frames, S picture side, E embedding.
"""

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from seesay.base.errors import UsageError
from seesay.models.clip import Clip
from seesay.models.temporal import TemporalConfig, build_head
from seesay.models.temporal_towers import JointTime, add_shift, set_frames
from seesay.models.vit import ViT


class VideoClip(Clip):
    """A CLIP with a fresh temporal part; takes over the given one's modules.

    Attributes:
        temporal: everything that a picture does not need, so that its weights are kept apart.
        temporal_config: its shape.
    """

    def __init__(self, clip: Clip, config: TemporalConfig) -> None:
        nn.Module.__init__(self)  # the towers are there already
        self.dim = clip.dim
        self.image_tower, self.text_tower = clip.image_tower, clip.text_tower
        self.image_projection, self.text_projection = clip.image_projection, clip.text_projection
        self.log_scale, self.bias = clip.log_scale, clip.bias
        self.temporal_config = config
        tower = cast(nn.Module, self.image_tower)
        self.temporal = nn.ModuleDict({"head": build_head(config, clip.dim)})
        if config.tower == "joint":
            self.temporal["joint"] = JointTime(tower, config.num_frames)
        self._shifted = add_shift(tower) if config.tower == "shift" else []

    def project_images(self, images: Tensor) -> Tensor:
        """Pictures, videos or frame vectors -> (B, E), not normalised.

        Args:
            images: see the module; pixels are normalised.

        Raises:
            UsageError: frame vectors for a model that needs the frames themselves, or another shape.
        """
        if images.ndim == 4:
            set_frames(self._shifted, 1)
            return super().project_images(images)
        if images.ndim == 3:
            if self.temporal_config.tower != "frames":
                raise UsageError(
                    f'the tower "{self.temporal_config.tower}" looks at frames together, so vectors of single frames '
                    "are of no use to it; give it the frames"
                )
            return self._head(images)
        if images.ndim != 5:
            raise UsageError(f"pictures, videos or frame vectors have 4, 5 or 3 axes, got {tuple(images.shape)}")
        if self.temporal_config.tower == "joint":
            features_BD = self.temporal["joint"](cast(ViT, self.image_tower), images)
            return cast(Tensor, self.image_projection(features_BD))
        return self._head(self.project_frames(images))

    def project_frames(self, videos: Tensor) -> Tensor:
        """(B, T, 3, S, S) -> (B, T, E), what the head gets but for the length of its rows."""
        num_videos, num_frames = videos.shape[:2]
        set_frames(self._shifted, num_frames)
        return super().project_images(videos.flatten(0, 1)).reshape(num_videos, num_frames, self.dim)

    def _head(self, frames: Tensor) -> Tensor:
        if self.temporal_config.has_unit_frames:
            # unit length in float32 at least, as a loss has it
            frames = F.normalize(frames.to(torch.promote_types(frames.dtype, torch.float32)), dim=-1)
        return cast(Tensor, self.temporal["head"](frames))
