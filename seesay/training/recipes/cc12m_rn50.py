"""RN50 on Conceptual 12M: what a university can afford, with a published score to compare with."""

from seesay.training.config import DataConfig, ModelConfig, OptimConfig, TrainConfig


def cc12m_rn50() -> TrainConfig:
    """As open_clip trained it: 32 passes, 1,024 pairs a step on eight GPUs."""
    return TrainConfig(
        model=ModelConfig(variant="RN50-quickgelu"),
        data=DataConfig(augment="random_resized_crop"),
        optim=OptimConfig(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1, warmup_steps=10_000),
        steps=345_000,
        batch_size=1024,
        precision="bfloat16",
        expectation="36.45 % on ImageNet without training (open_clip, release 0.2.1, rn50-quickgelu-cc12m)",
    )
