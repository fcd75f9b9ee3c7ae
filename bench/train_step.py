"""Samples a second of a training step, beside open_clip's with the same weights, batch and precision.

    python bench/train_step.py [--model ViT-B-32] [--batches 16 32] [--device cuda] [--compile] [--rounds 5]

A step is: batch to the device, towers, loss, backward, AdamW, clamp of the scale. Ours is what `seesay train` runs
(`State.gradients` and `State.move`), from uint8 pictures, which it normalises, and it returns the gradient's length;
open_clip's is its `train_one_epoch` (autocast, ClipLoss, AdamW in its two groups, clamp), from normalised pictures.
open_clip always has texts of 77 tokens. Ours are trimmed to the batch's longest: measured so, and with 77 as well.

One process, contestants in turn, the order turned around from round to round; a rate is the median of the rounds, a
ratio the median of the ratios within a round. The ceiling is a large matrix product of the same run; the share of it
counts the operations our model needs, three times the forward, for everyone. Peak memory: a process of its own for
each; all of it on a CPU, the allocator's on a GPU. On a CPU everyone computes in float32, on a GPU in bf16 autocast.
"""

import argparse
import logging
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
from encoders import ceiling
from loss import resident
from peers import import_peer

from seesay.data.loader import Batch
from seesay.models.size import measure
from seesay.models.variants import VARIANTS
from seesay.training.config import ModelConfig, TrainConfig
from seesay.training.losses.world import ALONE
from seesay.training.state import State

Step = Callable[[], float]
"""One training step; returns the loss."""

CONTEXT = 77
TRIMMED = 24
"""Tokens of the longest text in a batch of web captions, roughly; see `seesay data inspect`."""


def make_batch(variant: str, num: int, num_tokens: int) -> Batch:
    """Noise with texts of 4 to `num_tokens` tokens."""
    random = np.random.default_rng(0)
    side = VARIANTS[variant].model["image"]["image_size"]
    ids = np.zeros((num, num_tokens), np.int64)
    for row, end in enumerate(random.integers(4, TRIMMED, num)):
        ids[row, :end], ids[row, 0], ids[row, end] = random.integers(1, 49000, end), 49406, 49407
    groups = np.arange(num)
    pixels = random.integers(0, 256, (num, side, side, 3), dtype=np.uint8)
    return Batch(pixels, ids, (ids > 0).astype(np.int64), groups, groups, [""] * num, [""] * num, {})


def make_state(variant: str, num: int, device: str, *, is_compiled: bool) -> State:
    """Ours, with fresh weights that the seed decides."""
    torch = import_peer("torch")
    config = TrainConfig(
        model=ModelConfig(variant=variant, compile=is_compiled),
        batch_size=num,
        precision="float32" if device == "cpu" else "bfloat16",
    )
    state = State(config, torch.device(device), ALONE)
    state.train_mode()
    return state


def our_step(state: State, batch: Batch) -> Step:
    """As `training/loop.py` does it."""

    def step() -> float:
        loss = state.gradients(batch)
        state.move()
        return loss

    return step


def their_step(variant: str, state: State, batch: Batch, device: str, *, is_compiled: bool) -> Step:
    """open_clip's model with the weights that `state` has now, and its step."""
    from seesay.encoders.checkpoints.keymap import from_ours

    torch, open_clip = import_peer("torch"), import_peer("open_clip")
    logging.disable(logging.WARNING)  # that no weights were loaded, which is meant
    model = open_clip.create_model(variant, output_dict=True)
    weights = {name: tensor.cpu() for name, tensor in state.clip.state_dict().items()}
    model.load_state_dict(from_ours("open_clip", weights, VARIANTS[variant].model), strict=True)
    model.to(device).train()
    named = list(model.named_parameters())

    def is_vector(name: str, parameter: Any) -> bool:
        return parameter.ndim < 2 or any(part in name for part in ("bn", "ln", "bias", "logit_scale"))

    groups = [
        {"params": [one for name, one in named if is_vector(name, one)], "weight_decay": 0.0},
        {"params": [one for name, one in named if not is_vector(name, one)], "weight_decay": 0.2},
    ]
    optimizer = torch.optim.AdamW(groups, lr=1e-6, betas=(0.9, 0.98), eps=1e-6)
    run, loss = torch.compile(model) if is_compiled else model, open_clip.ClipLoss()
    image = state.trainee.bundle.image
    mean, std = (np.array(values, np.float32) for values in (image.mean, image.std))
    pixels = (batch.pixels.astype(np.float32) / 255 - mean) / std
    host = torch.from_numpy(np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))), torch.from_numpy(batch.ids)
    if device != "cpu":
        host = tuple(tensor.pin_memory() for tensor in host)

    def step() -> float:
        images, texts = (tensor.to(device, non_blocking=True) for tensor in host)
        optimizer.zero_grad()
        with torch.autocast(device, torch.bfloat16, enabled=device != "cpu"):
            total = sum(loss(**run(images, texts), output_dict=True).values())
        total.backward()
        optimizer.step()
        with torch.no_grad():
            model.logit_scale.clamp_(0, math.log(100))
        return float(total.detach())

    return step


