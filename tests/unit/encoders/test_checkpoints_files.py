"""Reading other people's files, and refusing to run what is in them."""

import contextlib
import io
import json
import pickle
import random
import warnings
import zipfile

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed")

from safetensors.torch import save_file  # noqa: E402

from seesay.base.errors import BundleError  # noqa: E402
from seesay.encoders.checkpoints.files import read_tensors  # noqa: E402
from seesay.encoders.checkpoints.folder import find_weights  # noqa: E402
from seesay.encoders.checkpoints.torchscript import is_torchscript  # noqa: E402

STATE = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.tensor(3)}


class Evil:
    """Unpickling it writes a file: what a checkpoint with code in it would do."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


class Tiny(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.token_embedding = torch.nn.Embedding(5, 4).half()
        self.visual = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.BatchNorm2d(2))
        self.text_projection = torch.nn.Parameter(torch.randn(4, 6).t())
        self.register_buffer("context_length", torch.tensor(77))
        self.names = ["a", "b"]

    def forward(self, images):
        return self.visual(images)


@pytest.fixture(params=["scripted", "traced"])
def archive(request, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated; OpenAI's archives are from 2021
        module = Tiny().eval()
        if request.param == "scripted":
            script = torch.jit.script(module)
        else:
            script = torch.jit.trace(module, torch.randn(1, 3, 4, 4))
        script.save(tmp_path / "archive.pt")
        return tmp_path / "archive.pt", script.state_dict()


def same(one, other):
    assert one.keys() == other.keys()
    for key, tensor in other.items():
        assert one[key].dtype == tensor.dtype
        assert torch.equal(one[key], tensor)


def test_the_tensors_of_an_archive_are_those_of_its_module(archive):
    path, expected = archive
    assert is_torchscript(path)
    same(read_tensors(path), expected)


def rewrite(path, change):
    """The archive with some of its members replaced."""
    with zipfile.ZipFile(path) as old:
        members = {name: old.read(name) for name in old.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as new:
        for name, content in members.items():
            new.writestr(name, content)


def test_the_code_of_an_archive_is_not_even_read(archive):
    path, expected = archive

    def spoil(members):
        for name in members:
            if "/code/" in name:
                members[name] = b"raise SystemExit"

    rewrite(path, spoil)
    same(read_tensors(path), expected)


def test_an_archive_with_code_in_its_pickle_is_refused(archive, tmp_path):
    path, _ = archive
    target = tmp_path / "written"
    rewrite(path, lambda members: members.update({"archive/data.pkl": pickle.dumps({"a": Evil(target)})}))
    with pytest.raises(BundleError, match=r"archive\.pt is refused: its pickle asks for (_?io|builtins)\.open"):
        read_tensors(path)
    assert not target.exists()


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x80\x02.",
        b"cos\nsystem\n.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        b"\x80\x02U\x01aQ.",
        b"\x80\x02ctorch\nFloatStorage\n)R.",
    ],
)
def test_a_broken_archive_is_a_bundle_error(archive, content):
    path, _ = archive
    rewrite(path, lambda members: members.update({"archive/data.pkl": content}))
    with pytest.raises(BundleError, match=r"archive\.pt is (refused|not a sound TorchScript archive)"):
        read_tensors(path)


def test_an_archive_whose_tensors_reach_beyond_their_bytes_is_refused(archive):
    path, _ = archive

    def cut(members):
        for name in members:
            if "/data/" in name:
                members[name] = members[name][:4]

    rewrite(path, cut)
    with pytest.raises(BundleError, match="is not a sound TorchScript archive"):
        read_tensors(path)


@pytest.mark.parametrize("name", ["open_clip_pytorch_model.bin", "checkpoint.pt", "old.pth"])
def test_a_state_dict_is_read(tmp_path, name):
    torch.save(STATE, tmp_path / name, _use_new_zipfile_serialization=name != "old.pth")
    same(read_tensors(tmp_path / name), STATE)


def test_a_training_checkpoint_is_read_for_its_weights(tmp_path):
    torch.save({"epoch": 3, "name": "run", "state_dict": WEIGHTS, "optimizer": {"lr": 0.1}}, tmp_path / "epoch_3.pt")
    same(read_tensors(tmp_path / "epoch_3.pt"), WEIGHTS)


@pytest.mark.parametrize("is_zip", [True, False])
def test_a_pickle_with_code_in_it_is_refused(tmp_path, is_zip):
    target = tmp_path / "written"
    torch.save({"a": STATE["b"], "evil": Evil(target)}, tmp_path / "evil.pt", _use_new_zipfile_serialization=is_zip)
    with pytest.raises(BundleError, match=r"evil\.pt is refused: .* holds more than weights"):
        read_tensors(tmp_path / "evil.pt")
    assert not target.exists()


def test_safetensors_are_read(tmp_path):
    halves = {key: tensor.to(torch.bfloat16) for key, tensor in STATE.items()}
    save_file(halves, tmp_path / "model.safetensors")
    same(read_tensors(tmp_path / "model.safetensors"), halves)


def test_shards_are_joined_and_stay_in_their_folder(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    save_file({"a.weight": STATE["a.weight"]}, folder / "one.safetensors")
    save_file({"b": STATE["b"]}, folder / "two.safetensors")
    index = folder / "model.safetensors.index.json"
    places = {"a.weight": "one.safetensors", "b": "two.safetensors"}
    index.write_text(json.dumps({"weight_map": places}))
    assert find_weights(folder) == index
    same(read_tensors(index), STATE)
    save_file(STATE, tmp_path / "outside.safetensors")
    index.write_text(json.dumps({"weight_map": {"b": "../outside.safetensors"}}))
    with pytest.raises(BundleError, match=r"outside\.safetensors is not there"):
        read_tensors(index)
    index.write_text("{}")
    with pytest.raises(BundleError, match="has no weight_map"):
        read_tensors(index)


def test_open_clips_weights_come_before_transformers(tmp_path):
    for name in ("pytorch_model.bin", "model.safetensors", "open_clip_model.safetensors"):
        (tmp_path / name).touch()
    assert find_weights(tmp_path).name == "open_clip_model.safetensors"


def test_what_is_missing_cut_short_or_no_weights_is_a_bundle_error(tmp_path):
    with pytest.raises(BundleError, match=r"nothing\.pt is not there"):
        read_tensors(tmp_path / "nothing.pt")
    with pytest.raises(BundleError, match="has no weights; it should hold one of open_clip_model"):
        find_weights(tmp_path)
    buffer = io.BytesIO()
    torch.save(STATE, buffer)
    for name, content in (("cut.pt", buffer.getvalue()[:700]), ("text.bin", b"<html>404</html>"), ("none.pt", b"")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BundleError, match=rf"{name} is refused: it is cut short"):
            read_tensors(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(BundleError, match="holds no weights by name but a list"):
        read_tensors(tmp_path / "list.pt")
    (tmp_path / "cut.safetensors").write_bytes(b"\x10\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(BundleError, match=r"cut\.safetensors is not a sound safetensors file"):
        read_tensors(tmp_path / "cut.safetensors")


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("kind", ["zip", "pickle", "archive"])
def test_any_damage_is_a_bundle_error_or_none(tmp_path, kind):
    path = tmp_path / "damaged.pt"
    if kind == "archive":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.jit.script(Tiny()).save(path)
    else:
        torch.save(STATE, path, _use_new_zipfile_serialization=kind == "zip")
    whole, generator = path.read_bytes(), random.Random(0)
    for _ in range(150):
        damaged = bytearray(whole)
        for _ in range(generator.choice((1, 3, 10))):
            damaged[generator.randrange(len(damaged))] = generator.randrange(256)
        path.write_bytes(damaged)
        with contextlib.suppress(BundleError):
            read_tensors(path)


WEIGHTS = {
    "logit_scale": torch.tensor(2.0),
    "visual.proj": torch.arange(6.0).view(2, 3),
    "token_embedding.weight": torch.arange(4.0).view(2, 2),
}


def named(prefix, state=WEIGHTS):
    return {prefix + name: tensor for name, tensor in state.items()}


CUSTOM = {
    "logit_scale": torch.tensor(2.0),
    "text.token_embedding.weight": torch.ones(2, 2),
    "visual.trunk.w": torch.ones(1),
}
HF = {"logit_scale": torch.tensor(2.0), "text_model.w": torch.ones(1), "vision_model.w": torch.ones(1)}


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (WEIGHTS, WEIGHTS),
        (named("module."), WEIGHTS),
        (named("_orig_mod."), WEIGHTS),
        (named("module._orig_mod."), WEIGHTS),
        (named("_orig_mod.module."), WEIGHTS),
        (named("_fsdp_wrapped_module."), WEIGHTS),
        ({"visual._orig_mod.proj": WEIGHTS["visual.proj"]}, {"visual.proj": WEIGHTS["visual.proj"]}),
        ({"epoch": 1, "state_dict": named("module."), "optimizer": {"state": {0: torch.ones(1)}}}, WEIGHTS),
        ({"epoch": 1, "model_state_dict": WEIGHTS, "loss": torch.tensor(1.0), "optimizer_state_dict": {}}, WEIGHTS),
        ({"model": WEIGHTS}, WEIGHTS),
        ({"model": {"state_dict": named("module.")}}, WEIGHTS),
        ({"module": WEIGHTS, "lr_scheduler": {"w": torch.ones(1)}}, WEIGHTS),  # DeepSpeed
        ({"state_dict": named("model.") | {"criterion.weight": torch.ones(2)}}, WEIGHTS),  # Lightning
        ({"state_dict": named("net.clip.")}, WEIGHTS),
        ({"ema": named("", HF), "model": WEIGHTS}, WEIGHTS),  # the average is not what was asked for
        ({"model_ema": WEIGHTS}, WEIGHTS),
        (named("model.") | named("ema_model."), WEIGHTS),
        ({"weird": WEIGHTS}, WEIGHTS),
        (named("model.", CUSTOM), CUSTOM),
        (named("clip.", HF), HF),
    ],
)
def test_weights_are_found_in_what_training_programs_wrap_them_in(tmp_path, content, expected):
    torch.save(content, tmp_path / "x.pt")
    same(read_tensors(tmp_path / "x.pt"), expected)


@pytest.mark.parametrize("wrapped", [named("module._orig_mod."), named("model.")])
def test_safetensors_are_unwrapped_too(tmp_path, wrapped):
    save_file(wrapped, tmp_path / "x.safetensors")
    same(read_tensors(tmp_path / "x.safetensors"), WEIGHTS)


def test_weights_that_cannot_be_told_apart_are_named(tmp_path):
    torch.save(named("student.") | named("teacher."), tmp_path / "two.pt")
    with pytest.raises(BundleError, match=r"of 2 models, whose names begin with 'student\.', 'teacher\.'; save"):
        read_tensors(tmp_path / "two.pt")
    torch.save({"epoch": 3, "gan": {"generator.weight": torch.ones(2)}}, tmp_path / "other.pt")
    with pytest.raises(BundleError, match=r"no weights of a CLIP .*; 'gan' holds 1 tensors, the first 'generator"):
        read_tensors(tmp_path / "other.pt")
    torch.save({"epoch": 3, "args": {}}, tmp_path / "none.pt")
    with pytest.raises(BundleError, match="no weights of a CLIP where we look for them; its keys are 'epoch', 'args'"):
        read_tensors(tmp_path / "none.pt")
