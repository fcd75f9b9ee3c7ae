"""The Triton kernels give the numbers of the plain way: in Triton's interpreter without a GPU, and on one."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from seesay.base.tables import resolve  # noqa: E402
from seesay.training.losses import LOSSES, tiles  # noqa: E402

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("triton") is None, reason="triton is not installed (it weighs 290 MB)"
)
needs_gpu = pytest.mark.skipif(
    not torch.cuda.is_available() or torch.cuda.get_device_capability() < (8,), reason="no NVIDIA GPU of 2020 or later"
)

INTERPRETED = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_kernels import check_losses, check_passes
check_passes("cpu")
check_losses("cpu")
"""


def unit(num, width, seed, device):
    random = torch.Generator().manual_seed(seed)
    rows = torch.nn.functional.normalize(torch.randn(num, width, generator=random, dtype=torch.float64), dim=1)
    return rows.float().to(device)


def check_passes(device):
    """Each pass against float64, over sizes that leave part of a block empty, and more blocks than one strip."""
    from seesay.training.losses import kernels

    for num, num_texts, width, scale in ((1, 1, 3, 1.0), (130, 300, 40, 100.0), (257, 120, 33, 14.0)):
        images, texts = unit(num, width, 0, device), unit(num_texts, width, 1, device)
        given = torch.tensor(scale, device=device)
        exact = scale * images.double() @ texts.double().T
        rows, columns = kernels.logsumexps(images, texts, given)
        # tf32x3 leaves a logit off by at most scale * 2**-21, float32 by a few 2**-24 of the logit
        close = {"rtol": 1e-6, "atol": scale * 2**-20}
        torch.testing.assert_close(rows.double(), exact.logsumexp(1), **close)
        torch.testing.assert_close(columns.double(), exact.logsumexp(0), **close)

        u, v = (torch.linspace(0.1, 1, count, device=device) for count in (num, num_texts))
        out = torch.full((num, num_texts), torch.nan, device=device)
        kernels.weigh(images, texts, given, (rows, u), (columns, v), out)
        weights = u[:, None] * (exact - rows[:, None]).exp() + v * (exact - columns).exp()
        torch.testing.assert_close(out.double(), weights, rtol=scale * 2**-19, atol=1e-7)

        for bias in (-20.0, 0.0):
            sums = kernels.softplus(images, texts, given, torch.tensor(bias, device=device), out)
            shifted = exact + bias
            torch.testing.assert_close(out.double(), shifted.sigmoid(), rtol=scale * 2**-19, atol=1e-7)
            wanted = torch.stack([torch.nn.functional.softplus(shifted).sum(), shifted.sigmoid().sum()])
            torch.testing.assert_close(sums.double(), wanted, rtol=scale * 2**-19, atol=1e-6)
            alone = kernels.softplus(images, texts, given, torch.tensor(bias, device=device), None)
            torch.testing.assert_close(alone, sums, rtol=0, atol=0)


def values(name, device, dtype, use_kernels):
    """The loss and its gradients."""
    chosen = tiles._kernels
    if use_kernels:
        from seesay.training.losses import kernels

        tiles._kernels = lambda tensor: kernels
    else:
        tiles._kernels = lambda tensor: None
    try:
        sides = [unit(150, 24, seed, device).to(dtype).requires_grad_() for seed in (0, 1)]
        scale, bias = (torch.tensor(value, device=device, dtype=dtype, requires_grad=True) for value in (50.0, -10.0))
        groups = torch.arange(150, device=device) // 3
        teachers = {
            f"teacher_{side}": unit(150, 9, seed, device).to(dtype) for side, seed in (("images", 2), ("texts", 3))
        }
        more = {
            "softmax": {},
            "sigmoid": {"bias": bias},
            "matching": {"image_groups": groups, "text_groups": groups},
            "distillation": {**teachers, "teacher_scale": 11.0},
        }[name]
        loss = resolve(LOSSES, name, kind="loss")(*sides, scale=scale, **more)
        return [loss.detach(), *torch.autograd.grad(loss, [*sides, scale])]
    finally:
        tiles._kernels = chosen


def check_losses(device):
    """Every loss with its gradients against the plain way, and both against float64."""
    tiles.TILE = dict.fromkeys(tiles.TILE, (140, 100))  # several tiles, none of them whole blocks
    for name in LOSSES:
        exact = values(name, device, torch.float64, use_kernels=False)
        plain = values(name, device, torch.float32, use_kernels=False)
        fused = values(name, device, torch.float32, use_kernels=True)
        for ours, wanted, reference in zip(fused, plain, exact, strict=True):
            # a logit of 50 is off by a few 1e-6 either way, and so is a probability relatively
            largest = float(reference.abs().max())
            torch.testing.assert_close(ours, wanted, rtol=2e-5, atol=2e-5 * largest)
            torch.testing.assert_close(ours.double(), reference, rtol=2e-5, atol=2e-5 * largest)


def test_kernels_are_the_plain_way_in_the_interpreter():
    environment = {**os.environ, "TRITON_INTERPRET": "1", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", INTERPRETED, str(Path(__file__).parent)]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr


@needs_gpu
def test_kernels_are_the_plain_way_on_a_gpu():
    check_passes("cuda")
    check_losses("cuda")


@needs_gpu
@pytest.mark.parametrize("scale", [1 / 0.07, 100.0])
def test_large_batches_on_a_gpu_are_those_of_float64(scale):
    from seesay.training.losses import kernels

    images, texts = unit(20_000, 512, 0, "cuda"), unit(5_000, 512, 1, "cuda")  # more rows than one strip
    rows, columns = kernels.logsumexps(images, texts, torch.tensor(scale, device="cuda"))
    exact = scale * images.double() @ texts.double().T
    torch.testing.assert_close(rows.double(), exact.logsumexp(1), rtol=1e-6, atol=scale * 2**-20)
    torch.testing.assert_close(columns.double(), exact.logsumexp(0), rtol=1e-6, atol=scale * 2**-20)