def contestants(variant: str, num: int, device: str, *, is_compiled: bool, only: str = "") -> dict[str, Step]:
    """Name -> step; ours share one model, whose step does the same work whatever its weights."""
    names = {name: name.startswith("seesay") for name in names_of(is_compiled) if only in ("", name)}
    whole = make_batch(variant, num, CONTEXT)
    found: dict[str, Step] = {}
    for suffix in ("", " compiled"):
        chosen = [name for name in names if name.endswith(" compiled") == bool(suffix)]
        if not chosen:
            continue
        state = make_state(variant, num, device, is_compiled=bool(suffix))
        for name in chosen:
            if name.startswith("open_clip"):
                found[name] = their_step(variant, state, whole, device, is_compiled=bool(suffix))
            else:
                batch = whole if "77" in name else make_batch(variant, num, TRIMMED)
                found[name] = our_step(state, batch)
    return found


def names_of(is_compiled: bool) -> list[str]:
    """open_clip comes first in each group: it copies our weights before ours move."""
    names = ["open_clip", "seesay, 77 tokens", "seesay"]
    return names + [f"{name} compiled" for name in names] if is_compiled else names


def measure_memory(variant: str, num: int, device: str, name: str) -> int:
    """Bytes at most during two steps; called in a process of its own."""
    step = contestants(variant, num, device, is_compiled="compiled" in name, only=name)[name]
    for _ in range(2):  # the second one has the optimiser's memory from its start
        step()
    return resident("VmHWM") if device == "cpu" else int(import_peer("torch").cuda.max_memory_allocated())


def compare(variant: str, num: int, device: str, *, is_compiled: bool, rounds: int, top: float) -> None:
    """Print a line a contestant."""
    torch = import_peer("torch")
    steps = contestants(variant, num, device, is_compiled=is_compiled)
    losses = {name: step() for name, step in steps.items()}  # also the warm-up
    for step in steps.values():
        step()
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for number in range(rounds):
        for name in list(steps)[:: 1 if number % 2 else -1]:
            begun = time.perf_counter()
            for _ in range(1 if device == "cpu" else 10):
                steps[name]()
            if device != "cpu":
                torch.cuda.synchronize()
            taken[name].append((time.perf_counter() - begun) / (1 if device == "cpu" else 10))
    config = VARIANTS[variant].model
    for name, times in taken.items():
        rival = "open_clip compiled" if is_compiled else "open_clip"
        ratios = [theirs / own for own, theirs in zip(times, taken[rival], strict=True)]
        length = TRIMMED if name.startswith("seesay") and "77" not in name else CONTEXT
        size = measure(config, image_size=config["image"]["image_size"], context_length=length)
        rate = num / statistics.median(times)
        share = 100 * rate * 3 * (size.image_flops + size.text_flops) / top
        print(
            f"{num:>5}  {name:<26}{rate:>9.1f}/s {statistics.median(ratios):>6.2f}  ({min(ratios):.2f} to "
            f"{max(ratios):.2f}) {share:>5.0f} %  loss of the first step {losses[name]:.5f}",
            flush=True,
        )


def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--batches", nargs="+", type=int, help="pairs; by default 16 32, on a GPU 256 1024")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--compile", action="store_true", help="everyone with torch.compile too")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--part", default="all", choices=["all", "memory", "time"])
    arguments = parser.parse_args()
    torch = import_peer("torch")
    batches = arguments.batches or ([16, 32] if arguments.device == "cpu" else [256, 1024])
    card = torch.cuda.get_device_name() if arguments.device != "cpu" else f"{torch.get_num_threads()} cores"
    print(f"torch {torch.__version__}, {card}, {arguments.model}")
    if arguments.part != "memory":
        top = ceiling(arguments.device)
        print(f"rate, ratio to open_clip (with --compile to open_clip compiled), share of {top / 1e9:.0f} GFLOP/s")
        for num in batches:
            options = {"is_compiled": arguments.compile, "rounds": arguments.rounds}
            compare(arguments.model, num, arguments.device, top=top, **options)
    if arguments.part != "time":
        spawn = multiprocessing.get_context("spawn")
        for num in batches:
            for name in names_of(arguments.compile):
                with ProcessPoolExecutor(1, mp_context=spawn) as pool:
                    peak = pool.submit(measure_memory, arguments.model, num, arguments.device, name).result()
                print(f"{num:>5}  {name:<26}{peak / 1e6:>9.0f} MB at most", flush=True)


if __name__ == "__main__":
    main()
