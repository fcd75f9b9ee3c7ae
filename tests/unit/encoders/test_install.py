"""Pulling a model: from a hub on localhost or from files, with tiny random weights."""

import dataclasses
import io
import json
from pathlib import Path

import huggingface_hub.constants
import numpy as np
import pytest
import tokenizers
import torch
from hub import Hub, Repo
from safetensors.torch import load_file, save_file
from tiny import CLIP, SIGLIP, make_bundle

from seesay.base.errors import BundleError, UnknownNameError, UsageError
from seesay.encoders import foreign, load
from seesay.encoders.bundle import file_sha256
from seesay.encoders.catalog import CATALOG, Entry, installed_folder, read_lock
from seesay.encoders.checkpoints.keymap import from_ours
from seesay.encoders.install import pull
from seesay.encoders.ready import BundleEncoder
from seesay.encoders.selftest import make_picture
from seesay.encoders.torch import TorchBackend, load_clip
from seesay.models.variants import VARIANTS, Variant

WEIGHTS = "open_clip_model.safetensors"
PICTURES, TEXTS = [make_picture(0, (90, 70))], ["a photo of a dog", "two cats"]


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return make_bundle(tmp_path_factory.mktemp("original") / "bundle", CLIP, "clip")


@pytest.fixture(scope="module")
def files(original, tmp_path_factory):
    """What its repository on the hub holds."""
    folder = tmp_path_factory.mktemp("repo")
    foreign.write_open_clip(original, folder)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SEESAY_MODELS", str(tmp_path / "models"))
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def no_graphs(monkeypatch):
    """Tracing takes seconds, and most tests here are not about it."""
    monkeypatch.setattr("seesay.encoders.export.export", lambda folder: None)


