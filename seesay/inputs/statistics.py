"""The means and deviations that published models subtract and divide by, in RGB order, of pixels in [0, 1].

One place, because a model fed with another's statistics gives vectors that are only a little wrong.
"""

from typing import Final, TypeAlias

Triple: TypeAlias = tuple[float, float, float]

OPENAI_MEAN: Final[Triple] = (0.48145466, 0.4578275, 0.40821073)  # github.com/openai/CLIP, clip/clip.py
OPENAI_STD: Final[Triple] = (0.26862954, 0.26130258, 0.27577711)

INCEPTION_MEAN: Final[Triple] = (0.5, 0.5, 0.5)  # pixels to [-1, 1]: SigLIP, PE-Core, LAION-2B's ViT-L/14
INCEPTION_STD: Final[Triple] = (0.5, 0.5, 0.5)

IMAGENET_MEAN: Final[Triple] = (0.485, 0.456, 0.406)  # torchvision's, over ImageNet's training pictures: CLIPA
IMAGENET_STD: Final[Triple] = (0.229, 0.224, 0.225)
