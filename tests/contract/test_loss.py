"""What every loss must do: the numbers of its formula, its gradients, and the same in one process or several."""

from functools import partial
from pathlib import Path

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

import torch.distributed as dist  # noqa: E402
import torch.multiprocessing as processes  # noqa: E402

from seesay.base.errors import UsageError  # noqa: E402
from seesay.base.tables import resolve  # noqa: E402
from seesay.training.losses import LOSSES, tiles  # noqa: E402
from seesay.training.losses.scale import clamp_scale  # noqa: E402
from seesay.training.losses.world import World  # noqa: E402

NUM, DIM = 24, 8
GROUPS = torch.arange(NUM) // 3
LABELS = torch.stack([GROUPS, torch.where(GROUPS % 2 == 0, (GROUPS + 1) % 8, -1)], dim=1)  # every other has two


def unit(*shape, seed):
    random = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(*shape, generator=random, dtype=torch.float64), dim=-1)


def make_inputs(num=NUM):
    """Vectors, scale and bias that learn."""
    scale, bias = torch.tensor(7.0, dtype=torch.float64), torch.tensor(-3.0, dtype=torch.float64)
    return [tensor.requires_grad_() for tensor in (unit(num, DIM, seed=1), unit(num, DIM, seed=2), scale, bias)]


def options(name, rows, bias):
    """What a loss needs beside vectors and scale, for these rows of the batch."""
    teachers = {f"teacher_{side}": unit(NUM, 5, seed=seed)[rows] for side, seed in (("images", 3), ("texts", 4))}
    return {
        "softmax": {},
        "sigmoid": {"bias": bias},
        "matching": {"image_groups": GROUPS[rows], "text_groups": GROUPS[rows]},
        "labels": {"image_labels": LABELS[rows], "text_labels": GROUPS[rows]},
        "distillation": {**teachers, "teacher_scale": 11.0},
    }[name]


def run(name, images, texts, scale, bias, rows=slice(None), **more):
    return resolve(LOSSES, name, kind="loss")(images, texts, scale=scale, **options(name, rows, bias), **more)


def naive(name, images, texts, scale, bias):
    """The formulas as the docstrings say them, with all logits at once."""
    logits = scale * images @ texts.T
    if name == "sigmoid":
        signs = 2 * torch.eye(len(images), dtype=logits.dtype) - 1
        return -torch.nn.functional.logsigmoid(signs * (logits + bias)).sum() / len(images)
    targets = {
        "softmax": [torch.eye(NUM, dtype=logits.dtype)] * 2,
        "matching": [(GROUPS[:, None] == GROUPS).to(logits) / 3] * 2,
    }
    if name == "labels":
        match = (LABELS[:, :, None] == GROUPS).any(1).to(logits)
        targets["labels"] = [match / match.sum(1, keepdim=True), (match / match.sum(0)).T]
    if name == "distillation":
        given = options(name, slice(None), bias)
        theirs = given["teacher_scale"] * given["teacher_images"] @ given["teacher_texts"].T
        targets["distillation"] = [theirs.softmax(1), theirs.T.softmax(1)]
    loss = 0
    for target, side in zip(targets[name], (logits, logits.T), strict=True):
        loss = loss + torch.nn.functional.kl_div(side.log_softmax(1), target, reduction="batchmean") / 2
    return loss


def gradients(loss, tensors):
    found = torch.autograd.grad(loss, tensors, allow_unused=True)
    return [torch.zeros_like(tensor) if grad is None else grad for grad, tensor in zip(found, tensors, strict=True)]


@pytest.fixture(params=[(24, 24), (7, 5)], ids=["one tile", "many tiles"])
def tile(request, monkeypatch):
    monkeypatch.setitem(tiles.TILE, "cpu", request.param)


