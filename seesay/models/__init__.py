"""Torch modules: image towers, text towers, and the CLIP that joins them. Tensors in, tensors out.

Adding a tower is one file and one line here; `tests/contract/test_model.py` then runs on it by itself.
"""

IMAGE_TOWERS: dict[str, str] = {
    "efficientnet_lite": "seesay.models.efficientnet:EfficientNetLite",
    "resnet": "seesay.models.resnet:ModifiedResNet",
    "vit": "seesay.models.vit:ViT",
}

TEXT_TOWERS: dict[str, str] = {
    "bert": "seesay.models.bert:Bert",
    "transformer": "seesay.models.text:TextTransformer",
}

TEMPORAL_HEADS: dict[str, str] = {
    "mean": "seesay.models.temporal:Mean",
    "convolution": "seesay.models.temporal:Convolution",
    "lstm": "seesay.models.temporal:Lstm",
    "transformer": "seesay.models.temporal:TemporalTransformer",
    "class_transformer": "seesay.models.temporal:ClassTransformer",
}
"""What makes one vector of a video's frames."""
