"""Fetching from a hub: on localhost, with everything that goes wrong on the way."""

import hashlib
import json
import sys

import huggingface_hub.constants
import pytest
from hub import Hub, Repo

from seesay.base.errors import BundleError, MissingExtraError
from seesay.encoders.checkpoints.folder import WEIGHTS
from seesay.encoders.hub import fetch

REPO, FILE = "org/model", "open_clip_model.safetensors"
CONTENT = bytes(range(256)) * 8192  # 2 MB


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """No cache and no token of whoever runs this, no waiting between tries, and chunks that suit a small file."""
    monkeypatch.setattr(huggingface_hub.constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda _: None)


@pytest.fixture
def hub(monkeypatch):
    files = {FILE: CONTENT, "open_clip_config.json": b"{}", "tokenizer.json": b'{"a": 1}', "README.md": b"no"}
    with Hub({REPO: Repo(files)}) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        yield hub


def bring(tmp_path, *, revision=None, sha256=None, repo=REPO, report=lambda _: None):
    return fetch(repo, tmp_path / "here", revision=revision, sha256=sha256 or {}, report=report)


def test_the_weights_and_what_stands_beside_them_arrive(hub, tmp_path):
    checkpoint = bring(tmp_path)
    assert checkpoint.revision == hub.repos[REPO].commit
    assert sorted(path.name for path in checkpoint.path.iterdir()) == [
        "open_clip_config.json",
        FILE,
        "tokenizer.json",
    ]
    assert (checkpoint.path / FILE).read_bytes() == CONTENT
    assert checkpoint.sha256[FILE] == hashlib.sha256(CONTENT).hexdigest()


def test_every_file_that_says_how_texts_and_pictures_are_prepared_arrives(hub, tmp_path):
    beside = ("config.json", "preprocessor_config.json", "processor_config.json", "tokenizer_config.json", "vocab.json")
    hub.repos[REPO].files.update(dict.fromkeys(beside, b"{}"))
    assert {path.name for path in bring(tmp_path).path.iterdir()} > {*beside, FILE}


def test_what_is_there_is_not_fetched_again(hub, tmp_path):
    bring(tmp_path)
    hub.requests.clear()
    bring(tmp_path, revision=hub.repos[REPO].commit)
    assert hub.gets() == []


def test_progress_ends_at_the_whole_file(hub, tmp_path):
    told = []
    bring(tmp_path, report=told.append)
    fetching = [progress for progress in told if progress.stage == "fetching" and progress.what == FILE]
    assert fetching[-1].done_bytes == fetching[-1].total_bytes == len(CONTENT)
    assert next(progress.what for progress in told if progress.stage == "checking") == FILE


def test_a_connection_that_breaks_goes_on_where_it_was(hub, tmp_path):
    hub.cuts = [1_500_000]
    checkpoint = bring(tmp_path)
    assert (checkpoint.path / FILE).read_bytes() == CONTENT
    first, second = hub.gets(FILE)
    assert first is None
    assert 0 < int(second.removeprefix("bytes=").rstrip("-")) <= 1_500_000


def test_a_second_run_goes_on_where_the_first_one_stopped(hub, tmp_path):
    hub.cuts = [1_000_000, *[0] * 20]
    with pytest.raises(
        BundleError, match=rf"fetching {REPO}/{FILE} stopped after [\d,]+ of 2,097,152 bytes .* run it again"
    ):
        bring(tmp_path)
    kept = (tmp_path / "here" / hub.repos[REPO].commit / f"{FILE}.part").stat().st_size
    assert kept > 0
    hub.cuts = []
    hub.requests.clear()
    checkpoint = bring(tmp_path)
    assert hub.gets(FILE) == [f"bytes={kept}-"]
    assert (checkpoint.path / FILE).read_bytes() == CONTENT


def test_our_token_stays_with_the_hub(hub, tmp_path):
    bring(tmp_path)
    sent = {path: headers.get("Authorization") for _, path, headers in hub.requests}
    assert any(token == "Bearer hf_secret" for path, token in sent.items() if "/resolve/" in path)
    assert [token for path, token in sent.items() if "/cdn/" in path] == [None]


def test_other_content_than_the_hub_says_is_refused_with_both_hashes(hub, tmp_path):
    damaged = CONTENT[:-1] + b"x"
    hub.repos[REPO] = Repo(hub.repos[REPO].files | {FILE: damaged}, told={FILE: CONTENT})
    got, expected = hashlib.sha256(damaged).hexdigest(), hashlib.sha256(CONTENT).hexdigest()
    with pytest.raises(BundleError, match=f"sha256 is {got}, expected {expected}; it was cut short or exchanged"):
        bring(tmp_path)
    assert not (tmp_path / "here" / hub.repos[REPO].commit / FILE).exists()


