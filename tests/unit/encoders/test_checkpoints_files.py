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
    torch.save({"epoch": 3, "name": "run", "state_dict": STATE, "optimizer": {"lr": 0.1}}, tmp_path / "epoch_3.pt")
    same(read_tensors(tmp_path / "epoch_3.pt"), STATE)


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
