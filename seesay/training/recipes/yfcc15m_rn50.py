"""RN50 on YFCC15M, the English part of YFCC100M: what a university can afford, with a published score."""

from seesay.training.config import DataConfig, ModelConfig, OptimConfig, TrainConfig


def yfcc15m_rn50() -> TrainConfig:
    """As open_clip trained it: 32 passes, 1,024 pairs a step on eight GPUs."""
    return TrainConfig(
        model=ModelConfig(variant="RN50-quickgelu"),
        data=DataConfig(augment="random_resized_crop"),
        optim=OptimConfig(lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.1, warmup_steps=10_000),
        steps=468_000,
        batch_size=1024,
        precision="bfloat16",
        expectation="32.73 % on ImageNet without training (open_clip, release 0.2.1, rn50-quickgelu-yfcc15m)",
    )
