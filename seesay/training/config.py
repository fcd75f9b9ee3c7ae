"""What a training run is, as data: a recipe returns one, `--set` changes single values, a run keeps it as JSON."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeAlias, cast, get_type_hints

from seesay.base.errors import UnknownNameError, UsageError
from seesay.training import values
from seesay.training.values import Range

Precision: TypeAlias = Literal["float32", "bfloat16", "float16"]
Loss: TypeAlias = Literal["auto", "softmax", "sigmoid", "matching"]
_STEPS = 99_999_999  # a checkpoint's name has eight digits


@dataclass(frozen=True, kw_only=True, slots=True)
class VideoConfig:
    """How it sees videos, where it is trained on videos; the words are those of `seesay.models.temporal`."""

    num_frames: Annotated[int, Range(0, 1024)] = 0
    """Frames of a clip; 0 to train on pictures."""
    tower: Literal["frames", "shift", "joint"] = "frames"
    """Whether frames meet inside the image tower; "shift" and "joint" need a vision transformer."""
    head: Literal["mean", "convolution", "lstm", "transformer", "class_transformer"] = "transformer"
    """What makes one vector of the frames'; "mean" with a joint tower."""
    num_layers: Annotated[int, Range(1, 128)] = 6
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
    image_size: Annotated[int, Range(0, 8192)] = 0
    """Side in pixels; 0 for the architecture's own."""
    lock_image: bool = False
    """Keep the image tower as it is (LiT, arXiv:2111.07991). Where lock_text keeps the text side too, and the model has
    no image projection (SigLIP), the pool at the tower's end learns in its place."""
    unlocked_blocks: Annotated[int, Range(0, 1000)] = 0
    """Of a locked image tower, how many of its last blocks are trained all the same."""
    lock_text: bool = False
    """Keep the text tower as it is (ActionCLIP's fix_text): labels that mean something stay apart from the start."""
    lora_rank: Annotated[int, Range(0, 4096)] = 0
    """Train low-rank additions to the linear layers instead of the layers (arXiv:2106.09685); 0 for none."""
    lora_towers: Literal["image", "text", "both"] = "both"
    lora_alpha: Annotated[float, Range(0, 1e6, without=(0,))] = 16.0
    """The additions are multiplied by alpha / rank."""
    patch_dropout: Annotated[float, Range(0, 1, without=(1,))] = 0.0
    """Share of the patches that a step does not see (FLIP, arXiv:2212.00794)."""
    init_scale: Annotated[float | None, Range(0, 100, without=(0,))] = None
    """What cosines are multiplied by at the first step; none for the model's own, or 10 (the paper's) where
    loss=sigmoid gives it a bias. It is learned unless learn_scale=false."""
    init_bias: Annotated[float | None, Range(-1000, 1000)] = None
    """What loss=sigmoid adds to the scaled cosines at the first step; none for the model's own, or -10 (the paper's)
    where it has none. About minus the logarithm of the batch says "no match" as often as it is true."""
    learn_scale: bool = True
    learn_bias: bool = True
    recompute: bool = False
    """Compute blocks again in the backward pass instead of keeping what they made: less memory, a third more time."""
    compile: bool = False
    """Compile the towers with torch.compile."""
    video: VideoConfig = field(default_factory=VideoConfig)


@dataclass(frozen=True, kw_only=True, slots=True)
class DataConfig:
    """What it is trained on."""

    sources: tuple[str, ...] = ()
    """Folders of pairs or of classes, manifests or tars; see `seesay.data.open_source`. Several with commas between;
    where a path has a comma itself, a JSON list: data.sources=["a, b.csv"]. What is there under the whole text is one
    source."""
    weights: Annotated[tuple[float, ...], Range(0, 1e9, without=(0,))] = ()
    """How often each source is drawn from; by default all alike."""
    captions: Literal["one", "all"] = "one"
    """Of a picture with several: one drawn in each pass, or all as positives (needs the loss "matching")."""
    hold_out: Annotated[float, Range(0, 1, without=(1,))] = 0.0
    """Of folders of classes: the share of each class's pictures that is not trained on, drawn by the seed. One with a
    folder "test" or "val" of its own holds out that."""
    augment: Literal["square_crop", "random_resized_crop", "squash"] = "square_crop"
    flip: bool = True
    """Of videos: mirror every other clip. Leave it out where left and right are the answer."""
    rand_augment: Annotated[tuple[int, int], Range(0, 30)] = (0, 0)
    """Of videos: how many changes of RandAugment, and how strong (0 to 30); ActionCLIP's for Kinetics are 2 and 9."""
    vectors: str = ""
    """Of videos: a folder that keeps the vectors of their frames, made by model.start when they first come. Then the
    image tower is not run again, and the temporal part (and the text tower, unless is_alone) learns in minutes."""
    threads: Annotated[int, Range(1, 1024)] = 4
    most_bad: Annotated[float, Range(0, 1)] = 0.05
    """Share of examples that cannot be used above which the run stops."""


