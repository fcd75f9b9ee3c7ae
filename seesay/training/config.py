"""What a training run is, as data: a recipe returns one, `--set` changes single values, a run keeps it as JSON."""

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias, cast, get_args, get_origin, get_type_hints

from seesay.base.errors import UnknownNameError, UsageError

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]
Loss: TypeAlias = Literal["auto", "softmax", "sigmoid", "matching"]


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoConfig:
    """How it sees videos, where it is trained on videos; the words are those of `seesay.models.temporal`."""

    num_frames: int = 0
    """Frames of a clip; 0 to train on pictures."""
    tower: Literal["frames", "shift", "joint"] = "frames"
    """Whether frames meet inside the image tower; "shift" and "joint" need a vision transformer."""
    head: Literal["mean", "convolution", "lstm", "transformer", "class_transformer"] = "transformer"
    """What makes one vector of the frames'; "mean" with a joint tower."""
    num_layers: int = 6
    """Of a transformer as head."""
    is_alone: bool = False
    """Train the temporal part only; towers, projections and scale stay."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelConfig:
    """What is trained."""

    variant: str = "ViT-B-32"
    """An architecture of `seesay.models.variants`, or "tiny"; its weights are fresh. Unused with `start`."""
    start: str = ""
    """A model to go on from: a name, or the folder of a bundle."""
    image_size: int = 0
    """Side in pixels; 0 for the architecture's own."""
    lock_image: bool = False
    """Keep the image tower as it is (LiT, arXiv:2111.07991). Where lock_text keeps the text side too, and the model has
    no image projection (SigLIP), the pool at the tower's end learns in its place."""
    unlocked_blocks: int = 0
    """Of a locked image tower, how many of its last blocks are trained all the same."""
    lock_text: bool = False
    """Keep the text tower as it is (ActionCLIP's fix_text): labels that mean something stay apart from the start."""
    lora_rank: int = 0
    """Train low-rank additions to the linear layers instead of the layers (arXiv:2106.09685); 0 for none."""
    lora_towers: Literal["image", "text", "both"] = "both"
    lora_alpha: float = 16.0
    """The additions are multiplied by alpha / rank."""
    patch_dropout: float = 0.0
    """Share of the patches that a step does not see (FLIP, arXiv:2212.00794)."""
    recompute: bool = False
    """Compute blocks again in the backward pass instead of keeping what they made: less memory, a third more time."""
    compile: bool = False
    """Compile the towers with torch.compile."""
    video: VideoConfig = field(default_factory=VideoConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """What it is trained on."""

    sources: tuple[str, ...] = ()
    """Folders of pairs or of classes, manifests or tars; see `seesay.data.open_source`."""
    weights: tuple[float, ...] = ()
    """How often each source is drawn from; by default all alike."""
    captions: Literal["one", "all"] = "one"
    """Of a picture with several: one drawn in each pass, or all as positives (needs the loss "matching")."""
    hold_out: float = 0.0
    """Of folders of classes: the share of each class's pictures that is not trained on, drawn by the seed. One with a
    folder "test" or "val" of its own holds out that."""
    augment: Literal["square_crop", "random_resized_crop", "squash"] = "square_crop"
    flip: bool = True
    """Of videos: mirror every other clip. Leave it out where left and right are the answer."""
    rand_augment: tuple[int, int] = (0, 0)
    """Of videos: how many changes of RandAugment, and how strong (0 to 30); ActionCLIP's for Kinetics are 2 and 9."""
    vectors: str = ""
    """Of videos: a folder that keeps the vectors of their frames, made by model.start when they first come. Then the
    image tower is not run again, and the temporal part (and the text tower, unless is_alone) learns in minutes."""
    threads: int = 4
    most_bad: float = 0.05
    """Share of examples that cannot be used above which the run stops."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimConfig:
    """How its weights move. The defaults are the paper's for ViT (table 18 and 19)."""

    name: Literal["adamw", "muon"] = "adamw"
    """Muon moves the matrices of the blocks by orthogonal steps; everything else stays with AdamW."""
    lr: float = 5e-4
    betas: tuple[float, float] = (0.9, 0.98)
    eps: float = 1e-6
    weight_decay: float = 0.2
    """Not on gains, biases and other vectors."""
    warmup_steps: int = 2000
    layer_decay: float = 1.0
    """Each block's rate is this times that of the block after it."""
    clip_norm: float = 0.0
    """The longest gradient; 0 for any."""
    muon_lr: float = 0.02
    temporal_lr: float = 10.0
    """The rate of a video model's temporal part over that of the rest; source: ActionCLIP's f_ratio."""
    ema: float = 0.0
    """Decay of a running mean of the weights, kept beside them; 0 for none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherConfig:
    """Another model whose view of each batch is learned besides (distillation)."""

    model: str = ""
    """A model's name, the folder of a bundle, or one of stored vectors (`seesay data embed`); "" for none."""
    weight: float = 1.0
    """What its loss is multiplied by, beside the run's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SaveConfig:
    """When and where a checkpoint is written."""

    to: str = ""
    """A folder or an fsspec address such as s3://bucket/run; "" for the run's own folder."""
    every_steps: int = 1000
    every_minutes: float = 30.0
    keep: int = 3
    """The last so many; the best is kept besides."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainConfig:
    """A whole run."""

    recipe: str = ""
    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    save: SaveConfig = field(default_factory=SaveConfig)
    loss: Loss = "softmax"
    """"auto" is the loss that the model was trained with: "sigmoid" where it has a bias (SigLIP), else "softmax".
    "softmax" and "matching" do not use a bias: it stays as it is. "sigmoid" gives a model without a bias a new one."""
    steps: int = 1000
    """Of folders of classes 0 is as many as their pictures need: 4,000 pictures or five passes are seen."""
    batch_size: int = 256
    """Pairs of one step, over all processes."""
    micro_batch: int = 0
    """Pairs that a process takes through the towers at once; 0 for all. The loss always sees the whole batch."""
    precision: Precision = "float32"
    seed: int = 0
    wise: float = 1.0
    """Share of the trained weights in the result, the rest being those it started from (WiSE-FT, arXiv:2109.01903)."""
    log_every: int = 10
    """Steps between two lines of the log."""
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Programs that get every line of the log too; each needs the extra of its name."""
    evaluate_every: int = 0
    """Steps between two evaluations; 0 for one at the end."""
    on_spike: Literal["stop", "skip"] = "stop"
    """What to do with a batch whose loss is no number, or far above the last ones."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """Of several processes: each has the whole model, or a shard of it."""
    device: str = ""
    """As PyTorch names it; "" for CUDA or MPS where there is one."""
    expectation: str = ""
    """What the recipe should reach, where that was published."""


_COMMA = re.compile(r",(?![^{]*\})")  # not within the braces of a-{0,1}.tar


def override(config: TrainConfig, settings: Sequence[str]) -> TrainConfig:
    """A config with single values changed, each written as `optim.lr=3e-4`; a list as `data.weights=1,2`.

    Raises:
        UnknownNameError: no such field; the nearest is offered.
        UsageError: no `=`, or a value that the field cannot take.
    """
    for setting in settings:
        path, equals, text = setting.partition("=")
        if not equals:
            raise UsageError(f"--set takes name=value, such as optim.lr=3e-4; got {setting!r}")
        config = _with(config, path.strip(), path.strip().split("."), text.strip())
    return config


def to_json(config: TrainConfig) -> str:
    """The config as a run keeps it."""
    return json.dumps(dataclasses.asdict(config), indent=2) + "\n"


def from_json(text: str) -> TrainConfig:
    """A config that a run kept; a field that is younger than the run has its default.

    Raises:
        UsageError: a field is unknown or cannot take its value.
    """
    config = TrainConfig()
    for path, value in flat(json.loads(text)).items():
        config = _with(config, path, path.split("."), value)
    return config


def names(config_type: type = TrainConfig, before: str = "") -> list[str]:
    """Every field by its dotted name."""
    found = []
    for name, kind in get_type_hints(config_type).items():
        found += names(cast(type, kind), f"{before}{name}.") if dataclasses.is_dataclass(kind) else [before + name]
    return found


def _with(config: Any, path: str, parts: Sequence[str], value: Any) -> Any:
    kinds = get_type_hints(type(config))
    name, *rest = parts
    is_section = dataclasses.is_dataclass(kinds.get(name))
    if name not in kinds or is_section != bool(rest):
        raise UnknownNameError("setting", path, names(), cure="list them with `seesay train RECIPE --show`")
    read = _with(getattr(config, name), path, rest, value) if is_section else _read(kinds[name], value, path)
    return dataclasses.replace(config, **{name: read})


def _read(kind: Any, value: Any, path: str) -> Any:
    """A value as JSON has it, or as text."""
    origin, choices = get_origin(kind), get_args(kind)
    text = str(value)
    try:
        if kind is bool:
            return {"true": True, "1": True, "false": False, "0": False}[text.lower()]
        if kind in (int, float, str):
            return kind(text)
        if origin is Literal and text in choices:
            return text
        if origin is tuple:
            parts = value if isinstance(value, list) else _COMMA.split(text) if text else []
            values = [_read(choices[0], part.strip() if isinstance(part, str) else part, path) for part in parts]
            if choices[-1] is Ellipsis or len(values) == len(choices):
                return tuple(values)
    except UsageError:
        raise  # of one of several values, which says more than what is said below
    except (ValueError, KeyError):
        pass  # said below, for every kind alike
    wanted = " or ".join(map(str, choices)) if origin is Literal else getattr(kind, "__name__", str(kind))
    raise UsageError(f"{path} cannot be {text!r}; it takes {wanted}")


def flat(tree: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A tree of settings by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {before + name: value}
    return found
