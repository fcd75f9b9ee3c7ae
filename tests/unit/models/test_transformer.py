"""The block that every transformer here is made of."""

import math

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from seesay.models.transformer import (  # noqa: E402
    ACTIVATIONS,
    AttentionPool,
    Block,
    Rotation,
    attend,
    resize_positions,
    rotate,
)

SIZES = {"width": 16, "num_heads": 4, "mlp_dim": 24, "activation": "gelu", "norm_eps": 1e-5}


def close(one, other):
    torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


@pytest.fixture
def block():
    torch.manual_seed(0)
    return Block(**SIZES)


@pytest.fixture
def tokens():
    return torch.randn(3, 5, 16, generator=torch.Generator().manual_seed(0))


def test_attention_by_hand():
    queries, keys = torch.tensor([[[1.0, 0.0]]]), torch.tensor([[[2.0, 0.0], [0.0, 2.0]]])
    values = torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    weight = math.exp(2 / math.sqrt(2)) / (math.exp(2 / math.sqrt(2)) + 1)
    close(attend(queries, keys, values, 1), torch.tensor([[[weight, 1 - weight]]]))
    # with two heads each sees one number: scores 2 and 0 at scale 1 in the first, all 0 in the second
    first = math.exp(2) / (math.exp(2) + 1)
    close(attend(queries, keys, values, 2), torch.tensor([[[first, 0.5]]]))


def test_a_block_is_pytorchs_own_layer(block, tokens):
    theirs = torch.nn.TransformerEncoderLayer(
        16, 4, 24, dropout=0, activation="gelu", batch_first=True, norm_first=True
    )
    theirs.self_attn.in_proj_weight.data, theirs.self_attn.in_proj_bias.data = block.qkv.weight, block.qkv.bias
    for name, ours in (
        ("self_attn.out_proj", block.attention_out),
        ("linear1", block.mlp_in),
        ("linear2", block.mlp_out),
    ):
        theirs.get_submodule(name).load_state_dict(ours.state_dict())
    close(block(tokens), theirs(tokens))
    causal = torch.nn.Transformer.generate_square_subsequent_mask(5)
    close(block(tokens, is_causal=True), theirs(tokens, src_mask=causal))


def test_updating_some_tokens_is_updating_all_and_taking_some(block, tokens):
    close(block.update(tokens[:, 1:3], tokens), block(tokens)[:, 1:3])
    before = (torch.arange(5) <= 2)[None]
    close(block.update(tokens[:, 2:3], tokens, allowed=before), block(tokens, is_causal=True)[:, 2:3])


def test_alone_is_a_sequence_of_one(block, tokens):
    pool = AttentionPool(**SIZES)
    for index in range(5):
        single = tokens[:, index : index + 1]
        close(block.alone(tokens)[:, index], block(single)[:, 0])
        close(pool.alone(tokens)[:, index], pool(single))


def test_a_pool_does_not_see_the_order_of_tokens(tokens):
    pool = AttentionPool(**SIZES)
    close(pool(tokens), pool(tokens.flip(1)))


def test_activations_are_what_they_are_called():
    x = torch.linspace(-4, 4, 101)
    exact = torch.tensor([value * 0.5 * (1 + math.erf(value / math.sqrt(2))) for value in x.tolist()])
    close(ACTIVATIONS["gelu"](x), exact)
    # the swap that no shape betrays: small enough to go unnoticed, large enough to cost accuracy
    assert 2e-4 < (ACTIVATIONS["gelu_tanh"](x) - exact).abs().max() < 6e-4
    assert 0.015 < (ACTIVATIONS["quick_gelu"](x) - exact).abs().max() < 0.025


def test_rotation_turns_pairs_and_leaves_the_prefix():
    tokens = torch.tensor([[[[1.0, 2.0, 3.0, 4.0], [1.0, 0.0, 0.0, 1.0]]]])
    angles = torch.tensor([[math.pi / 2, math.pi / 2, math.pi, math.pi]])
    turned = rotate(tokens, Rotation(angles.cos(), angles.sin(), 1))
    close(turned, torch.tensor([[[[1.0, 2.0, 3.0, 4.0], [0.0, 1.0, 0.0, -1.0]]]]))


def test_only_the_distance_of_rotated_tokens_counts():
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 8, generator=generator)
    speeds = torch.rand(4, generator=generator).repeat_interleave(2)

    def score(place, other):
        both = []
        for tokens, where in ((query, place), (key, other)):
            angles = (where * speeds)[None]
            both.append(rotate(tokens.view(1, 1, 1, 8), Rotation(angles.cos(), angles.sin(), 0)))
        return (both[0] * both[1]).sum()

    close(score(2, 5), score(9, 12))
    assert (score(2, 5) - score(2, 6)).abs() > 1e-3


def test_positions_of_the_learned_size_are_left_as_they_are():
    positions = torch.randn(1 + 16, 8)
    assert resize_positions(positions, (4, 4), num_prefix=1) is positions


def test_resized_positions_keep_the_prefix_and_where_things_are():
    side = torch.linspace(0, 1, 8)
    rows, columns = torch.meshgrid(side, side, indexing="ij")
    positions = torch.cat([torch.full((1, 2), 9.0), torch.stack([rows, columns], 2).flatten(0, 1)])
    resized = resize_positions(positions, (3, 6), num_prefix=1)
    assert resized.shape == (1 + 18, 2)
    assert resized[0].tolist() == [9.0, 9.0]
    row, column = resized[1:].view(3, 6, 2).unbind(2)
    assert (row.diff(dim=0) > 0).all()
    assert (column.diff(dim=1) > 0).all()
    close(row, row[:, :1].expand(3, 6))
    close(column, column[:1].expand(3, 6))


def test_positions_in_half_precision_are_resized_in_float32():
    positions = torch.randn(16, 8, generator=torch.Generator().manual_seed(0)).half()
    resized = resize_positions(positions, (7, 7), num_prefix=0)
    assert resized.dtype == torch.float16
    exact = resize_positions(positions.float(), (7, 7), num_prefix=0)
    assert (resized.float() - exact).abs().max() < 2e-3
