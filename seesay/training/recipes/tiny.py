"""A small model on a small set, in minutes on two cores: to see that everything works."""

from seesay.training.config import DataConfig, ModelConfig, OptimConfig, SaveConfig, TrainConfig


def tiny() -> TrainConfig:
    """A ViT of 64 pixels; name pictures with captions as data.sources."""
    return TrainConfig(
        model=ModelConfig(variant="tiny"),
        data=DataConfig(augment="random_resized_crop", captions="all"),
        optim=OptimConfig(lr=1e-3, weight_decay=0.1, warmup_steps=50, clip_norm=1.0),
        save=SaveConfig(every_steps=200),
        loss="matching",
        steps=600,
        batch_size=128,
        evaluate_every=200,
    )
