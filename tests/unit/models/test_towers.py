"""What is particular to one tower; what all of them do is in tests/contract/test_model.py."""

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from seesay.base.errors import UsageError  # noqa: E402
from seesay.models import variants  # noqa: E402
from seesay.models.clip import HeadConfig, Mlp, _projection, build  # noqa: E402
from seesay.models.config import from_dict  # noqa: E402
from seesay.models.resnet import Bottleneck, ModifiedResNet, ModifiedResNetConfig, ResNetPool  # noqa: E402
from seesay.models.text import TextTransformer, TextTransformerConfig  # noqa: E402
from seesay.models.vit import ViT, ViTConfig  # noqa: E402


def make(tower, section):
    torch.manual_seed(0)
    own = {name: value for name, value in section.items() if name != "tower"}
    return tower(from_dict(tower.config_type, own, where="the tower")).eval()


def close(one, other):
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_a_class_token_reads_the_whole_last_block():
    vit = make(ViT, variants.vit(32, 8, 32, 3, 4))
    images = torch.randn(2, 3, 32, 32)
    tokens = vit._encode(images)
    close(vit(images), vit.last_norm(vit.blocks[-1](tokens))[:, 0])


def test_pixels_left_over_at_the_edge_are_not_seen():
    vit = make(ViT, variants.siglip_vit(36, 8, 32, 2, 4, 64, "gelu"))
    images = torch.randn(1, 3, 36, 36)
    other = images.clone()
    other[:, :, 32:] = 5.0
    other[:, :, :, 32:] = 5.0
    close(vit(images), vit(other))
    assert vit.position_embedding.shape == (16, 32)


def test_rotary_positions_tell_rows_from_columns():
    section = variants.pe_vit(32, 8, 64, 2, 4)
    vit = make(ViT, section)
    torch.nn.init.zeros_(vit.position_embedding)
    tall, wide = torch.zeros(2, 1, 3, 32, 32)
    tall[..., :8], wide[..., :8, :] = 1.0, 1.0
    assert (vit(tall) - vit(wide)).abs().max() > 1e-4
    without = make(ViT, section | {"rotary_grid": 0})
    torch.nn.init.zeros_(without.position_embedding)
    close(without(tall), without(wide))  # the same patches, in another order


def test_rotary_places_span_the_trained_grid_at_any_size():
    vit = make(ViT, variants.pe_vit(32, 8, 64, 2, 4))
    small, large = (vit._rotation((side, side), torch.device("cpu")) for side in (4, 8))
    assert small.cos.shape == (16, 16)
    close(small.cos[-1], large.cos[-1])  # the last place is the same place
    close(small.sin[0], large.sin.view(8, 8, 16)[1, 1])


def test_rotary_positions_with_a_class_token_to_read_are_refused():
    with pytest.raises(UsageError, match="go with attention pooling only"):
        make(ViT, variants.vit(32, 8, 32, 2, 4) | {"rotary_grid": 4})


def test_the_text_is_read_at_its_first_end():
    section = variants.text(64, 2) | {"vocabulary_size": 50, "context_length": 12, "end_id": 40}
    tower = make(TextTransformer, section)
    tokens = torch.randint(1, 40, (1, 12))
    tokens[0, 5] = 40
    vector = tower(tokens, torch.ones_like(tokens))
    for place, token in ((6, 40), (7, 45), (11, 3)):  # a second end, a larger id, another word
        other = tokens.clone()
        other[0, place] = token
        close(tower(other, torch.ones_like(tokens)), vector)
    tokens[0, 4] = (tokens[0, 4] + 1) % 40
    assert (tower(tokens, torch.ones_like(tokens)) - vector).abs().max() > 1e-3


def test_the_shortcut_of_the_last_block_is_exact():
    section = variants.text(64, 3) | {"vocabulary_size": 50, "context_length": 12, "end_id": 40}
    tower = make(TextTransformer, section)
    tokens = torch.randint(1, 40, (3, 12))
    ends = torch.tensor([11, 3, 7])
    tokens[torch.arange(3), ends] = 40
    states = tower.token_embedding(tokens) + tower.position_embedding
    for block in tower.blocks:
        states = block(states, is_causal=True)
    close(tower(tokens, torch.ones_like(tokens)), tower.last_norm(states)[torch.arange(3), ends])


def test_packed_texts_are_read_as_each_alone():
    section = variants.text(64, 3) | {"vocabulary_size": 50, "context_length": 12, "end_id": 40}
    tower = make(TextTransformer, section)
    texts = [[1, 2, 3, 40], [1, 2, 5, 6, 40]]  # the second goes on from the first two tokens of the first
    tokens = torch.tensor([[1, 2, 3, 40, 5, 6, 40]])
    allowed = torch.zeros(1, 7, 7, dtype=torch.bool)
    for row in ([0, 1, 2, 3], [0, 1, 4, 5, 6]):
        for place, token in enumerate(row):
            allowed[0, token, row[: place + 1]] = True
    packed = tower.read_packs(tokens, torch.tensor([[0, 1, 2, 3, 2, 3, 4]]), allowed, torch.tensor([[6, 3]]))
    for vector, text in zip(packed[0], reversed(texts), strict=True):
        row = torch.tensor([text])
        close(vector, tower(row, torch.ones_like(row))[0])


