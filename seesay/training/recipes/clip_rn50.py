"""The paper's RN50: 32 passes over 400 million pairs."""

from seesay.training.config import ModelConfig, OptimConfig, TrainConfig


def clip_rn50() -> TrainConfig:
    """Hyper-parameters of arXiv:2103.00020, tables 18 and 19; 390,625 steps of 32,768 pairs."""
    return TrainConfig(
        model=ModelConfig(variant="RN50-quickgelu"),
        optim=OptimConfig(lr=5e-4, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.2, warmup_steps=2000),
        steps=390_625,
        batch_size=32_768,
        precision="bfloat16",
        expectation="59.6 % on ImageNet without training, on OpenAI's 400 million pairs (table 11)",
    )
