"""What a loss over N pairs costs in memory and time, forward and backward, beside open_clip's.

    python bench/loss.py [--loss softmax sigmoid] [--sizes 1024 ... 32768] [--alone 262144] [--device cuda]

Memory: a new process for each case, which makes its vectors, runs the loss once over 64 of them, and then once over
all. What counts is the process's highest resident memory during that run less its resident memory before it
(`VmHWM` of Linux, set back through /proc/self/clear_refs); on a GPU the allocator's own numbers. The gradients of
both sides are part of it, the vectors are not.

Time: one process; each round runs every contestant once, the order turned around from round to round. A number is
the median of the rounds, a ratio the median of the ratios within a round.

open_clip holds four matrices of N x N numbers; where they would not fit, it is left out and the table says so.
"""

import argparse
import multiprocessing
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from peers import import_peer

DIM = 512
OURS, THEIRS = "seesay", "open_clip"
Case = tuple[str, str, int]
"""Loss, contestant, N."""


class Result(NamedTuple):
    """What was measured; a part that was not asked for stays empty."""

    extra_bytes: dict[Case, int]
    seconds: dict[Case, float]
    ratios: dict[tuple[str, int], list[float]]


def make_loss(loss: str, who: str, num: int, device: str) -> Callable[[], float]:
    """A call that runs the loss over N unit vectors a side and backward; what it returns is the loss."""
    torch = import_peer("torch")
    random = torch.Generator(device).manual_seed(0)
    sides = [
        torch.nn.functional.normalize(torch.randn(num, DIM, generator=random, device=device), dim=1).requires_grad_()
        for _ in range(2)
    ]
    scale, bias = (torch.tensor(value, device=device, requires_grad=True) for value in (1 / 0.07, -10.0))
    if who == OURS:
        from seesay.training.losses.sigmoid import sigmoid_loss
        from seesay.training.losses.softmax import softmax_loss

        def value() -> Any:
            if loss == "sigmoid":
                return sigmoid_loss(*sides, scale=scale, bias=bias)
            return softmax_loss(*sides, scale=scale)
    else:
        open_clip = import_peer("open_clip")
        module = open_clip.ClipLoss() if loss == "softmax" else open_clip.loss.SigLipLoss()

        def value() -> Any:
            return module(*sides, scale, bias) if loss == "sigmoid" else module(*sides, scale)

    def run() -> float:
        for tensor in (*sides, scale, bias):
            tensor.grad = None
        total = value()
        total.backward()
        return float(total.detach())

    return run


