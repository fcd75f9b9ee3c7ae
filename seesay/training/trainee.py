"""The model that a run trains: where it starts from, which of its weights move, and how it becomes a bundle.

trainee = open_trainee(config)      # a Clip with fresh or given weights
dress(trainee.clip, config)         # locked towers, low-rank additions, dropped patches, recomputed blocks
...                                 # steps
write_trainee(trainee, RUN / "model")
"""

import functools
import math
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.utils.checkpoint import checkpoint

from seesay.base.errors import UnknownNameError, UsageError
from seesay.encoders import recipes
from seesay.encoders.bundle import CONFIG, TOKENIZER, Bundle, write_bundle
from seesay.encoders.catalog import open_bundle
from seesay.encoders.export import export
from seesay.encoders.temporal import PREFIX, export_temporal, load_video_clip, write_temporal
from seesay.encoders.torch import load_clip, stored_state
from seesay.encoders.video import read_temporal
from seesay.inputs import openai
from seesay.inputs.tokenizer import Tokenizer
from seesay.models import variants
from seesay.models.bert import BertLayer
from seesay.models.clip import Clip, build
from seesay.models.efficientnet import InvertedBottleneck
from seesay.models.resnet import Bottleneck
from seesay.models.temporal import make_config
from seesay.models.temporal_clip import VideoClip
from seesay.models.transformer import Block
from seesay.models.variants import VARIANTS, Variant
from seesay.models.vit import ViT
from seesay.training.config import ModelConfig, TrainConfig, VideoConfig

_TINY_TEXT = variants.text(192, 4, context_length=32)
TINY: dict[str, Variant] = {
    "tiny": Variant(model=variants.clip(128, variants.vit(64, 8, 192, 6, 3), _TINY_TEXT), family="clip"),
    "tiny-resnet": Variant(model=variants.clip(128, variants.resnet(64, 16, (1, 1, 1, 1)), _TINY_TEXT), family="clip"),
}
"""Small enough to learn something on two cores."""
_SHRINKS = 32
"""How many pixels of a side become one in a convolutional tower; with fewer its last map is empty."""
_FIRST_BIAS, _FIRST_SCALE = -10.0, 10.0
"""Of the sigmoid loss, for a model that has no bias yet. Source: arXiv:2303.15343, section 3.2."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Trainee:
    """A model on its way."""

    clip: Clip
    bundle: Bundle
    """What the result will be; its weights are not these."""
    tokenizer: bytes
    """Content of its tokenizer.json."""


def open_trainee(config: ModelConfig, *, seed: int) -> Trainee:
    """The model as it is before the first step, in float32 on the CPU.

    Raises:
        UnknownNameError: no such variant or model.
        BundleError: the model to start from is not sound.
    """
    if config.start:
        bundle = open_bundle(config.start)
        clip, tokenizer = load_clip(bundle), (bundle.folder / TOKENIZER).read_bytes()
        for parameter in clip.parameters():
            parameter.requires_grad_(True)
    else:
        variant = TINY.get(config.variant) or VARIANTS.get(config.variant)
        if variant is None:
            raise UnknownNameError("variant", config.variant, [*TINY, *VARIANTS], cure="see docs/models.md")
        if variant.family != "clip":
            raise UsageError(
                f"{config.variant} has a tokenizer that cannot be made here; start from a bundle of it with model.start"
            )
        torch.manual_seed(seed)
        clip, tokenizer = build(variant.model), openai.tokenizer_json()
        bundle = _fresh_bundle(config.variant, variant)
    if config.video.num_frames:
        clip = _with_time(clip, bundle if config.start else None, config.video, seed)
    if config.image_size:
        _check_size(clip, config.image_size)
        bundle = replace(bundle, image=bundle.image.at_size(config.image_size))
    return Trainee(clip=clip, bundle=bundle, tokenizer=tokenizer)


def _check_size(clip: Clip, size_px: int) -> None:
    """Refuse pictures of which an image tower would have nothing left."""
    tower = clip.image_tower
    least = tower.config.patch_size if isinstance(tower, ViT) else _SHRINKS
    if size_px < least:
        raise UsageError(
            f"model.image_size is {size_px}, and the image tower needs {least} pixels or more; 0 is its own"
        )


def tokenizer_of(trainee: Trainee) -> Tokenizer:
    """The trainee's tokenizer, ready to use."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / TOKENIZER
        path.write_bytes(trainee.tokenizer)
        return Tokenizer(path, trainee.bundle.text)


def with_loss(config: TrainConfig, clip: Clip) -> TrainConfig:
    """The config with the loss that the model was trained with where it asks for "auto"; a bias is a SigLIP's."""
    if config.loss != "auto":
        return config
    return replace(config, loss="softmax" if clip.bias is None else "sigmoid")


