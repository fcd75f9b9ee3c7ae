"""open_clip's and transformers' models beside ours: the same architecture, shrunk, with the same random weights."""

import contextlib
import functools
from copy import deepcopy
from unittest import mock

import torch

from seesay.encoders.checkpoints.keymap import from_ours
from seesay.models.size import build_empty

VOCABULARY = 300
SIDE = 4  # patches a side


def _num_layers(section):
    """Two, and one where two would take seconds to make."""
    return 1 if section["width"] > (64 if section["tower"] == "resnet" else 1024) else 2


def shrink(config):
    """Fewer layers, patches and words; every width, head and number that makes a size what it is stays."""
    config = deepcopy(dict(config))
    image, text = config["image"], config["text"]
    text |= {"num_layers": _num_layers(text), "vocabulary_size": VOCABULARY, "end_id": VOCABULARY - 1}
    if image["tower"] == "resnet":
        image |= {"num_blocks": [_num_layers(image), 1, 1, _num_layers(image)], "image_size": 2 * 32}
    else:
        left_over = image["image_size"] % image["patch_size"]  # pixels that the full size does not see at its edges
        image |= {"num_layers": _num_layers(image), "image_size": SIDE * image["patch_size"] + left_over}
    return config


def randomise(clip, seed=0):
    """Numbers in every weight that a fresh model has as one or zero, so that none can be swapped or forgotten."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in clip.state_dict().items():
        noise = torch.randn(tensor.shape, generator=generator) if tensor.is_floating_point() else None
        if noise is None:
            tensor.zero_()
        elif tensor.ndim == 0:
            tensor.fill_({"log_scale": 3.0, "bias": -10.0}[name])
        elif name.endswith("running_var"):
            tensor.copy_(1 + 0.3 * noise.tanh())
        elif "norm" in name and name.endswith(".weight"):
            tensor.copy_(1 + 0.2 * noise)
        elif tensor.ndim > 1 and "embedding" not in name:
            tensor.copy_(noise * tensor[0].numel() ** -0.5)
        else:
            tensor.copy_(0.2 * noise)
    return clip.eval()


def inputs(config, num=3):
    """Pictures, and tokens whose end stands at different places."""
    generator = torch.Generator().manual_seed(1)
    size, length = config["image"]["image_size"], config["text"]["context_length"]
    images = torch.randn(num, 3, size, size, generator=generator)
    tokens = torch.randint(2, VOCABULARY - 1, (num, length), generator=generator)
    mask = torch.ones_like(tokens)
    for row, end in enumerate((length - 1, 1, length // 2)[:num]):
        tokens[row, end] = VOCABULARY - 1
        mask[row, end + 1 :] = 0
    return images, tokens, mask


def ours(config):
    """Our model with random weights."""
    return randomise(build_empty(config).to_empty(device="cpu"))


def vectors(clip, config):
    """Our unit vectors of `inputs`."""
    images, tokens, mask = inputs(config)
    with torch.inference_mode():
        return clip.embed_images(images), clip.embed_texts(tokens, mask)


@contextlib.contextmanager
def unspread():
    """Layers made in here are not initialised, which takes longer than all the rest; their weights are loaded."""
    with contextlib.ExitStack() as stack:
        for name in ("normal_", "uniform_", "trunc_normal_", "kaiming_uniform_", "xavier_uniform_"):
            stack.enter_context(mock.patch.object(torch.nn.init, name, lambda tensor, *_, **__: tensor))
        yield


def open_clip_config(open_clip, name):
    """open_clip's own config; it has not every size with both activations."""
    plain = name.removesuffix("-quickgelu")
    return open_clip.get_model_config(name) or open_clip.get_model_config(plain) | {"quick_gelu": name != plain}


def open_clip_model(open_clip, name, config, clip, *, is_fresh=False):
    """open_clip's model of its own config, shrunk as `config` is, with our weights (unless it stays fresh)."""
    import timm

    theirs = open_clip_config(open_clip, name)
    is_custom = theirs.pop("custom_text", False)
    bias = theirs.pop("init_logit_bias", None)
    theirs["text_cfg"] |= {"layers": config["text"]["num_layers"], "vocab_size": VOCABULARY}
    vision = theirs["vision_cfg"]
    vision["image_size"] = config["image"]["image_size"]
    if "layers" in vision:
        vision["layers"] = config["image"].get("num_blocks") or config["image"]["num_layers"]
    kind = open_clip.CustomTextCLIP if is_custom else open_clip.CLIP
    depth = config["image"].get("num_layers")
    create = functools.partial(timm.create_model, depth=depth, img_size=vision["image_size"])
    with mock.patch.object(timm, "create_model", create), contextlib.nullcontext() if is_fresh else unspread():
        model = kind(**theirs, init_logit_bias=bias)
    if not is_fresh:
        model.load_state_dict(from_ours("open_clip", clip.state_dict(), config), strict=True)
    return model.eval()


def open_clip_vectors(model, config):
    """open_clip's unit vectors of `inputs`."""
    images, tokens, _ = inputs(config)
    with torch.inference_mode():
        return model.encode_image(images, normalize=True), model.encode_text(tokens, normalize=True)


def hf_model(transformers, config, clip):
    """transformers' model of the same sizes, with our weights."""
    image, text = config["image"], config["text"]
    is_siglip = config["has_bias"]
    names = {"gelu": "gelu", "gelu_tanh": "gelu_pytorch_tanh", "quick_gelu": "quick_gelu"}
    sections = [
        {
            "hidden_size": section["width"],
            "intermediate_size": section["mlp_dim"],
            "num_hidden_layers": section["num_layers"],
            "num_attention_heads": section["num_heads"],
            "hidden_act": names[section["activation"]],
            "layer_norm_eps": section["norm_eps"],
            "projection_dim": config["dim"],
        }
        for section in (image, text)
    ]
    sections[0] |= {"image_size": image["image_size"], "patch_size": image["patch_size"]}
    sections[1] |= {
        "vocab_size": text["vocabulary_size"],
        "max_position_embeddings": text["context_length"],
        "eos_token_id": text["end_id"],
        "projection_size": config["dim"],
    }
    family, source = ("Siglip", "hf_siglip") if is_siglip else ("CLIP", "hf_clip")
    settings = getattr(transformers, f"{family}Config")(
        vision_config=sections[0], text_config=sections[1], projection_dim=config["dim"]
    )
    with unspread():
        model = getattr(transformers, f"{family}Model")(settings)
    model.load_state_dict(from_ours(source, clip.state_dict(), config), strict=True)
    return model.eval()


def hf_vectors(model, config):
    """transformers' unit vectors of `inputs`."""
    images, tokens, _ = inputs(config)
    with torch.inference_mode():
        output = model(pixel_values=images, input_ids=tokens)
    return output.image_embeds, output.text_embeds


def compare(one, other):
    """The lowest cosine and the largest difference between two batches of unit vectors."""
    cosines = torch.nn.functional.cosine_similarity(one.double(), other.double())
    return cosines.min().item(), (one - other).abs().max().item()
