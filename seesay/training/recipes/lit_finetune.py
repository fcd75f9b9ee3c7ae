"""Locked-image tuning: the image tower stays, the text tower learns to read it."""

from seesay.training.config import ModelConfig, OptimConfig, SaveConfig, TrainConfig


def lit_finetune() -> TrainConfig:
    """Source: LiT, arXiv:2111.07991; rate and decay for a few thousand steps on one machine.

    The loss is the one that the model was trained with: a SigLIP keeps its sigmoid loss and its bias.
    """
    return TrainConfig(
        model=ModelConfig(variant="ViT-B-32", lock_image=True),
        optim=OptimConfig(lr=1e-4, weight_decay=0.1, warmup_steps=200, clip_norm=1.0),
        save=SaveConfig(every_steps=500),
        loss="auto",
        steps=5000,
        batch_size=512,
        precision="bfloat16",
        expectation="your own pairs: name the model with model.start, compare with `wise` between 0 and 1",
    )