def dress(clip: Clip, config: TrainConfig) -> None:
    """Make of a model one that is trained as the config says; in place.

    Raises:
        UsageError: what is asked for does not go with this architecture.
    """
    model = config.model
    _set_scale_and_bias(clip, config)
    if config.loss != "sigmoid" and clip.bias is not None:
        clip.bias.requires_grad_(False)  # no gradient comes to it, which DDP takes for a fault
    if model.patch_dropout:
        if (
            not isinstance(clip.image_tower, ViT)
            or not 0 <= model.patch_dropout < 1
            or clip.image_tower.config.rotary_grid
            or (model.video.num_frames and model.video.tower != "frames")
        ):
            raise UsageError(
                "model.patch_dropout is a share below 1, and goes with a ViT without rotary positions whose frames do "
                "not look at each other; leave it out with --set model.patch_dropout=0"
            )
        clip.image_tower.patch_dropout = model.patch_dropout
    if model.video.num_frames:
        for name, parameter in clip.named_parameters():
            is_left = model.video.is_alone and not name.startswith(PREFIX)
            if is_left or (config.data.vectors and name.startswith("image_")):
                parameter.requires_grad_(False)
    if model.lock_image:
        _lock(cast(nn.Module, clip.image_tower), model.unlocked_blocks)
    if model.lock_text:
        for module in (cast(nn.Module, clip.text_tower), clip.text_projection):
            module.requires_grad_(False)
        if model.lock_image and isinstance(clip.image_projection, nn.Identity) and not model.unlocked_blocks:
            _unlock_pool(cast(nn.Module, clip.image_tower))
    if model.lora_rank:
        _add_lora(clip, model)
    if model.recompute:
        for block in _blocks(clip):
            block.forward = functools.partial(checkpoint, block.forward, use_reentrant=False)


def _set_scale_and_bias(clip: Clip, config: TrainConfig) -> None:
    """What cosines become before a loss, at the first step."""
    model, scale = config.model, config.model.init_scale
    if config.loss != "sigmoid" and model.init_bias is not None:
        raise UsageError(f"model.init_bias goes with loss=sigmoid; loss={config.loss} uses no bias: leave it out")
    if config.loss == "sigmoid" and clip.bias is None:
        clip.bias = nn.Parameter(torch.tensor(_FIRST_BIAS))
        scale = _FIRST_SCALE if scale is None else scale
    with torch.no_grad():
        if scale is not None:
            clip.log_scale.fill_(math.log(scale))
        if clip.bias is not None and model.init_bias is not None:
            clip.bias.fill_(model.init_bias)
    for parameter, is_learned in ((clip.log_scale, model.learn_scale), (clip.bias, model.learn_bias)):
        if parameter is not None and not is_learned:
            parameter.requires_grad_(False)


def undress(clip: Clip) -> None:
    """Add what low-rank additions learned to the weights they stand beside; in place."""
    for module in list(clip.modules()):
        if parametrize.is_parametrized(module, "weight"):
            parametrize.remove_parametrizations(module, "weight", leave_parametrized=True)


def freeze_statistics(clip: nn.Module) -> None:
    """Batch norms of locked layers must keep their statistics; call it after every `train()`."""
    for module in clip.modules():
        if isinstance(module, nn.BatchNorm2d) and not module.weight.requires_grad:
            module.eval()


def write_trainee(trainee: Trainee, folder: Path) -> Bundle:
    """Write the model as a bundle with its graphs, ready for search and evaluation.

    Args:
        trainee: with its trained weights, undressed.
        folder: made anew.
    """
    clip = trainee.clip.eval()
    if isinstance(clip, VideoClip) and _has_towers_of(clip, trainee.bundle):
        bundle = _copy(trainee.bundle, folder)
        write_temporal(bundle, clip.temporal_config, clip.state_dict())
        export_temporal(bundle)
        return bundle
    scale, bias = float(clip.log_scale.detach().exp()), None if clip.bias is None else float(clip.bias.detach())
    model = {**trainee.bundle.model, "has_bias": bias is not None}
    bundle = replace(trainee.bundle, folder=folder, model=model, logit_scale=scale, logit_bias=bias, calibration=None)
    weights = {name: array for name, array in stored_state(clip).items() if not name.startswith(PREFIX)}
    bundle = write_bundle(bundle, weights, trainee.tokenizer, {})
    export(folder)
    if isinstance(clip, VideoClip):
        write_temporal(bundle, clip.temporal_config, clip.state_dict())
        export_temporal(bundle)
    return Bundle.open(folder)