def resident(name: str) -> int:
    """Bytes of this process: VmRSS now, VmHWM at most."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024


def measure_memory(case: Case, device: str) -> int:
    """Bytes; called in a process of its own."""
    loss, who, num = case
    torch = import_peer("torch")
    make_loss(loss, who, 64, device)()  # what is loaded and made at the first call is not the loss's
    run = make_loss(loss, who, num, device)
    if device != "cpu":
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        return int(torch.cuda.max_memory_allocated() - before)
    Path("/proc/self/clear_refs").write_text("5")
    before = resident("VmRSS")
    run()
    return resident("VmHWM") - before


def fits(who: str, num: int, device: str) -> bool:
    """Whether there is room for it now, with a margin: an out-of-memory kill would take others with it."""
    torch = import_peer("torch")
    if device != "cpu":
        free, _ = torch.cuda.mem_get_info()
    else:
        lines = Path("/proc/meminfo").read_text().splitlines()
        (free,) = (int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    needed = 4 * 4 * num**2 if who == THEIRS else 8 * 4 * num * DIM
    return bool(needed + 1e9 < free)


def bench_memory(cases: list[Case], device: str, result: Result) -> None:
    """One process after another."""
    spawn = multiprocessing.get_context("spawn")
    for case in cases:
        loss, who, num = case
        if not fits(who, num, device):
            print(f"memory {loss:<8} {who:<10}{num:>8}: left out, there is not enough memory", flush=True)
            continue
        begun = time.perf_counter()
        with ProcessPoolExecutor(1, mp_context=spawn) as pool:
            result.extra_bytes[case] = pool.submit(measure_memory, case, device).result()
        taken = time.perf_counter() - begun
        print(
            f"memory {loss:<8} {who:<10}{num:>8}{result.extra_bytes[case] / 1e6:>10.1f} MB  ({taken:.0f} s)", flush=True
        )


def bench_time(loss: str, num: int, device: str, rounds: int, result: Result) -> None:
    """Both in turn."""
    torch = import_peer("torch")
    runs = {who: make_loss(loss, who, num, device) for who in (OURS, THEIRS) if fits(who, num, device)}
    values = {who: run() for who, run in runs.items()}  # also the warm-up
    taken: dict[str, list[float]] = {who: [] for who in runs}
    for number in range(rounds):
        for who in list(runs)[:: 1 if number % 2 else -1]:
            begun = time.perf_counter()
            runs[who]()  # reads the loss, and so waits for the forward
            if device != "cpu":
                torch.cuda.synchronize()
            taken[who].append(time.perf_counter() - begun)
    for who, times in taken.items():
        result.seconds[loss, who, num] = statistics.median(times)
        print(f"time   {loss:<8} {who:<10}{num:>8}{statistics.median(times):>10.3f} s   loss {values[who]:.6f}")
    if len(taken) == 2:
        ratios = [ours / theirs for ours, theirs in zip(*taken.values(), strict=True)]
        result.ratios[loss, num] = ratios
        print(f"time   {loss:<8} ratio {statistics.median(ratios):>15.2f}  ({min(ratios):.2f} to {max(ratios):.2f})")


def print_table(result: Result, losses: list[str], sizes: list[int]) -> None:
    """Markdown, as it stands in docs/training-speed.md."""
    print("\n| loss | N | extra memory | open_clip | times less | time | open_clip | time / open_clip's |")
    print("|---|---|---|---|---|---|---|---|")
    for loss in losses:
        for num in sizes:
            memory = [result.extra_bytes.get((loss, who, num)) for who in (OURS, THEIRS)]
            seconds = [result.seconds.get((loss, who, num)) for who in (OURS, THEIRS)]
            cells = [
                *(f"{value / 1e6:,.0f} MB" if value is not None else "" for value in memory),
                f"{memory[1] / memory[0]:.0f}" if memory[0] and memory[1] else "",
                *(f"{value:.3g} s" if value is not None else "" for value in seconds),
                f"{statistics.median(result.ratios[loss, num]):.2f}" if (loss, num) in result.ratios else "",
            ]
            print(f"| {loss} | {num:,} | {' | '.join(cells)} |")


def draw(result: Result, loss: str, path: Path) -> None:
    """Memory and time over N, both axes by powers; what was not measured is not drawn."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    panels = [
        ("extra memory (GB)", {case: value / 1e9 for case, value in result.extra_bytes.items()}),
        ("time, forward and backward (s)", result.seconds),
    ]
    panels = [(title, values) for title, values in panels if values]
    for axes, (title, values) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        for who, colour in ((THEIRS, "tab:orange"), (OURS, "tab:blue")):
            points = sorted((num, value) for (name, by, num), value in values.items() if (name, by) == (loss, who))
            axes.plot(*zip(*points, strict=True), "o-", color=colour, label=who)
        axes.set(xscale="log", yscale="log", xlabel="pairs N", title=title)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(f"{loss} loss over N pairs of {DIM} numbers")
    figure.savefig(path, dpi=100)


def main() -> None:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--loss", nargs="+", default=["softmax", "sigmoid"], choices=["softmax", "sigmoid"])
    parser.add_argument("--sizes", nargs="+", type=int, default=[1024, 2048, 4096, 8192, 16384, 32768])
    parser.add_argument("--alone", nargs="*", type=int, default=[], help="sizes for us only, memory only (slow)")
    parser.add_argument("--part", default="all", choices=["all", "memory", "time"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--picture", type=Path, help="a PNG of the first loss")
    arguments = parser.parse_args()
    torch = import_peer("torch")
    card = torch.cuda.get_device_name() if arguments.device != "cpu" else f"{torch.get_num_threads()} cores"
    print(f"torch {torch.__version__}, {card}, N x {DIM} float32")
    result = Result({}, {}, {})
    if arguments.part != "time":
        cases = [(loss, who, num) for loss in arguments.loss for num in arguments.sizes for who in (OURS, THEIRS)]
        cases += [(arguments.loss[0], OURS, num) for num in arguments.alone]
        bench_memory(cases, arguments.device, result)
    if arguments.part != "memory":
        for loss in arguments.loss:
            for num in arguments.sizes:
                bench_time(loss, num, arguments.device, arguments.rounds, result)
    print_table(result, arguments.loss, arguments.sizes + arguments.alone)
    if arguments.picture:
        draw(result, arguments.loss[0], arguments.picture)


if __name__ == "__main__":
    main()