@pytest.fixture
def hub(files, monkeypatch):
    with Hub({"org/tiny": Repo(dict(files))}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


@pytest.fixture
def entry(monkeypatch):
    """A name of the catalog whose architecture is tiny."""
    monkeypatch.setitem(VARIANTS, "tiny", Variant(model=CLIP, family="clip"))
    entry = Entry(
        name="test/tiny",
        variant="tiny",
        repo="org/tiny",
        revision=None,
        sha256={},
        licence="MIT",
        top1=None,
        top1_source=None,
    )
    monkeypatch.setitem(CATALOG, entry.name, entry)
    return entry


def vectors(encoder):
    return np.concatenate([encoder.encode_images(PICTURES), encoder.encode_texts(TEXTS)])


def reference(bundle):
    return vectors(BundleEncoder(bundle, TorchBackend(bundle, device="cpu")))


def test_a_repository_becomes_a_model_that_gives_its_vectors(hub, original):
    bundle = pull("hf-hub:org/tiny")
    assert sorted(path.name for path in bundle.folder.iterdir()) == [
        "config.json",
        "image.onnx",
        "model.safetensors",
        "selftest.json",
        "text.onnx",
        "text_packed.onnx",
        "tokenizer.json",
    ]
    encoder = load("hf-hub:org/tiny")
    np.testing.assert_allclose(vectors(encoder), reference(original), atol=1e-5)
    assert encoder.id.startswith("hf-hub:org/tiny@")  # by which a library finds it again
    assert [path.suffix for path in (bundle.folder.parents[1] / ".downloads").iterdir()] == [".lock"]  # it has served
    hub.requests.clear()
    assert pull("hf-hub:org/tiny").id == bundle.id
    assert hub.requests == []


def test_a_name_of_the_catalog_brings_its_licence_and_architecture(hub, entry, no_graphs):
    bundle = pull(entry.name)
    assert (bundle.name, bundle.licence, dict(bundle.model)) == ("test/tiny", "MIT", CLIP)
    assert installed_folder(entry.name) == bundle.folder
    locked = read_lock()[entry.name]
    assert locked["revision"] == hub.repos["org/tiny"].commit
    assert locked["sha256"][WEIGHTS] == hub.repos["org/tiny"].sha256(WEIGHTS)


def test_what_the_first_pull_found_is_what_later_ones_must_find(hub, entry, no_graphs):
    folder = pull(entry.name).folder
    folder.rename(folder.with_name("away"))
    hub.repos["org/tiny"].files[WEIGHTS] += b"exchanged"
    with pytest.raises(BundleError, match="is not the file that was expected"):
        pull(entry.name)


def test_a_new_revision_is_taken_only_when_asked_for(hub, entry, no_graphs):
    first = pull(entry.name)
    hub.repos["org/tiny"].commit = "f" * 40
    _change(hub.repos["org/tiny"])
    assert pull(entry.name).folder == first.folder
    second = pull(entry.name, is_update=True)
    assert second.folder.name == f"tiny@{'f' * 12}"
    assert installed_folder(entry.name) == second.folder


def test_a_revision_that_is_asked_for_is_taken(hub, no_graphs):
    pull("hf-hub:org/tiny")
    hub.repos["org/tiny"].commit = "f" * 40
    _change(hub.repos["org/tiny"])
    bundle = pull(f"hf-hub:org/tiny@{'f' * 40}")
    assert (bundle.name, bundle.folder.name) == ("hf-hub:org/tiny", f"tiny@{'f' * 12}")


def _change(repo):
    """Other weights of the same shapes, as a new revision has."""
    content = bytearray(repo.files[WEIGHTS])
    content[-2] ^= 1
    repo.files[WEIGHTS] = bytes(content)


def test_a_pinned_hash_that_differs_is_refused(hub, entry, no_graphs, monkeypatch):
    monkeypatch.setitem(CATALOG, entry.name, dataclasses.replace(entry, sha256={WEIGHTS: "0" * 64}))
    with pytest.raises(BundleError, match=f"expected {'0' * 64}"):
        pull(entry.name)
    assert installed_folder(entry.name) is None


def test_another_architecture_is_refused_with_the_first_mismatches(hub, entry, monkeypatch):
    wide = CLIP | {"dim": 56}
    monkeypatch.setitem(VARIANTS, "tiny", Variant(model=wide, family="clip"))
    with pytest.raises(
        BundleError, match=r"visual\.proj has shape \(64, 48\), expected \(64, 56\); text_projection has"
    ):
        pull(entry.name)
    assert installed_folder(entry.name) is None


class Evil:
    def __reduce__(self):
        return (exec, ("raise SystemExit('the pickle ran')",))


def test_a_pickle_with_code_is_refused_and_not_run(hub, entry):
    del hub.repos["org/tiny"].files[WEIGHTS]
    content = io.BytesIO()
    torch.save({"state_dict": Evil()}, content)
    hub.repos["org/tiny"].files["open_clip_pytorch_model.bin"] = content.getvalue()
    with pytest.raises(BundleError, match="is refused: it is cut short, or holds more than weights"):
        pull(entry.name)


def test_a_repository_of_transformers(hub, original, tmp_path, no_graphs):
    siglip = make_bundle(tmp_path / "siglip", SIGLIP, "siglip", _siglip_tokenizer())
    for name, bundle in (("clip", original), ("siglip", siglip)):
        folder = tmp_path / name / "hf"
        foreign.write_hf(bundle, folder)
        hub.repos[f"hf/{name}"] = Repo({path.name: path.read_bytes() for path in folder.iterdir()})
        pulled = pull(f"hf-hub:hf/{name}")
        there = as_transformers(bundle)
        assert pulled.image == there.image
        cleaner = "none" if name == "siglip" else "lower"  # SigLIP's is written into its tokenizer
        assert pulled.text == dataclasses.replace(bundle.text, cleaner=cleaner)
        np.testing.assert_allclose(reference(pulled), reference(there), atol=1e-6)


def as_transformers(bundle):
    """The bundle with pictures cut where transformers cuts them: one pixel earlier, where what is left over is odd."""
    rounding = "down" if bundle.image.resize == "shortest" else "even"
    return dataclasses.replace(bundle, image=dataclasses.replace(bundle.image, crop_rounding=rounding))


def test_a_folder_with_weights_in_several_files(original, tmp_path, no_graphs):
    folder = tmp_path / "parts"
    foreign.write_hf(original, folder)
    whole = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    parts = {"one.safetensors": sorted(whole)[::2], "two.safetensors": sorted(whole)[1::2]}
    for file, names in parts.items():
        save_file({name: whole[name] for name in names}, folder / file)
    places = {name: file for file, names in parts.items() for name in names}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    pulled = pull(str(folder))
    np.testing.assert_allclose(reference(pulled), reference(as_transformers(original)), atol=1e-6)
    assert read_lock()["local/parts"]["sha256"].keys() == {*parts, "model.safetensors.index.json"}
    (folder / "two.safetensors").unlink()
    with pytest.raises(BundleError, match=r"two\.safetensors is not there, and model\.safetensors\.index\.json names"):
        pull(str(folder))


def _siglip_tokenizer():
    words = {word: number for number, word in enumerate(["<pad>", "</s>", "<unk>", "a", "photo", "of", "dog"])}
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="<unk>"))
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    backend.post_processor = tokenizers.processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    backend.add_special_tokens(["<pad>", "</s>", "<unk>"])
    return backend.to_str().encode()


