"""A small ViT from scratch on drawings that anybody can have: the smallest run that learns more than it was told.

docs/training.md says how to get the sets, how they are mixed, and what came of it.
"""

from seesay.training.config import DataConfig, ModelConfig, OptimConfig, SaveConfig, TrainConfig


def openclipart_vit_tiny() -> TrainConfig:
    """About half an hour on two cores; name the sets as data.sources."""
    return TrainConfig(
        # half of the patches: drawings are mostly white, and the image tower's time is halved
        model=ModelConfig(variant="tiny", patch_dropout=0.5),
        # one caption: a text tower that reads all would cost more than the image tower
        data=DataConfig(augment="random_resized_crop", captions="one"),
        optim=OptimConfig(lr=1e-3, weight_decay=0.2, warmup_steps=100, clip_norm=1.0),
        save=SaveConfig(every_steps=100, every_minutes=5),
        loss="matching",
        steps=900,
        batch_size=128,
        evaluate_every=100,
    )
