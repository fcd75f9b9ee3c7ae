"""Learn from a teacher which images and texts lie how close.

Shape legend: N images and M texts of this process, E the student's embedding, T the teacher's.
"""

from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.autograd.function import once_differentiable

from seesay.base.errors import UsageError
from seesay.training.losses import tiles
from seesay.training.losses.check import check_vectors
from seesay.training.losses.logsumexps import logsumexps
from seesay.training.losses.world import ALONE, World


def distillation_loss(
    images: Tensor,
    texts: Tensor,
    *,
    scale: Tensor,
    teacher_images: Tensor,
    teacher_texts: Tensor,
    teacher_scale: float,
    world: World = ALONE,
) -> Tensor:
    """Symmetric KL divergence from the teacher's softmax over the batch to the student's.

        loss = 1/2 mean_i KL(teacher's softmax_j || student's) + 1/2 mean_j KL(teacher's softmax_i || student's)

    Add it to `softmax_loss` with the weight of your choice. Both logits are made tile by tile; the teacher's vectors
    may come from a file or from a model that runs along, and get no gradient.

    Args:
        images: (N, E) unit rows of the student, of this process.
        texts: (M, E) unit rows of the student.
        scale: () positive, the student's.
        teacher_images: (N, T) unit rows of the same images; T need not be E.
        teacher_texts: (M, T) unit rows of the same texts.
        teacher_scale: positive, what the teacher's cosines are multiplied by.
        world: the processes that share the batch.

    Returns:
        () float32 or float64, in nats; 0 when the student says what the teacher says.

    Raises:
        UsageError: shapes do not fit, or the processes bring unequal batches.

    Source: affinity mimicking in TinyCLIP, arXiv:2309.12314, and open_clip's distillation, both as
    cross-entropy; the KL divergence differs by the teacher's entropy and has the same gradient.
    """
    images, texts = check_vectors(images, texts, world, is_paired=False)
    teachers = check_vectors(teacher_images.detach(), teacher_texts.detach(), world, is_paired=False)
    if [len(images), len(texts)] != [len(side) for side in teachers]:
        got = f"{len(teachers[0])} and {len(teachers[1])} for {len(images)} and {len(texts)}"
        raise UsageError(f"the teacher must bring one row for each of the student's images and texts; got {got}")
    all_texts, all_teacher_texts = world.gather(texts), world.gather(teachers[1])
    rows, columns = _logsumexps(images, all_texts, scale, world)
    on_scale = scale.detach().new_tensor(teacher_scale)
    teacher_rows, teacher_columns = _logsumexps(teachers[0], all_teacher_texts, on_scale, world)
    agreed, certain = _Agreement.apply(  # type: ignore[no-untyped-call]
        images, all_texts, teachers[0], all_teacher_texts, on_scale, teacher_rows, teacher_columns, len(texts)
    )
    student = (rows.mean() + columns.mean()) / 2 - scale * agreed
    teacher = (teacher_rows.mean() + teacher_columns.mean()) / 2 - teacher_scale * certain
    return world.mean(student - teacher)


def _logsumexps(images: Tensor, all_texts: Tensor, scale: Tensor, world: World) -> tuple[Tensor, Tensor]:
    rows, columns = logsumexps(images, all_texts, scale)
    return rows, world.logsumexp(columns)


class _Agreement(Function):
    """The teacher's probabilities times the cosines: () the student's, with gradient, and () the teacher's.

    Linear in each side's vectors, so what it computes for the value is the gradient already.
    """

    @staticmethod
    def forward(
        ctx: Any,
        images: Tensor,
        texts: Tensor,
        teacher_images: Tensor,
        teacher_texts: Tensor,
        teacher_scale: Tensor,
        rows: Tensor,
        columns: Tensor,
        num_texts: int,
    ) -> tuple[Tensor, Tensor]:
        with torch.autocast(images.device.type, enabled=False):
            on_images, on_texts = tiles.pull(
                teacher_images,
                teacher_texts,
                teacher_scale,
                (rows, torch.full_like(rows, 0.5 / len(rows))),
                (columns, torch.full_like(columns, 0.5 / num_texts)),  # of this process: see World.mean
                left=images.to(teacher_images),
                right=torch.cat([texts, teacher_texts], 1).to(teacher_images),
            )
            assert on_images is not None
            assert on_texts is not None
            on_student, on_teacher = on_images.split([texts.shape[1], teacher_texts.shape[1]], 1)  # type: ignore[no-untyped-call]
            ctx.save_for_backward(on_student.to(images), on_texts.to(texts))
            certain = torch.linalg.vecdot(teacher_images, on_teacher).sum().to(images)
            ctx.mark_non_differentiable(certain)
            return torch.linalg.vecdot(images, on_student.to(images)).sum(), certain

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor, _: Tensor) -> tuple[Tensor | None, ...]:
        on_images, on_texts = ctx.saved_tensors
        return on_images * gradient, on_texts * gradient, *[None] * 6
