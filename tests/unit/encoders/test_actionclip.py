"""ActionCLIP's checkpoints: what ours computes from the names is what PyTorch's own layers compute from them."""

import json

import numpy as np
import pytest
import torch
from references import randomise

from seesay.base.errors import BundleError
from seesay.encoders.bundle import Bundle
from seesay.encoders.checkpoints.convert import convert
from seesay.encoders.checkpoints.keymap import from_ours
from seesay.encoders.temporal import load_video_clip
from seesay.encoders.video import TEMPORAL
from seesay.models import variants
from seesay.models.clip import build

T, E, HEADS, LAYERS = 3, 48, 2, 2
MODEL = variants.clip(
    E,
    variants.vit(32, 16, 64, 1, 1, activation="quick_gelu"),
    variants.text(64 * HEADS, 1, activation="quick_gelu"),
)


def make_tensor(*shape, seed=0):
    return 0.3 * torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape) + seed))


@pytest.fixture(scope="module")
def clip():
    return randomise(build(MODEL)).eval()


def transformer_state():
    state = {"frame_position_embeddings.weight": make_tensor(77, E)}
    for layer in range(LAYERS):
        prefix = f"transformer.resblocks.{layer}."
        shapes = {
            "attn.in_proj_weight": (3 * E, E),
            "attn.in_proj_bias": (3 * E,),
            "attn.out_proj.weight": (E, E),
            "attn.out_proj.bias": (E,),
            "ln_1.weight": (E,),
            "ln_1.bias": (E,),
            "mlp.c_fc.weight": (4 * E, E),
            "mlp.c_fc.bias": (4 * E,),
            "mlp.c_proj.weight": (E, 4 * E),
            "mlp.c_proj.bias": (E,),
            "ln_2.weight": (E,),
            "ln_2.bias": (E,),
        }
        state |= {prefix + name: make_tensor(*shape, seed=layer) for name, shape in shapes.items()}
    return state


def lstm_state():
    names = {"weight_ih_l0": (4 * E, E), "weight_hh_l0": (4 * E, E), "bias_ih_l0": (4 * E,), "bias_hh_l0": (4 * E,)}
    lstm = {f"lstm_visual.{name}": make_tensor(*shape) for name, shape in names.items()}
    return {"frame_position_embeddings.weight": make_tensor(77, E), **lstm}


def by_pytorch(kind, state, frames):
    """The formula of the paper's code with PyTorch's layers: what the names mean."""
    if kind == "mean":
        return frames.mean(dim=1)
    if kind == "lstm":
        lstm = torch.nn.LSTM(E, E, batch_first=True)
        lstm.load_state_dict({name.removeprefix("lstm_visual."): state[name] for name in state if "lstm" in name})
        return (lstm(frames)[0] + frames).mean(dim=1)
    x = frames + state["frame_position_embeddings.weight"][: frames.shape[1]]
    for layer in range(LAYERS):
        own = {name.split(f"resblocks.{layer}.")[1]: state[name] for name in state if f"resblocks.{layer}." in name}
        attention = torch.nn.MultiheadAttention(E, HEADS, batch_first=True)
        attention.load_state_dict(
            {name.removeprefix("attn."): tensor for name, tensor in own.items() if name.startswith("attn.")}
        )
        normed = torch.nn.functional.layer_norm(x, (E,), own["ln_1.weight"], own["ln_1.bias"], eps=1e-12)
        x = x + attention(normed, normed, normed, need_weights=False)[0]
        normed = torch.nn.functional.layer_norm(x, (E,), own["ln_2.weight"], own["ln_2.bias"], eps=1e-12)
        wide = normed @ own["mlp.c_fc.weight"].T + own["mlp.c_fc.bias"]
        x = x + (wide * torch.sigmoid(1.702 * wide)) @ own["mlp.c_proj.weight"].T + own["mlp.c_proj.bias"]
    return (x + frames).mean(dim=1)


