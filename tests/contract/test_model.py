"""What every tower must do, over the tables of towers; a new one needs an entry below and no test of its own."""

import json

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from seesay.base.errors import UsageError  # noqa: E402
from seesay.models import IMAGE_TOWERS, TEXT_TOWERS, variants  # noqa: E402
from seesay.models.clip import build  # noqa: E402
from seesay.models.size import build_empty  # noqa: E402

DIM = 24
_SIGLIP_TEXT = variants.text(64, 2) | variants.SIGLIP_READING

# towers come in kinds that run through other code; each is held to everything
IMAGES = {
    "efficientnet_lite": {"tower": "efficientnet_lite", "channel_factor": 0.25, "depth_factor": 0.3, "head_dim": 48},
    "resnet": variants.resnet(64, 8, (1, 2, 1, 1)),
    "vit": variants.vit(64, 16, 32, 2, 4),
    "vit, siglip": variants.siglip_vit(64, 16, 32, 2, 4, 72, "gelu_tanh"),
    "vit, pe": variants.pe_vit(64, 16, 64, 2, 4),
    "vit, pe without class token": variants.pe_vit(64, 16, 64, 2, 4) | {"has_class_token": False},
}
TEXTS = {
    "bert": {
        "tower": "bert",
        "vocabulary_size": 100,
        "context_length": 16,
        "width": 32,
        "num_layers": 2,
        "num_heads": 4,
        "mlp_dim": 48,
        "norm_eps": 1e-12,
        "pooling": "mean",
    },
    "transformer": variants.text(64, 2) | {"vocabulary_size": 100, "context_length": 16, "end_id": 99},
    "transformer, siglip": _SIGLIP_TEXT | {"vocabulary_size": 100, "context_length": 16},
}
TEXTS["bert, class"] = TEXTS["bert"] | {"pooling": "class"}


def model(image, text):
    config = variants.clip(DIM, image, text)
    torch.manual_seed(0)
    return build(json.loads(json.dumps(config))).eval()  # as it comes out of a config.json


@pytest.fixture(params=sorted(IMAGES))
def image_config(request):
    return IMAGES[request.param]


@pytest.fixture(params=sorted(TEXTS))
def text_config(request):
    return TEXTS[request.param]


def make_tokens(num=3, length=16):
    tokens = torch.randint(2, 98, (num, length), generator=torch.Generator().manual_seed(0))
    tokens[:, -1] = 99
    return tokens, torch.ones_like(tokens)


def close(one, other):
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)  # float32, in another order of operations


def test_every_tower_is_held_to_this():
    assert {config["tower"] for config in IMAGES.values()} == set(IMAGE_TOWERS)
    assert {config["tower"] for config in TEXTS.values()} == set(TEXT_TOWERS)


def test_unit_vectors_come_out(image_config, text_config):
    output = model(image_config, text_config)(torch.randn(3, 3, 64, 64), *make_tokens())
    assert output.images.shape == output.texts.shape == (3, DIM)
    for vectors in (output.images, output.texts):
        close(vectors.norm(dim=1), torch.ones(3))


def test_a_picture_does_not_depend_on_its_batch(image_config):
    clip, images = model(image_config, TEXTS["bert"]), torch.randn(4, 3, 64, 64)
    with torch.inference_mode():
        vectors = clip.embed_images(images)
        close(clip.embed_images(images.flip(0)), vectors.flip(0))
        close(clip.embed_images(images[1:2]), vectors[1:2])
    assert (vectors[0] - vectors[1]).abs().max() > 1e-4


def test_patches_come_beside_the_same_vectors(image_config):
    clip, images = model(image_config, TEXTS["bert"]), torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        pooled, patches = clip.project_images_and_patches(images)
        close(pooled, clip.project_images(images))
    side = patches.shape[1]
    assert patches.shape == (2, side, side, DIM)
    assert side > 1
    assert patches.isfinite().all()


def test_a_patch_stands_where_it_was_seen(image_config):
    clip, images = model(image_config, TEXTS["bert"]), torch.zeros(2, 3, 256, 256)
    images[1, :, 224:, :32] = 3.0  # bottom left
    with torch.inference_mode():
        patches = clip.project_images_and_patches(images)[1]
    changed = (patches[1] - patches[0]).norm(dim=2)
    side = changed.shape[0]
    row, column = divmod(int(changed.argmax()), side)
    assert row >= side // 2 > column


def test_pictures_may_have_another_size_and_shape(image_config):
    clip = model(image_config, TEXTS["bert"])
    with torch.inference_mode():
        pooled, patches = clip.project_images_and_patches(torch.randn(1, 3, 96, 160))
    assert pooled.shape == (1, DIM)
    assert patches.shape[2] * 3 == patches.shape[1] * 5
    assert pooled.isfinite().all()


def test_a_text_does_not_depend_on_its_batch(text_config):
    clip, (tokens, mask) = model(IMAGES["vit"], text_config), make_tokens()
    with torch.inference_mode():
        vectors = clip.embed_texts(tokens, mask)
        close(clip.embed_texts(tokens.flip(0), mask), vectors.flip(0))
        close(clip.embed_texts(tokens[1:2], mask[1:2]), vectors[1:2])


def test_padding_changes_nothing(text_config):
    if text_config.get("attention") == "full":
        pytest.skip("this tower was trained to look at the padding")
    clip, (tokens, mask) = model(IMAGES["vit"], text_config), make_tokens(length=9)
    padded = torch.nn.functional.pad(tokens, (0, 5), value=7)
    longer = torch.nn.functional.pad(mask, (0, 5))
    with torch.inference_mode():
        close(clip.embed_texts(padded, longer), clip.embed_texts(tokens, mask))


def test_every_weight_learns(image_config, text_config):
    clip = model(image_config, text_config).train()
    output = clip(torch.randn(3, 3, 64, 64), *make_tokens())
    (output.images.pow(3).sum() + output.texts.pow(3).sum() + output.scale).backward()
    without = [name for name, parameter in clip.named_parameters() if parameter.grad is None]
    assert without == []


def test_it_runs_in_bfloat16(image_config, text_config):
    clip = model(image_config, text_config)
    images, (tokens, mask) = torch.randn(2, 3, 64, 64), make_tokens(2)
    with torch.inference_mode():
        exact = clip(images, tokens, mask)
        with torch.autocast("cpu", torch.bfloat16):
            mixed = clip(images, tokens, mask)
        rounded = clip.to(torch.bfloat16)(images.bfloat16(), tokens, mask)
    for one in (mixed, rounded):
        assert (one.images.float() * exact.images).sum(1).min() > 0.99
        assert (one.texts.float() * exact.texts).sum(1).min() > 0.99


def test_its_shapes_are_known_without_making_it(image_config, text_config):
    config = variants.clip(DIM, image_config, text_config)
    real, empty = (make(config).state_dict() for make in (build, build_empty))
    assert {name: tensor.shape for name, tensor in real.items()} == {
        name: tensor.shape for name, tensor in empty.items()
    }
    assert all(tensor.is_meta for tensor in empty.values())


def test_a_leftover_in_its_config_is_an_error(image_config, text_config):
    for image, text in ((image_config | {"widht": 1}, text_config), (image_config, text_config | {"widht": 1})):
        with pytest.raises(UsageError, match="unknown \\['widht'\\]"):
            build(variants.clip(DIM, image, text))
