"""Actions on stored vectors: only the temporal head learns, in minutes on a CPU."""

from seesay.training.config import DataConfig, ModelConfig, OptimConfig, SaveConfig, TrainConfig, VideoConfig


def actions_head() -> TrainConfig:
    """Rates and steps for a few thousand videos; the towers stay, so that pictures and texts are seen as before.

    Name a folder for the vectors with data.vectors, and videos as `LAYOUT:PATH[#PART]` with data.sources.
    """
    return TrainConfig(
        model=ModelConfig(
            start="starter",
            video=VideoConfig(num_frames=8, head="transformer", num_layers=2, is_alone=True),
        ),
        data=DataConfig(vectors="frame-vectors", flip=False),
        optim=OptimConfig(lr=1e-4, weight_decay=0.05, warmup_steps=20, clip_norm=1.0),
        save=SaveConfig(every_steps=200),
        loss="matching",
        steps=600,
        batch_size=64,
        evaluate_every=100,
    )
