"""How large a model is, without making one: parameters, and operations for a picture and for a text.

Everything is counted on torch's "meta" device, where tensors have shapes and no numbers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from seesay.models.clip import Clip, build


@dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    """What a model costs."""

    image_parameters: int
    """Of the image tower with its projection."""
    text_parameters: int
    """Of the text tower with its projection."""
    image_flops: int
    """Floating-point operations for one picture; a multiplication and an addition are two."""
    text_flops: int
    """Floating-point operations for one text as long as the context."""


def build_empty(config: Mapping[str, Any]) -> Clip:
    """A model whose tensors have shapes and no numbers, made in milliseconds whatever its size.

    Args:
        config: as `seesay.models.clip.build` takes it.
    """
    with torch.device("meta"):
        return build(config)


def measure(config: Mapping[str, Any], *, image_size: int, context_length: int) -> Size:
    """Count parameters and operations.

    Args:
        config: as `seesay.models.clip.build` takes it.
        image_size: side of the pictures, in pixels.
        context_length: tokens of the text.
    """
    clip = build_empty(config).eval()
    images = torch.empty(1, 3, image_size, image_size, device="meta")
    tokens = torch.empty(1, context_length, dtype=torch.int64, device="meta")
    return Size(
        image_parameters=count_parameters(clip, "image_"),
        text_parameters=count_parameters(clip, "text_"),
        image_flops=count_flops(lambda: clip.project_images(images)),
        text_flops=count_flops(lambda: clip.project_texts(tokens, torch.ones_like(tokens))),
    )


def count_parameters(module: nn.Module, prefix: str = "") -> int:
    """Numbers that are learned; running means and counters are not.

    Args:
        module: any module.
        prefix: count only what is called so, such as "image_" of a `Clip`.
    """
    return sum(parameter.numel() for name, parameter in module.named_parameters() if name.startswith(prefix))


def count_flops(run: Callable[[], Tensor]) -> int:
    """Floating-point operations of the matrix products, convolutions and attentions that `run` performs."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        run()
    return int(counter.get_total_flops())
