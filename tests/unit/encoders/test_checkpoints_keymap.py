"""Names of weights, ours and theirs, both ways."""

import json

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from references import ours, shrink  # noqa: E402
from tiny import CLIP, make_state  # noqa: E402

from seesay.base.errors import BundleError, UnknownNameError, UsageError  # noqa: E402
from seesay.encoders.checkpoints import SOURCES  # noqa: E402
from seesay.encoders.checkpoints.files import unwrap  # noqa: E402
from seesay.encoders.checkpoints.keymap import from_ours, layout_of, rule, to_ours  # noqa: E402
from seesay.models.size import build_empty  # noqa: E402
from seesay.models.variants import VARIANTS  # noqa: E402

# one of each architecture, and who has it
HOLDERS = {
    "RN50": {"openai", "open_clip"},
    "RN50x64-quickgelu": {"openai", "open_clip"},
    "ViT-B-32": {"openai", "open_clip", "hf_clip"},
    "ViT-g-14": {"openai", "open_clip", "hf_clip"},
    "ViT-B-16-SigLIP": {"open_clip", "hf_siglip"},
    "ViT-SO400M-16-SigLIP-i18n-256": {"open_clip"},
    "ViT-gopt-16-SigLIP2-256": {"open_clip", "hf_siglip"},
    "PE-Core-T-16-384": {"open_clip"},
    "PE-Core-bigG-14-448": {"open_clip"},
}
PAIRS = [(name, source) for name, sources in HOLDERS.items() for source in sorted(sources)]


@pytest.mark.parametrize(("name", "source"), PAIRS)
def test_there_and_back_is_the_identity(name, source):
    if name in ("RN50x64-quickgelu", "ViT-g-14", "ViT-gopt-16-SigLIP2-256", "PE-Core-bigG-14-448"):
        model = VARIANTS[name].model  # large: shapes only
        state = build_empty(model).state_dict()
    else:
        model = shrink(VARIANTS[name].model)
        state = ours(model).state_dict()
    theirs = from_ours(source, state, model)
    back = to_ours(source, theirs, model)
    assert list(back) == list(state)
    for key, tensor in state.items():
        assert back[key].dtype == tensor.dtype
        assert back[key].shape == tensor.shape
        assert tensor.is_meta or torch.equal(back[key], tensor), key
    again = from_ours(source, back, model)
    assert {key: tensor.shape for key, tensor in again.items()} == {key: tensor.shape for key, tensor in theirs.items()}
    assert sum(tensor.numel() for tensor in theirs.values()) == sum(tensor.numel() for tensor in state.values())


@pytest.mark.parametrize("name", HOLDERS)
def test_who_has_no_such_model_says_so(name):
    assert SOURCES
    for source in SOURCES.keys() - HOLDERS[name]:
        with pytest.raises(UsageError, match="has no model with the towers"):
            layout_of(source, VARIANTS[name].model)


def test_an_unknown_source_offers_the_nearest():
    with pytest.raises(UnknownNameError, match="no checkpoint source is called 'openclip'; did you mean open_clip"):
        to_ours("openclip", {}, CLIP)


def test_half_precision_becomes_float32():
    state = make_state(CLIP)
    halves = {key: tensor.half() for key, tensor in from_ours("openai", state, CLIP).items()}
    back = to_ours("openai", halves, CLIP)
    assert all(torch.equal(back[key], tensor.half().float()) for key, tensor in state.items())


def test_the_first_five_mismatches_are_named_as_they_name_them():
    theirs = from_ours("openai", make_state(CLIP), CLIP)
    del theirs["visual.proj"], theirs["transformer.resblocks.1.attn.in_proj_bias"]
    theirs["visual.ln_pre.weight"] = torch.zeros(65)
    for extra in range(4):
        theirs[f"visual.extra.{extra}"] = torch.zeros(1)
    with pytest.raises(BundleError) as raised:
        to_ours("openai", theirs, CLIP)
    message = str(raised.value)
    assert "visual.proj is missing; " in message
    assert "transformer.resblocks.1.attn.in_proj_bias is missing; " in message
    assert "visual.extra.2 is unknown and 2 more" in message
    assert "visual.extra.3" not in message
    assert "as OpenAI names them" in message
    theirs = from_ours("openai", make_state(CLIP), CLIP) | {"visual.ln_pre.weight": torch.zeros(65)}
    with pytest.raises(BundleError, match=r"visual\.ln_pre\.weight has shape \(65,\), expected \(64,\)"):
        to_ours("openai", theirs, CLIP)


def test_a_checkpoint_of_another_size_is_refused():
    other = CLIP | {"image": CLIP["image"] | {"num_layers": 3}}
    with pytest.raises(BundleError, match=r"resblocks\.2.* is unknown"):
        to_ours("open_clip", from_ours("open_clip", make_state(other), other), CLIP)
    with pytest.raises(BundleError, match=r"resblocks\.2.* is missing"):
        to_ours("open_clip", from_ours("open_clip", make_state(CLIP), CLIP), other)


def test_the_wrong_weights_are_not_written():
    state = make_state(CLIP)
    del state["log_scale"]
    with pytest.raises(BundleError, match="as seesay names them: log_scale is missing"):
        from_ours("openai", state, CLIP)


@pytest.mark.parametrize("wrapper", ["module.{}", "text.{}", "module.text.{}", "_orig_mod.text.{}", "model.text.{}"])
def test_wrapped_names_are_read(wrapper):
    state = make_state(CLIP)
    words = ("token_embedding", "positional_embedding", "transformer", "ln_final", "text_projection")
    theirs = {
        wrapper.format(key) if key.startswith(words) else wrapper.replace("text.", "").format(key): tensor
        for key, tensor in from_ours("open_clip", state, CLIP).items()
    }
    back = to_ours("open_clip", unwrap(theirs, where="x.pt"), CLIP)
    assert all(torch.equal(back[key], tensor) for key, tensor in state.items())


def test_what_holds_no_weights_is_left_out():
    state = make_state(CLIP)
    theirs = from_ours("openai", state, CLIP) | {
        key: torch.tensor(1) for key in ("input_resolution", "context_length", "vocab_size")
    }
    assert to_ours("openai", theirs, CLIP).keys() == state.keys()
    theirs = from_ours("hf_clip", state, CLIP)
    theirs |= {f"{side}_model.embeddings.position_ids": torch.arange(3)[None] for side in ("text", "vision")}
    assert to_ours("hf_clip", theirs, CLIP).keys() == state.keys()


def test_a_scale_may_have_an_axis_or_none():
    state = make_state(CLIP)
    theirs = from_ours("open_clip", state, CLIP)
    theirs["logit_scale"] = theirs["logit_scale"].reshape(1)
    assert torch.equal(to_ours("open_clip", theirs, CLIP)["log_scale"], state["log_scale"])


def test_batch_counters_may_be_missing():
    model = shrink(VARIANTS["RN50"].model)
    state = ours(model).state_dict()
    theirs = from_ours("openai", state, model)
    without = {key: tensor for key, tensor in theirs.items() if not key.endswith("num_batches_tracked")}
    assert len(without) < len(theirs)
    assert to_ours("openai", without, model)["stem.0.norm.num_batches_tracked".join(("image_tower.", ""))] == 0


def test_rules_are_data():
    both = rule(("a.{n}.q", "a.{n}.k"), "b.{n}.qk")
    assert json.loads(json.dumps([both.ours, both.theirs])) == [["a.{n}.q", "a.{n}.k"], ["b.{n}.qk"]]
