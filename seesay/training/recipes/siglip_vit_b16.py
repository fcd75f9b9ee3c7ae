"""A ViT-B/16 with the sigmoid loss, as SigLIP is trained, with CLIP's tokenizer."""

from seesay.training.config import ModelConfig, OptimConfig, TrainConfig


def siglip_vit_b16() -> TrainConfig:
    """Optimiser and batch of arXiv:2303.15343; for its own tokenizer start from a bundle of it with `model.start`."""
    return TrainConfig(
        model=ModelConfig(variant="ViT-B-16"),
        optim=OptimConfig(lr=1e-3, betas=(0.9, 0.95), eps=1e-8, weight_decay=1e-4, warmup_steps=5000, clip_norm=1.0),
        loss="sigmoid",
        steps=275_000,
        batch_size=32_768,
        precision="bfloat16",
        expectation="76.04 % on ImageNet (open_clip's table), after billions of pairs of WebLI, which are not public",
    )