@dataclass(frozen=True, kw_only=True, slots=True)
class OptimConfig:
    """How its weights move. The defaults are the paper's for ViT (table 18 and 19)."""

    name: Literal["adamw", "muon"] = "adamw"
    """Muon moves the matrices of the blocks by orthogonal steps; everything else stays with AdamW."""
    lr: Annotated[float, Range(0, 1e6)] = 5e-4
    betas: Annotated[tuple[float, float], Range(0, 1, without=(1,))] = (0.9, 0.98)
    eps: Annotated[float, Range(1e-30, 1)] = 1e-6
    weight_decay: Annotated[float, Range(0, 1000)] = 0.2
    """Not on gains, biases and other vectors."""
    warmup_steps: Annotated[int, Range(0, _STEPS)] = 2000
    layer_decay: Annotated[float, Range(0, 1, without=(0,))] = 1.0
    """Each block's rate is this times that of the block after it."""
    clip_norm: Annotated[float, Range(0, 1e9)] = 0.0
    """The longest gradient; 0 for any."""
    muon_lr: Annotated[float, Range(0, 1e6)] = 0.02
    temporal_lr: Annotated[float, Range(0, 1e6)] = 10.0
    """The rate of a video model's temporal part over that of the rest; source: ActionCLIP's f_ratio."""
    ema: Annotated[float, Range(0, 1, without=(1,))] = 0.0
    """Decay of a running mean of the weights, kept beside them; 0 for none."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherConfig:
    """Another model whose view of each batch is learned besides (distillation)."""

    model: str = ""
    """A model's name, the folder of a bundle, or one of stored vectors (`seesay data embed`); "" for none."""
    weight: Annotated[float, Range(0, 1e6)] = 1.0
    """What its loss is multiplied by, beside the run's own."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SaveConfig:
    """When and where a checkpoint is written."""

    to: str = ""
    """A folder or an fsspec address such as s3://bucket/run; "" for the run's own folder."""
    every_steps: Annotated[int, Range(1, _STEPS)] = 1000
    every_minutes: Annotated[float, Range(0, 1e6)] = 30.0
    keep: Annotated[int, Range(1, _STEPS)] = 3
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
    steps: Annotated[int, Range(0, _STEPS)] = 1000
    """Of folders of classes 0 is as many as their pictures need: 4,000 pictures or five passes are seen."""
    batch_size: Annotated[int, Range(2, 2**24)] = 256
    """Pairs of one step, over all processes."""
    micro_batch: Annotated[int, Range(0, 2**24)] = 0
    """Pairs that a process takes through the towers at once; 0 for all. The loss always sees the whole batch."""
    precision: Precision = "float32"
    seed: Annotated[int, Range(0, 2**32 - 1)] = 0
    wise: Annotated[float, Range(0, 1)] = 1.0
    """Share of the trained weights in the result, the rest being those it started from (WiSE-FT, arXiv:2109.01903)."""
    log_every: Annotated[int, Range(1, _STEPS)] = 10
    """Steps between two lines of the log."""
    trackers: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Programs that get every line of the log too; each needs the extra of its name."""
    evaluate_every: Annotated[int, Range(0, _STEPS)] = 0
    """Steps between two evaluations; 0 for one at the end."""
    on_spike: Literal["stop", "skip"] = "stop"
    """What to do with a batch whose loss or gradient is not finite, or whose loss is far above the last ones. With
    float16 a gradient that overflows is usual: it is left out and scaled down, and does not count."""
    most_skipped: Annotated[int, Range(1, 1000)] = 5
    """Steps left out in a row at which on_spike=skip stops too: then it is not the batches that are bad."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """Of several processes: each has the whole model, or a shard of it."""
    device: str = ""
    """As PyTorch names it; "" for CUDA or MPS where there is one."""
    is_trial: bool = False
    """Set by --tiny: parts of a fine-tuning recipe are tried without the model that they need."""
    expectation: str = ""
    """What the recipe should reach, where that was published."""


def override(config: TrainConfig, settings: Sequence[str]) -> TrainConfig:
    """A config with single values changed, each written as `optim.lr=3e-4`; a list as `data.weights=1,2` or as JSON.

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
    try:
        tree = json.loads(text)
    except ValueError as error:
        raise UsageError(f"a run's settings are no JSON: {error}") from error
    if not isinstance(tree, dict):
        raise UsageError(f"a run's settings are an object in JSON, not {type(tree).__name__}")
    for path, value in flat(tree).items():
        config = _with(config, path, path.split("."), value)
    return config


def names(config_type: type = TrainConfig, before: str = "") -> list[str]:
    """Every field by its dotted name."""
    found = []
    for name, kind in get_type_hints(config_type).items():
        found += names(cast(type, kind), f"{before}{name}.") if dataclasses.is_dataclass(kind) else [before + name]
    return found


def check_values(config: Any, before: str = "") -> None:
    """Refuse a config of which a value is of another type, or out of its range.

    Raises:
        UsageError: the first such field, what it got, and what it takes.
    """
    for name, kind in get_type_hints(type(config), include_extras=True).items():
        value = getattr(config, name)
        if not dataclasses.is_dataclass(kind):
            values.check(kind, value, before + name)
        elif isinstance(value, cast(type, kind)):
            check_values(value, f"{before}{name}.")
        else:
            raise UsageError(f"{before}{name} cannot be {value!r}; it takes a {cast(type, kind).__name__}")


def _with(config: Any, path: str, parts: Sequence[str], value: Any) -> Any:
    kinds = get_type_hints(type(config), include_extras=True)
    name, *rest = parts
    is_section = dataclasses.is_dataclass(kinds.get(name))
    if name not in kinds or is_section != bool(rest):
        raise UnknownNameError("setting", path, names(), cure="list them with `seesay train RECIPE --show`")
    read = _with(getattr(config, name), path, rest, value) if is_section else values.read(kinds[name], value, path)
    return dataclasses.replace(config, **{name: read})


def flat(tree: Mapping[str, Any], before: str = "") -> dict[str, Any]:
    """A tree of settings by their dotted names."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        found |= flat(value, f"{before}{name}.") if isinstance(value, Mapping) else {before + name: value}
    return found
