"""The variant "tiny" made smaller still: what a run does around its steps does not depend on the model."""

from seesay.models import variants
from seesay.models.variants import Variant
from seesay.training import trainee


def use():
    """Replace it in this process."""
    text = variants.text(64, 2, context_length=32)
    trainee.TINY["tiny"] = Variant(model=variants.clip(32, variants.vit(64, 16, 64, 3, 1), text), family="clip")
    resnet = variants.clip(32, variants.resnet(64, 8, (1, 1, 1, 1)), text)
    trainee.TINY["tiny-resnet"] = Variant(model=resnet, family="clip")
