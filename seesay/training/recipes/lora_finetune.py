"""A published model on your own pairs, by small additions to its layers."""

from seesay.training.config import ModelConfig, OptimConfig, SaveConfig, TrainConfig


def lora_finetune() -> TrainConfig:
    """Source: LoRA, arXiv:2106.09685. Half of the change is kept (WiSE-FT), so that what it knew stays.

    The loss is the one that the model was trained with: a SigLIP keeps its sigmoid loss and its bias.
    """
    return TrainConfig(
        model=ModelConfig(variant="ViT-B-32", lora_rank=8),
        optim=OptimConfig(lr=5e-4, weight_decay=0.0, warmup_steps=100, clip_norm=1.0),
        save=SaveConfig(every_steps=500),
        loss="auto",
        steps=2000,
        batch_size=256,
        micro_batch=64,
        precision="bfloat16",
        wise=0.5,
        expectation="your own pairs: name the model with model.start",
    )