@pytest.mark.parametrize("name", LOSSES)
def test_value_and_gradients_are_those_of_the_formula(name, tile):
    tensors = make_inputs()
    ours, wanted = run(name, *tensors), naive(name, *tensors)
    torch.testing.assert_close(ours, wanted, rtol=1e-10, atol=1e-12)
    for got, expected in zip(gradients(ours, tensors), gradients(wanted, tensors), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("spread", [1.0, 100.0, 1e4])
@pytest.mark.parametrize("name", LOSSES)
def test_any_scale_is_exact(name, tile, spread):
    tensors = make_inputs()
    tensors[2] = torch.tensor(spread, dtype=torch.float64, requires_grad=True)
    ours, wanted = run(name, *tensors), naive(name, *tensors)
    torch.testing.assert_close(ours, wanted, rtol=1e-9, atol=1e-10)
    for got, expected in zip(gradients(ours, tensors), gradients(wanted, tensors), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", LOSSES)
def test_gradcheck(name, tile):
    assert torch.autograd.gradcheck(partial(run, name), make_inputs(), nondet_tol=1e-12)


def test_two_by_two_by_hand():
    eye = torch.eye(2, dtype=torch.float64)
    scale, zero = torch.tensor(2.0, dtype=torch.float64), torch.tensor(0.0, dtype=torch.float64)
    right, wrong = 0.12692801104297263, 2.1269280110429727  # log(1 + e^-2), log(1 + e^2)
    softmax, sigmoid = (resolve(LOSSES, name, kind="loss") for name in ("softmax", "sigmoid"))
    assert softmax(eye, eye, scale=scale).item() == pytest.approx(right)
    assert softmax(eye, eye.flip(0), scale=scale).item() == pytest.approx(wrong)
    half = 0.6931471805599453  # log 2: a logit of 0 is a coin
    assert sigmoid(eye, eye, scale=scale, bias=zero).item() == pytest.approx(right + half)
    assert sigmoid(eye, eye.flip(0), scale=scale, bias=zero).item() == pytest.approx(wrong + half)


@pytest.mark.parametrize("name", LOSSES)
def test_float32_is_near_float64(name):
    exact = run(name, *make_inputs()).item()
    single = [tensor.detach().float().requires_grad_() for tensor in make_inputs()]
    assert run(name, *single).item() == pytest.approx(exact, rel=1e-4)


def test_rows_that_do_not_fit_are_refused():
    images, texts, scale, bias = make_inputs()
    for name in ("softmax", "sigmoid"):
        with pytest.raises(UsageError):
            run(name, images, texts[:-1], scale, bias)


def test_a_group_of_images_without_a_text_is_refused():
    images, texts, scale, _ = make_inputs()
    loss = resolve(LOSSES, "matching", kind="loss")
    with pytest.raises(UsageError, match="group 7 has images but no text"):
        loss(images, texts, scale=scale, image_groups=GROUPS, text_groups=GROUPS.clamp(max=6))


def test_with_one_label_an_image_labels_is_matching():
    images, texts, scale, _ = make_inputs()
    labels, matching = (resolve(LOSSES, name, kind="loss") for name in ("labels", "matching"))
    ours = labels(images, texts, scale=scale, image_labels=GROUPS[:, None], text_labels=GROUPS)
    torch.testing.assert_close(ours, matching(images, texts, scale=scale, image_groups=GROUPS, text_groups=GROUPS))


def test_an_image_without_a_text_of_its_labels_is_refused():
    images, texts, scale, _ = make_inputs()
    loss = resolve(LOSSES, "labels", kind="loss")
    with pytest.raises(UsageError, match="an image has no text"):
        loss(images, texts, scale=scale, image_labels=GROUPS[:, None] + 1, text_labels=GROUPS)


def test_the_scale_is_clamped_at_100():
    log_scale = torch.tensor(10.0)
    assert clamp_scale(log_scale)
    assert log_scale.exp().item() == pytest.approx(100, rel=1e-6)
    assert not clamp_scale(log_scale - 1)


def take_part(rank, size, folder):
    """One process: its share of the rows; leaves its losses and gradients in a file."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=size)
    rows = slice(rank * NUM // size, (rank + 1) * NUM // size)
    results = {}
    for name in LOSSES:
        images, texts, scale, bias = (tensor.detach() for tensor in make_inputs())
        tensors = [tensor.clone().requires_grad_() for tensor in (images[rows], texts[rows], scale, bias)]
        loss = run(name, *tensors, rows=rows, world=World.current())
        results[name] = (loss.detach(), gradients(loss, tensors))
    torch.save(results, Path(folder) / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.parametrize("size", [2, 4])
def test_several_processes_give_the_gradients_of_one(size, tmp_path):
    processes.spawn(take_part, (size, str(tmp_path)), nprocs=size)
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(size)]
    for name in LOSSES:
        tensors = make_inputs()
        whole = run(name, *tensors)
        wanted = gradients(whole, tensors)
        for loss, _ in (part[name] for part in parts):
            torch.testing.assert_close(loss, whole.detach(), rtol=1e-10, atol=1e-12)
        # of vectors: each process has its rows, times the number of processes, which the mean over them takes back
        for side in (0, 1):
            got = torch.cat([part[name][1][side] for part in parts]) / size
            torch.testing.assert_close(got, wanted[side], rtol=1e-8, atol=1e-12)
        for side in (2, 3):
            got = torch.stack([part[name][1][side] for part in parts]).mean(0)
            torch.testing.assert_close(got, wanted[side], rtol=1e-8, atol=1e-12)
