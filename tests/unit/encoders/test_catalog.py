"""The catalog's facts, and where models are looked for."""

import json
import re

import pytest

from seesay.base.errors import BundleError, UnknownNameError, UsageError
from seesay.encoders import catalog, recipes
from seesay.encoders.catalog import CATALOG, SIZES, bundle_folder, installed_folder, open_bundle, read_lock
from seesay.encoders.facts import all_facts, facts
from seesay.models.variants import VARIANTS

NINE = ("RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B-32", "ViT-B-16", "ViT-L-14", "ViT-L-14-336")


@pytest.fixture(autouse=True)
def models(tmp_path, monkeypatch):
    monkeypatch.setenv("SEESAY_MODELS", str(tmp_path / "models"))
    return tmp_path / "models"


def write_lock(models, **entries):
    models.mkdir(exist_ok=True)
    (models / "lock.json").write_text(json.dumps(entries))


def test_the_papers_nine_are_there_with_quickgelu_and_the_hash_of_openais_archive():
    for name in NINE:
        entry = CATALOG[f"openai/{name}"]
        assert entry.variant == f"{name}-quickgelu"
        assert re.fullmatch("[0-9a-f]{64}", entry.archive_sha256)


def test_the_names_that_people_ask_for_are_there():
    for name in (
        *("laion2b/ViT-B-32", "datacomp/ViT-B-32-256", "siglip/B-16", "siglip2/B-32-256", "pe-core/B-16"),
        *("laion400m/ViT-B-32", "laion2b/ViT-g-14-s12B", "siglip/B-16-i18n-256", "metaclip/ViT-B-32", "dfn2b/ViT-L-14"),
        *("dfn5b/ViT-H-14-378", "bioclip/ViT-B-16", "streetclip/ViT-L-14-336", "fashionclip/ViT-B-32"),
        "marqo-fashion/B-16-SigLIP",
    ):
        assert name in CATALOG


@pytest.mark.parametrize("entry", CATALOG.values(), ids=lambda entry: entry.name)
def test_an_entry_is_whole(entry):
    variant = VARIANTS[entry.variant]
    assert variant.family in recipes.RECIPES
    assert re.fullmatch(r"[\w.-]+/[\w.-]+", entry.repo)
    assert entry.licence in ("MIT", "Apache-2.0", "CC-BY-NC-4.0", "LicenseRef-apple-amlr")
    # what does not allow every use says so in words too
    assert entry.licence in ("MIT", "Apache-2.0") or "for" in (entry.note or "")
    assert ("the model card calls any deployed use" in (entry.note or "")) == entry.name.startswith("openai/")
    assert entry.revision is None or re.fullmatch("[0-9a-f]{40}", entry.revision)
    assert all(re.fullmatch("[0-9a-f]{64}", digest) for digest in entry.sha256.values())
    assert (entry.top1 is None) == (entry.top1_source is None)
    assert entry.top1 is None or 50 < entry.top1 < 90


def test_no_two_names_have_one_checkpoint():
    assert len({entry.repo for entry in CATALOG.values()}) == len(CATALOG)


def test_sizes_are_those_of_the_architectures():
    pytest.importorskip("torch")
    from seesay.models.size import measure

    assert SIZES.keys() == {entry.variant for entry in CATALOG.values()}
    for name in ("ViT-B-32", "RN50-quickgelu", "ViT-B-16-SigLIP", "ViT-B-32-SigLIP2-256", "PE-Core-B-16"):
        model = VARIANTS[name].model
        size = measure(model, image_size=model["image"]["image_size"], context_length=model["text"]["context_length"])
        assert SIZES[name] == (size.image_parameters, size.text_parameters, size.image_flops, size.text_flops)


def test_laions_l14_has_other_statistics_than_its_family():
    # open_clip, docs/PRETRAINED.md: the field's best-known trap
    assert facts("laion2b/ViT-L-14").image.mean == (0.5, 0.5, 0.5)
    assert facts("laion2b/ViT-B-32").image.mean != (0.5, 0.5, 0.5)


def test_dfn5b_squashes_and_says_so_before_it_is_here():
    # its open_clip_config.json, and open_clip's pretrained.py
    assert facts("dfn5b/ViT-H-14-378").image.resize == "squash"
    assert facts("dfn2b/ViT-L-14").image.resize == "shortest"


def test_a_model_that_is_not_here_says_how_to_bring_it():
    for name in ("openai/ViT-B-32", "hf-hub:org/model"):
        with pytest.raises(
            UsageError, match=f"{name} is not on this machine; bring it with `seesay models pull {name}`"
        ):
            open_bundle(name)


def test_an_unknown_name_offers_the_nearest():
    with pytest.raises(UnknownNameError, match=r"no model is called 'openai/ViT-B32'; did you mean openai/ViT-B-32"):
        open_bundle("openai/ViT-B32")


@pytest.mark.parametrize("file", ["open_clip_model.safetensors", "pytorch_model.bin", "model.safetensors"])
def test_a_checkpoint_of_another_format_is_told_from_a_broken_bundle(tmp_path, file):
    (tmp_path / file).write_bytes(b"")
    with pytest.raises(UsageError, match="is a checkpoint of another format; make it ours with `seesay models pull"):
        open_bundle(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "clip"}')
    with pytest.raises(UsageError, match="is a checkpoint of another format"):
        open_bundle(str(tmp_path))


def test_a_file_is_no_model_yet(tmp_path):
    path = tmp_path / "ViT-B-32.pt"
    path.write_bytes(b"")
    with pytest.raises(UsageError, match=f"{path} is a file; make a model of it with `seesay models pull {path}`"):
        open_bundle(str(path))


def test_a_folder_without_anything_is_no_model(tmp_path):
    with pytest.raises(BundleError, match=r"is no model: it has no config\.json"):
        open_bundle(str(tmp_path))


def test_a_locked_model_is_found_where_its_revision_lies(models):
    write_lock(models, **{"openai/RN50": {"revision": "a" * 40}})
    assert installed_folder("openai/RN50") is None  # locked, and removed since
    folder = bundle_folder("openai/RN50", "a" * 40)
    assert folder == models / "openai" / f"RN50@{'a' * 12}"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert installed_folder("openai/RN50") == folder


@pytest.mark.parametrize("content", ["{", "[]", '{"a": 1}'])
def test_a_broken_lock_says_so(models, content):
    models.mkdir()
    (models / "lock.json").write_text(content)
    with pytest.raises(BundleError, match=r"lock\.json .*; remove it and pull the models again"):
        read_lock()


def test_every_model_has_facts():
    found = all_facts()
    assert [one.name for one in found] == list(catalog.MODELS)
    starter = found[0]
    assert starter.folder is not None
    assert 20e6 < starter.num_parameters < 40e6
    b32 = facts("openai/ViT-B-32")
    assert (b32.folder, b32.dim, b32.image.size_px, b32.text.context_length) == (None, 512, 224, 77)
    assert b32.num_parameters == 151_277_312  # with its scale, open_clip's 151.28 million
    assert b32.size_bytes == 4 * b32.num_parameters
