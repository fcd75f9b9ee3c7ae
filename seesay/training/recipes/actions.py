"""Actions end to end: the whole model learns from videos, as ActionCLIP is trained."""

from seesay.training.config import DataConfig, ModelConfig, OptimConfig, SaveConfig, TrainConfig, VideoConfig


def actions() -> TrainConfig:
    """Source: ActionCLIP, arXiv:2109.08472, and its configs/k400: AdamW, 5e-6, the head ten times that.

    Start from a CLIP with model.start. Its steps are an epoch's 50 at 240,000 videos; for a smaller set take fewer.
    """
    return TrainConfig(
        model=ModelConfig(variant="ViT-B-16", video=VideoConfig(num_frames=8, head="transformer")),
        data=DataConfig(rand_augment=(2, 9)),
        optim=OptimConfig(lr=5e-6, eps=1e-8, weight_decay=0.2, warmup_steps=9000, temporal_lr=10.0),
        save=SaveConfig(every_steps=1000),
        loss="matching",
        steps=90_000,
        batch_size=128,
        micro_batch=16,
        precision="bfloat16",
        evaluate_every=1000,
        expectation="Kinetics-400, ViT-B/16, 8 frames, one view: 81.1 % top-1, 95.5 % top-5 (ActionCLIP's README)",
    )