@pytest.mark.parametrize("attention", ["full", "bert"])
def test_a_tower_that_looks_ahead_refuses_packed_texts(attention):
    text = variants.text(64, 1) | variants.SIGLIP_READING | {"vocabulary_size": 50}
    if attention == "bert":
        text = {"tower": "bert", "vocabulary_size": 50, "context_length": 12, "width": 8, "num_layers": 1}
        text |= {"num_heads": 1, "mlp_dim": 8, "norm_eps": 1e-12, "pooling": "mean"}
    clip = build(variants.clip(16, variants.vit(32, 16, 16, 1, 2), text))
    ones = torch.ones(1, 2, dtype=torch.int64)
    with pytest.raises(UsageError, match="only a causal text tower"):
        clip.project_packs(ones, ones, torch.ones(1, 2, 2, dtype=torch.bool), ones)


def test_a_full_tower_is_read_at_the_last_place_whatever_is_there():
    section = variants.text(64, 2) | variants.SIGLIP_READING | {"vocabulary_size": 50, "context_length": 12}
    tower = make(TextTransformer, section)
    tokens = torch.randint(1, 50, (1, 12))
    states = tower.token_embedding(tokens) + tower.position_embedding
    for block in tower.blocks:
        states = block(states)
    close(tower(tokens, torch.ones_like(tokens)), tower.last_norm(states)[:, -1])


def test_a_residual_block_starts_as_the_identity():
    block = Bottleneck(32, 8, stride=1).eval()
    maps = torch.rand(1, 32, 4, 4)
    close(block(maps), maps)


def test_strides_average_and_skip_no_pixel():
    torch.manual_seed(0)
    block = Bottleneck(16, 8, stride=2).eval()
    torch.nn.init.ones_(block.widen.norm.weight)
    maps = torch.rand(1, 16, 8, 8, requires_grad=True)
    block(maps).sum().backward()
    assert (maps.grad.abs().sum(1) > 0).all()  # a stride of the 1 x 1 shortcut would leave three of four without


def test_the_pool_of_a_resnet_asks_with_the_mean():
    pool = ResNetPool(width=16, num_heads=4, side=2)
    torch.nn.init.zeros_(pool.position_embedding)
    patches = torch.randn(2, 2, 2, 16)
    close(pool(patches), pool(patches.transpose(1, 2)))  # without positions the order does not count
    same = patches[:, :1, :1].expand(-1, 2, 2, -1)
    close(pool(same), pool.value(same[:, 0, 0]))


def test_a_resnet_ends_in_32_times_its_width():
    tower = make(ModifiedResNet, variants.resnet(64, 8, (1, 1, 1, 1)))
    assert tower.width == 256
    assert tower(torch.randn(1, 3, 64, 64)).shape == (1, 256)


def test_a_tuple_in_a_config_has_its_length():
    fields = {"image_size": 64, "width": 8, "num_heads": 4}
    assert from_dict(ModifiedResNetConfig, fields | {"num_blocks": [1, 2, 3, 4]}, where="x").num_blocks == (1, 2, 3, 4)
    for wrong in ([1, 2, 3], [1, 2, 3, 4.0], 4, [1, 2, 3, True]):
        with pytest.raises(UsageError, match="wrong type: num_blocks="):
            from_dict(ModifiedResNetConfig, fields | {"num_blocks": wrong}, where="x")


def test_an_activation_that_does_not_exist_is_refused():
    own = {name: value for name, value in variants.text(64).items() if name != "tower"}
    with pytest.raises(UsageError, match="wrong type: activation='silu'"):
        from_dict(TextTransformerConfig, own | {"activation": "silu"}, where="the text tower")
    with pytest.raises(UsageError, match="lacks \\['activation'\\]"):
        from_dict(
            ViTConfig,
            {k: v for k, v in variants.vit(32, 8, 32, 1, 1).items() if k not in ("tower", "activation")},
            where="x",
        )


def test_the_scale_starts_where_the_paper_starts():
    config = variants.clip(16, variants.vit(32, 16, 16, 1, 2), variants.text(64, 1) | {"vocabulary_size": 10})
    assert build(config).log_scale.exp().item() == pytest.approx(1 / 0.07)
    siglip = build(config | {"has_bias": True})
    assert siglip.log_scale.exp().item() == pytest.approx(10)
    assert siglip.bias.item() == -10


def test_a_tower_without_projection_must_end_in_the_models_width():
    head = HeadConfig(dim=8, image_projection="none", text_projection="none", has_bias=False)
    assert isinstance(_projection(head.image_projection, 8, 8), torch.nn.Identity)
    with pytest.raises(UsageError, match="must end in 8 numbers, got 16"):
        _projection("none", 16, 8)


def test_a_fresh_mlp_is_its_affine_part_and_no_longer_when_its_hidden_layer_speaks():
    torch.manual_seed(0)
    projection = _projection("mlp", 16, 8)
    assert isinstance(projection, Mlp)
    features = torch.randn(3, 16)
    assert torch.equal(projection(features), projection.affine(features))
    torch.nn.init.normal_(projection.down.weight)
    moved = projection(2 * features) - projection(features)
    assert not torch.allclose(moved, projection.affine(2 * features) - projection.affine(features), atol=1e-2)


def test_an_mlp_reads_every_patch_as_it_reads_one():
    torch.manual_seed(0)
    projection = _projection("mlp", 16, 8)
    torch.nn.init.normal_(projection.down.weight)
    patches = torch.randn(2, 3, 3, 16)
    one_by_one = torch.stack([projection(patch) for patch in patches.reshape(-1, 16)]).reshape(2, 3, 3, 8)
    torch.testing.assert_close(projection(patches), one_by_one)
