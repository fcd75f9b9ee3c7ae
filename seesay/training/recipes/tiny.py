"""A small model on a small set, in a minute and a half on two cores: to see that everything works."""

from seesay.training.config import DataConfig, ModelConfig, OptimConfig, SaveConfig, TrainConfig


def tiny() -> TrainConfig:
    """A ViT of 64 pixels; name pictures with captions as data.sources, such as those of `seesay data get openmoji`."""
    return TrainConfig(
        model=ModelConfig(variant="tiny", patch_dropout=0.5),
        data=DataConfig(augment="random_resized_crop", captions="one"),
        optim=OptimConfig(lr=1e-3, weight_decay=0.1, warmup_steps=20, clip_norm=1.0),
        save=SaveConfig(every_steps=50),
        loss="matching",
        steps=200,
        batch_size=64,
        evaluate_every=50,
    )