def test_another_file_than_the_catalog_knows_is_not_even_fetched(hub, tmp_path):
    with pytest.raises(BundleError, match=f"expected {'0' * 64}"):
        bring(tmp_path, sha256={FILE: "0" * 64})
    assert hub.gets() == []


def test_a_file_that_was_exchanged_on_this_machine_is_found(hub, tmp_path):
    bring(tmp_path)
    (tmp_path / "here" / hub.repos[REPO].commit / FILE).write_bytes(b"other")
    with pytest.raises(BundleError, match="is not the file that was expected"):
        bring(tmp_path)


def test_safetensors_come_before_pickles(hub, tmp_path):
    hub.repos[REPO].files["open_clip_pytorch_model.bin"] = b"pickle"
    checkpoint = bring(tmp_path)
    assert [name for name in checkpoint.sha256 if name in WEIGHTS] == [FILE]


SHARDS = ("model-1-of-2.safetensors", "model-2-of-2.safetensors")
INDEX = "model.safetensors.index.json"


def in_shards():
    index = json.dumps({"weight_map": {"a": SHARDS[0], "b": SHARDS[1], "c": SHARDS[0]}}).encode()
    return Repo({INDEX: index, SHARDS[0]: CONTENT, SHARDS[1]: CONTENT[:999], "config.json": b"{}"})


def test_weights_in_several_files_arrive_all(hub, tmp_path):
    hub.repos[REPO] = in_shards()
    checkpoint = bring(tmp_path)
    assert checkpoint.sha256.keys() == {INDEX, *SHARDS, "config.json"}
    assert (checkpoint.path / SHARDS[1]).read_bytes() == CONTENT[:999]


def test_an_index_that_names_a_file_the_repository_lacks(hub, tmp_path):
    hub.repos[REPO] = in_shards()
    del hub.repos[REPO].files[SHARDS[1]]
    with pytest.raises(BundleError, match=f"the hub's {REPO} is not whole: its index names {SHARDS[1]}"):
        bring(tmp_path)


def test_a_cache_that_lacks_one_of_several_files(hub, tmp_path, monkeypatch):
    hub.repos[REPO] = in_shards()
    for name in (INDEX, SHARDS[0]):
        huggingface_hub.hf_hub_download(REPO, name, endpoint=hub.endpoint, cache_dir=tmp_path / "cache")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(BundleError, match=rf"{REPO}/{SHARDS[1]} is not on this machine"):
        bring(tmp_path)


def test_a_repository_without_weights(hub, tmp_path):
    hub.repos[REPO] = Repo({"config.json": b"{}"})
    with pytest.raises(
        BundleError, match="the hub's org/model has no weights that we read; it would need one of open_clip"
    ):
        bring(tmp_path)


def test_an_unknown_repository(hub, tmp_path):
    with pytest.raises(BundleError, match=f"the hub at {hub.endpoint} has no repository org/nothing, or it is private"):
        bring(tmp_path, repo="org/nothing")


def test_an_unknown_revision(hub, tmp_path):
    with pytest.raises(BundleError, match="the hub's org/model has no revision beef"):
        bring(tmp_path, revision="beef")


def test_without_network_the_message_names_the_file_and_the_cure(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")  # nobody listens there
    with pytest.raises(BundleError) as raised:
        bring(tmp_path, revision="abc")
    said = str(raised.value)
    assert said.startswith(f"{REPO}/{FILE} is not on this machine and the hub cannot be reached (")
    assert f"http://127.0.0.1:9/{REPO}/resolve/abc/{FILE}" in said
    assert said.endswith("from another machine and name their folder with --from")


def test_without_network_huggingface_hubs_cache_serves(hub, tmp_path, monkeypatch):
    for name in (FILE, "open_clip_config.json"):
        huggingface_hub.hf_hub_download(REPO, name, endpoint=hub.endpoint, cache_dir=tmp_path / "cache")
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    checkpoint = bring(tmp_path)
    assert checkpoint.revision == hub.repos[REPO].commit
    assert checkpoint.sha256.keys() == {FILE, "open_clip_config.json"}
    with pytest.raises(BundleError, match=f"expected {'0' * 64}"):
        bring(tmp_path, sha256={FILE: "0" * 64})


def test_with_network_what_is_in_the_cache_is_not_fetched_again(hub, tmp_path):
    huggingface_hub.hf_hub_download(REPO, FILE, endpoint=hub.endpoint, cache_dir=tmp_path / "cache")
    hub.requests.clear()
    checkpoint = bring(tmp_path)
    assert hub.gets(FILE) == []
    assert (checkpoint.path / FILE).read_bytes() == CONTENT


def test_without_huggingface_hub_the_extra_is_named(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'seesay\[train\]'"):
        bring(tmp_path)