@pytest.fixture
def archive(original, tmp_path):
    """OpenAI's kind of file: a state dict with the three counts of their archives."""
    state = from_ours("openai", load_clip(original).state_dict(), CLIP)
    counts = {"input_resolution": 64, "context_length": 77, "vocab_size": 49408}
    state |= {key: torch.tensor(number) for key, number in counts.items()}
    torch.save(state, tmp_path / "mine.pt")
    return tmp_path / "mine.pt"


def test_a_file_on_this_machine(archive, original, no_graphs, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody is asked
    monkeypatch.setitem(VARIANTS, "tiny", Variant(model=CLIP, family="clip"))
    bundle = pull(str(archive), variant="tiny")
    assert bundle.name == "local/mine"
    np.testing.assert_allclose(reference(bundle), reference(original), atol=1e-6)
    state = torch.load(archive)
    torch.save({**state, "text_projection": state["text_projection"] + 1}, archive)  # it is its owner's to change
    assert pull(str(archive), variant="tiny").id != bundle.id


def test_openais_archive_is_known_by_its_hash(archive, entry, no_graphs, monkeypatch):
    known = dataclasses.replace(entry, archive_sha256=file_sha256(archive))
    monkeypatch.setitem(CATALOG, entry.name, known)
    assert pull(str(archive)).name == entry.name
    assert installed_folder(entry.name) is not None


def test_a_file_that_does_not_say_what_it_is(files, tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(files[WEIGHTS])
    with pytest.raises(UsageError, match=r"does not say what it is: .*; name the variant, such as"):
        pull(str(path))
    with pytest.raises(UnknownNameError, match="no variant is called 'ViT-B32'; did you mean ViT-B-32"):
        pull(str(path), variant="ViT-B32")


def test_files_from_another_machine_stand_in_for_the_hub(files, entry, tmp_path, no_graphs, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    assert pull(entry.name, source=tmp_path).name == entry.name
    monkeypatch.setitem(CATALOG, entry.name, dataclasses.replace(entry, sha256={WEIGHTS: "0" * 64}))
    with pytest.raises(BundleError, match=f"is not the file that test/tiny was published with: .* expected {'0' * 64}"):
        pull(entry.name, source=tmp_path)
    with pytest.raises(UsageError, match="--from nowhere is not there"):
        pull(entry.name, source=Path("nowhere"))


def test_a_model_that_fails_its_self_test_never_gets_its_name(hub, entry, monkeypatch):
    def fail(folder):
        raise BundleError("off by one")

    monkeypatch.setattr("seesay.encoders.export.export", fail)
    with pytest.raises(BundleError, match="off by one"):
        pull(entry.name)
    assert installed_folder(entry.name) is None
    assert read_lock() == {}
    hub.requests.clear()
    monkeypatch.setattr("seesay.encoders.export.export", lambda folder: None)
    pull(entry.name)  # and what was fetched is not fetched again
    assert hub.gets() == []


@pytest.mark.parametrize("name", ["hf-hub:../../etc", "hf-hub:org", "hf-hub:org/.name", "hf-hub:/abs/path"])
def test_a_name_cannot_lead_out_of_the_models_folder(name):
    with pytest.raises(UsageError, match="names no repository; write it as hf-hub:org/name"):
        pull(name)


def test_what_needs_no_pull_says_so(original):
    with pytest.raises(UsageError, match="starter ships with seesay"):
        pull("starter")
    with pytest.raises(UsageError, match="is a model already; use it with --model"):
        pull(str(original.folder))
    with pytest.raises(UnknownNameError, match="did you mean openai/RN50"):
        pull("openai/RN5O")


def test_the_lock_keeps_what_others_wrote(hub, entry, no_graphs, tmp_path):
    pull("hf-hub:org/tiny")
    pull(entry.name)
    lock = json.loads((tmp_path / "models" / "lock.json").read_text())
    assert list(lock) == ["hf-hub:org/tiny", "test/tiny"]
