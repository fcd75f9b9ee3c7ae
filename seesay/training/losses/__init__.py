"""Losses: pure functions of two blocks of vectors. Each is a file and a line in this table.

What they share, and how it is kept small:

* A loss takes (N, E) images and (M, E) texts with unit rows and gives a () mean in nats. It knows no model,
  no optimiser and no data; the scale and its clamp belong to the model (`scale.py`).
* The N x M logits never exist as a whole. `logsumexps.py` and `softplus.py` go over them in tiles; what else
  a loss needs of the logits is a product of sums of vectors, linear in N.
* One process or many is a `World` (`world.py`): every process brings its own rows, gathers the other side's
  columns, and returns the loss of the whole batch. With the mean of gradients over processes, as
  DistributedDataParallel takes it, the step is that of one process with the whole batch.
"""

LOSSES = {
    "softmax": "seesay.training.losses.softmax:softmax_loss",
    "sigmoid": "seesay.training.losses.sigmoid:sigmoid_loss",
    "matching": "seesay.training.losses.matching:matching_loss",
    "labels": "seesay.training.losses.labels:labels_loss",
    "distillation": "seesay.training.losses.distillation:distillation_loss",
}