def save(path, clip, fusion, towers=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    state = from_ours("openai", clip.state_dict(), MODEL) if towers is None else towers
    torch.save(
        {
            "epoch": 3,
            "model_state_dict": {name: tensor.half() for name, tensor in state.items()},
            "fusion_model_state_dict": {f"module.{name}": tensor for name, tensor in fusion.items()},
            "optimizer_state_dict": {"state": {}, "param_groups": [{"lr": 5e-6, "betas": (0.9, 0.98)}]},
        },
        path,
    )
    return path


KINDS = {"transformer": transformer_state, "lstm": lstm_state, "mean": dict}


@pytest.mark.parametrize("kind", KINDS)
def test_a_checkpoint_computes_what_its_layers_do(kind, clip, tmp_path):
    fusion = KINDS[kind]()
    convert(save(tmp_path / "vit16_32f" / "model_best.pt", clip, fusion), tmp_path / "out")
    ours = load_video_clip(Bundle.open(tmp_path / "out"))
    assert ours.temporal_config.num_frames == 32
    assert ours.temporal_config.head == kind
    videos = torch.randn(2, T, 3, 32, 32, generator=torch.Generator().manual_seed(5))
    with torch.inference_mode():
        halved = randomise(build(MODEL)).half().float().eval()
        frames = halved.project_images(videos.flatten(0, 1)).unflatten(0, (2, T))
        expected = by_pytorch(kind, fusion, frames)
        # 1e-3: QuickGELU and LayerNorm in another order of operations, on numbers of any length
        torch.testing.assert_close(ours.project_images(videos), expected, rtol=1e-3, atol=1e-3)


def test_the_frames_are_eight_where_no_name_says_it(clip, tmp_path):
    convert(save(tmp_path / "best.pt", clip, {}), tmp_path / "out")
    assert json.loads((tmp_path / "out" / TEMPORAL).read_text())["num_frames"] == 8


def test_the_convolution_is_refused(clip, tmp_path):
    path = save(tmp_path / "a.pt", clip, {"shift.weight": make_tensor(E, 1, 3)})
    with pytest.raises(BundleError, match="axes were taken for each other"):
        convert(path, tmp_path / "out")


def test_the_shift_is_refused(clip, tmp_path):
    state = from_ours("openai", clip.state_dict(), MODEL)
    shifted = {
        name.replace("visual.transformer.resblocks.0.", "visual.transformer.resblocks.0.net."): tensor
        for name, tensor in state.items()
    }
    with pytest.raises(BundleError, match="also moves what each block is added to"):
        convert(save(tmp_path / "a.pt", clip, {}, shifted), tmp_path / "out")


@pytest.mark.parametrize("name", ["transformer.transformer_enc.layers.0.norm1.weight", "gate.weight"])
def test_another_head_is_refused(name, clip, tmp_path):
    with pytest.raises(BundleError, match="another temporal head"):
        convert(save(tmp_path / "a.pt", clip, {name: make_tensor(E)}), tmp_path / "out")


def test_a_weight_too_many_is_refused(clip, tmp_path):
    fusion = {**transformer_state(), "gate.weight": make_tensor(E)}
    with pytest.raises(BundleError, match=r"gate\.weight"):
        convert(save(tmp_path / "a.pt", clip, fusion), tmp_path / "out")


def test_weights_of_another_model_are_refused(clip, tmp_path):
    convert(save(tmp_path / "a.pt", clip, lstm_state()), tmp_path / "out")
    weights = tmp_path / "out" / "temporal.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(BundleError, match="not the one that"):
        load_video_clip(Bundle.open(tmp_path / "out"))


def test_stored_weights_are_those_that_were_read(clip, tmp_path):
    fusion = lstm_state()
    convert(save(tmp_path / "a.pt", clip, fusion), tmp_path / "out")
    got = load_video_clip(Bundle.open(tmp_path / "out")).state_dict()["temporal.head.lstm.weight_ih_l0"]
    np.testing.assert_array_equal(got.numpy(), fusion["lstm_visual.weight_ih_l0"].numpy())
