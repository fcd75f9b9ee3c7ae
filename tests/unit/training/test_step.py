"""One step: in parts as in one, on several processes as on one."""

import numpy as np
import pytest
import torch
from tiny import CLIP, RESNET
from torch import nn

from seesay.data.loader import Batch
from seesay.models.clip import build
from seesay.training.config import ModelConfig, OptimConfig, TrainConfig
from seesay.training.losses.world import ALONE
from seesay.training.optimizer import make_optimizers, rate_factor, warm_then_linear
from seesay.training.step import Stepper, find_loss, to_device
from seesay.training.trainee import dress


def make_batch(count, side, seed=0):
    random = np.random.default_rng(seed)
    ids = np.zeros((count, 6), np.int64)
    ids[:, 0], ids[:, 1:4], ids[:, 4] = 49406, random.integers(1, 400, (count, 3)), 49407
    groups = np.arange(count)
    pixels = random.integers(0, 256, (count, side, side, 3), dtype=np.uint8)
    batch = Batch(pixels, ids, (ids > 0).astype(np.int64), groups, groups, [""] * count, [""] * count, {})
    return to_device(batch, torch.full((3,), 0.5), torch.full((3,), 0.25))


def make_stepper(model=CLIP, *, loss="softmax", micro_batch=0, config=None, **options):
    torch.manual_seed(0)
    clip = build(model)
    dress(clip, config or TrainConfig(loss=loss))
    optimizers = make_optimizers(clip, OptimConfig(lr=1e-3))
    clip.train()
    return clip, Stepper(
        model=clip,
        log_scale=clip.log_scale,
        optimizers=optimizers,
        loss=find_loss(loss, ALONE),
        micro_batch=micro_batch,
        **options,
    )


def gradients(model):
    return {name: parameter.grad.clone() for name, parameter in model.named_parameters() if parameter.grad is not None}


@pytest.mark.parametrize("loss", ["softmax", "sigmoid", "matching"])
@pytest.mark.parametrize("micro_batch", [1, 3, 4])
def test_in_parts_the_gradients_are_the_same(loss, micro_batch):
    batch = make_batch(8, 64)
    batch = batch._replace(images=batch.images.double())
    whole, whole_stepper = make_stepper(loss=loss)
    parts, parts_stepper = make_stepper(loss=loss, micro_batch=micro_batch)
    for clip in (whole, parts):
        clip.double()
    assert whole_stepper.gradients(batch) == pytest.approx(parts_stepper.gradients(batch), abs=1e-9)
    expected, got = gradients(whole), gradients(parts)
    assert expected.keys() == got.keys()
    for name, gradient in expected.items():
        torch.testing.assert_close(got[name], gradient, atol=1e-9, rtol=1e-6)


def test_in_parts_dropped_patches_are_the_same_in_both_passes():
    batch = make_batch(8, 64)
    config = TrainConfig(model=ModelConfig(patch_dropout=0.5))
    clip, stepper = make_stepper(config=config, micro_batch=4)
    seen = []
    clip.image_tower.blocks[0].register_forward_pre_hook(lambda _, given: seen.append(given[0].detach().clone()))
    stepper.gradients(batch)
    assert len(seen) == 4
    for first, second in zip(seen[:2], seen[2:], strict=True):
        torch.testing.assert_close(first, second, atol=0, rtol=0)
    assert seen[0].shape[1] == 1 + 2  # half of the four patches of 32
    assert not torch.equal(seen[0], seen[1])


def test_in_parts_batch_norms_count_each_picture_once():
    clip, stepper = make_stepper(RESNET, micro_batch=4)
    stepper.gradients(make_batch(8, 64))
    norms = [module for module in clip.modules() if isinstance(module, nn.BatchNorm2d)]
    assert {int(norm.num_batches_tracked) for norm in norms} == {2}


def test_steps_lower_the_loss_and_clamp_the_scale():
    batch = make_batch(8, 64)
    clip, stepper = make_stepper()
    with torch.no_grad():
        clip.log_scale.fill_(10.0)
    losses = []
    for _ in range(8):
        losses.append(stepper.gradients(batch))
        norm, was_clamped = stepper.move()
        assert norm > 0
        assert was_clamped is (len(losses) == 1)
    assert losses[-1] < losses[0]
    assert float(clip.log_scale.detach().exp()) <= 100.001


def test_a_gradient_is_shortened():
    clip, stepper = make_stepper(clip_norm=0.01)
    stepper.gradients(make_batch(8, 64))
    stepper.move()
    total = torch.stack([gradient.norm() for gradient in gradients(clip).values()]).norm()
    assert float(total) <= 0.0101


def test_bfloat16_is_near():
    batch = make_batch(8, 64)
    _, exact = make_stepper()
    _, half = make_stepper(precision="bfloat16")
    assert half.gradients(batch) == pytest.approx(exact.gradients(batch), rel=0.02)


def test_gains_and_biases_have_no_decay():
    clip, _ = make_stepper()
    (optimizer,) = make_optimizers(clip, OptimConfig(weight_decay=0.2))
    for group in optimizer.param_groups:
        assert {parameter.ndim >= 2 for parameter in group["params"]} == {group["weight_decay"] > 0}
    assert sum(len(group["params"]) for group in optimizer.param_groups) == len(list(clip.parameters()))


def test_earlier_blocks_move_slower():
    clip, _ = make_stepper()
    (optimizer,) = make_optimizers(clip, OptimConfig(lr=1.0, layer_decay=0.5))
    rates = {id(parameter): group["base_lr"] for group in optimizer.param_groups for parameter in group["params"]}
    got = {name: rates[id(parameter)] for name, parameter in clip.named_parameters()}
    assert got["image_tower.blocks.1.qkv.weight"] == 1.0
    assert got["image_tower.blocks.0.qkv.weight"] == 0.5
    assert got["image_tower.patch_embedding.weight"] == 0.25
    assert got["text_tower.token_embedding.weight"] == 0.25
    assert got["image_tower.last_norm.weight"] == got["image_projection.weight"] == got["log_scale"] == 1.0


def test_muon_takes_the_matrices_of_the_blocks():
    clip, _ = make_stepper()
    adamw, muon = make_optimizers(clip, OptimConfig(name="muon"))
    names = {id(parameter): name for name, parameter in clip.named_parameters()}
    taken = {names[id(parameter)] for group in muon.param_groups for parameter in group["params"]}
    assert taken
    assert all(".blocks." in name and name.endswith("weight") and "norm" not in name for name in taken)
    left = sum(len(group["params"]) for group in adamw.param_groups)
    assert left + len(taken) == len(list(clip.parameters()))


def test_the_rate_warms_up_and_follows_a_cosine():
    assert rate_factor(0, 100, 10) == 0.1
    assert rate_factor(9, 100, 10) == rate_factor(10, 100, 10) == 1.0
    assert rate_factor(55, 100, 10) == pytest.approx(0.5)
    assert rate_factor(100, 100, 10) == pytest.approx(0.0)


def test_a_short_run_warms_up_and_goes_down_in_a_line():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    schedule = warm_then_linear(optimizer, steps=10, warmup_steps=2)
    rates = []
    for _ in range(11):
        rates += schedule.get_last_lr()
        optimizer.step()
        schedule.step()
    np.testing.assert_allclose(rates, 2 * np.array([0.5, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0]), atol=1e-9)
