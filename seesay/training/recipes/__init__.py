"""Training runs by name: each is a function in a file of its own that returns a whole `TrainConfig`.

    seesay train tiny --out runs/tiny
    seesay train clip_vit_b32 --set data.sources=pairs-{0000..0999}.tar --set batch_size=4096

`shrink` makes of any of them one that runs for seconds, with all that is special about it.
"""

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from seesay.training.config import TrainConfig

RECIPES: dict[str, str] = {
    "clip_vit_b32": "seesay.training.recipes.clip_vit_b32:clip_vit_b32",
    "clip_rn50": "seesay.training.recipes.clip_rn50:clip_rn50",
    "siglip_vit_b16": "seesay.training.recipes.siglip_vit_b16:siglip_vit_b16",
    "cc12m_rn50": "seesay.training.recipes.cc12m_rn50:cc12m_rn50",
    "yfcc15m_rn50": "seesay.training.recipes.yfcc15m_rn50:yfcc15m_rn50",
    "lit_finetune": "seesay.training.recipes.lit_finetune:lit_finetune",
    "lora_finetune": "seesay.training.recipes.lora_finetune:lora_finetune",
    "classes": "seesay.training.recipes.classes:classes",
    "actions": "seesay.training.recipes.actions:actions",
    "actions_head": "seesay.training.recipes.actions_head:actions_head",
    "tiny": "seesay.training.recipes.tiny:tiny",
    "openclipart_vit_tiny": "seesay.training.recipes.openclipart_vit_tiny:openclipart_vit_tiny",
}


def find_recipe(name: str) -> "TrainConfig":
    """A recipe's config.

    Raises:
        UnknownNameError: no such recipe; the nearest are offered.
    """
    from seesay.base.tables import resolve

    config: TrainConfig = resolve(RECIPES, name, kind="recipe")()
    return dataclasses.replace(config, recipe=name)


def shrink(config: "TrainConfig") -> "TrainConfig":
    """The recipe for two steps of eight pairs with the smallest model of its kind; loss, optimiser and parts stay."""
    video = config.model.video
    variant = "tiny-resnet" if config.model.variant.startswith("RN") else "tiny"
    return dataclasses.replace(
        config,
        model=dataclasses.replace(
            config.model,
            variant=variant,
            start="",
            compile=False,
            video=dataclasses.replace(video, num_frames=min(video.num_frames, 2), num_layers=1),
        ),
        optim=dataclasses.replace(config.optim, warmup_steps=1),
        data=dataclasses.replace(config.data, threads=1, vectors=""),
        is_trial=True,
        steps=2,
        batch_size=8,
        micro_batch=min(config.micro_batch, 4),
        precision="float32",
        log_every=1,
    )