def _has_towers_of(clip: VideoClip, bundle: Bundle) -> bool:
    """Whether nothing but the temporal part differs from the bundle that the run started from."""
    if not (bundle.folder / CONFIG).is_file():
        return False  # fresh ones have no folder
    there = Bundle.open(bundle.folder)
    if there.image != bundle.image:
        return False
    before, after = load_clip(there).state_dict(), clip.state_dict()
    return all(name in after and torch.equal(tensor, after[name].cpu()) for name, tensor in before.items())


def _copy(bundle: Bundle, folder: Path) -> Bundle:
    """The whole model as it is, with its graphs; a folder that was there is replaced."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundle.folder, folder)
    return Bundle.open(folder)


class LowRank(nn.Module):
    """weight + alpha / rank * up @ down; source: LoRA, arXiv:2106.09685."""

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        self.down = nn.Parameter(torch.empty(rank, weight.shape[1]))
        self.up = nn.Parameter(torch.zeros(weight.shape[0], rank))  # so that it starts as nothing
        self.factor = alpha / rank
        nn.init.kaiming_uniform_(self.down, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        """(out, in) -> (out, in)."""
        return weight + self.factor * (self.up @ self.down)


def _fresh_bundle(name: str, variant: Variant) -> Bundle:
    model = variant.model
    return Bundle(
        folder=Path(),
        name=name,
        licence="LicenseRef-own",
        dim=model["dim"],
        model=model,
        image=recipes.image_config(variant.family, model["image"]["image_size"]),
        text=recipes.text_config(variant.family, model["text"]["context_length"]),
        logit_scale=1 / 0.07,
        logit_bias=None,
        calibration=None,
        files={},
    )


def _with_time(clip: Clip, bundle: Bundle | None, config: VideoConfig, seed: int) -> VideoClip:
    """The model with a temporal part: that of the bundle it starts from where there is one, else a fresh one."""
    if bundle is not None and read_temporal(bundle.folder) is not None:
        video = load_video_clip(bundle)
        there, asked = video.temporal_config, (config.num_frames, config.tower, config.head)
        if (there.num_frames, there.tower, there.head) != asked:
            raise UsageError(
                f"{bundle.folder} sees {there.num_frames} frames with tower {there.tower!r} and head {there.head!r}; "
                f"model.video asks for {config.num_frames}, {config.tower!r} and {config.head!r}: ask for what is there"
            )
        for parameter in video.parameters():
            parameter.requires_grad_(True)
        return video
    torch.manual_seed(seed)
    shape = make_config(
        clip.dim, num_frames=config.num_frames, tower=config.tower, head=config.head, num_layers=config.num_layers
    )
    return VideoClip(clip, shape)


def _lock(tower: nn.Module, num_unlocked: int) -> None:
    for parameter in tower.parameters():
        parameter.requires_grad_(False)
    blocks = list(_blocks(tower))
    if num_unlocked > len(blocks):
        raise UsageError(f"model.unlocked_blocks is {num_unlocked}, and the tower has {len(blocks)} blocks")
    unlocked = blocks[len(blocks) - num_unlocked :]
    if num_unlocked:  # what comes after the blocks is unlocked with them
        unlocked += [
            module
            for name, module in tower.named_children()
            if name in ("last_norm", "pool", "head") and module is not None
        ]
    for module in unlocked:
        for parameter in module.parameters():
            parameter.requires_grad_(True)


def _unlock_pool(tower: nn.Module) -> None:
    """A SigLIP has no image projection: what comes last of it, and what can learn alone, is its attention pool."""
    for name, module in tower.named_children():
        if name == "pool":
            module.requires_grad_(True)


def _add_lora(clip: Clip, model: ModelConfig) -> None:
    towers = {"image": clip.image_tower, "text": clip.text_tower}
    chosen = towers if model.lora_towers == "both" else {model.lora_towers: towers[model.lora_towers]}
    for side, tower in cast(Mapping[str, nn.Module], chosen).items():
        for parameter in tower.parameters():
            parameter.requires_grad_(False)
        layers = [module for block in _blocks(tower) for module in block.modules() if isinstance(module, nn.Linear)]
        if not layers:
            raise UsageError(
                f"model.lora_rank adds to linear layers, and the {side} tower of this model is of convolutions. "
                "Train additions to the text tower with --set model.lora_towers=text --set model.lock_image=true; "
                "to teach it classes from a folder of pictures, use `seesay train classes`"
            )
        for layer in layers:
            addition = LowRank(layer.weight, model.lora_rank, model.lora_alpha)
            parametrize.register_parametrization(layer, "weight", cast(Any, addition))


def _blocks(tower: nn.Module) -> Iterator[nn.Module]:
    return (
        module for module in tower.modules() if isinstance(module, Block | BertLayer | Bottleneck | InvertedBottleneck)
    )
