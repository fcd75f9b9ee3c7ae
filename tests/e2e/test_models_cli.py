"""`seesay models` and `seesay export` as a user types them, against a hub on localhost."""

import json
import signal
import subprocess
import time

import pytest
from hub import Hub, Repo
from painting import paint
from program import SEESAY
from tiny import CLIP, make_bundle

from seesay.encoders import foreign

WEIGHTS = "open_clip_model.safetensors"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("repo")
    foreign.write_open_clip(make_bundle(folder / "bundle", CLIP, "clip"), folder)
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


@pytest.fixture
def hub(run, files):
    with Hub({"org/tiny": Repo(dict(files))}) as hub:
        run.environment["HF_ENDPOINT"] = hub.endpoint
        run.environment.pop("HF_HUB_OFFLINE", None)
        yield hub


def test_pull_then_use(run, hub, tmp_path):
    said = run("models", "pull", "hf-hub:org/tiny")
    assert said.stdout.startswith("hf-hub:org/tiny@")
    assert said.stderr == "use it with --model hf-hub:org/tiny\n"
    listed = run("models", "--installed").stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["name", "starter", "hf-hub:org/tiny"]
    photo = paint(tmp_path / "photo.png", (200, 10, 10))
    lines = run("classify", photo.name, "--labels", "red,blue", "--model", "hf-hub:org/tiny").stdout.splitlines()
    assert sorted(line.split()[1] for line in lines) == ["blue", "red"]
    run("index", photo.name, "--model", "hf-hub:org/tiny")
    assert "photo.png" in run("search", "something red").stdout  # the library finds its model by itself


def test_the_table_and_one_model(run):
    rows = run("models").stdout.splitlines()
    assert rows[0].split() == ["name", "here", "parameters", "picture", "dim", "ImageNet", "licence"]
    assert ["openai/ViT-B-32", "151M", "224", "512", "63.32%", "MIT"] in [row.split() for row in rows]
    shown = run("models", "show", "openai/ViT-B-32").stdout
    for said in ("8.2G a picture", "605 MB as float32", "mean 0.4815", "MIT", "seesay models pull openai/ViT-B-32"):
        assert said in shown
    one = json.loads(run("models", "show", "laion2b/ViT-L-14", "--json").stdout)
    assert one["image"]["mean"] == [0.5, 0.5, 0.5]
    names = [json.loads(line)["name"] for line in run("models", "--json").stdout.splitlines()]
    assert names[0] == "starter"
    assert "siglip2/B-32-256" in names


def test_a_model_that_is_not_here_says_what_to_type(run, tmp_path):
    paint(tmp_path / "photo.png", (200, 10, 10))
    for command in (["classify", "photo.png", "--labels", "a,b"], ["index", "."]):
        said = run(*command, "--model", "openai/ViT-B-32", code=2).stderr
        assert said == (
            "seesay: the model openai/ViT-B-32 is not on this machine; bring it with "
            "`seesay models pull openai/ViT-B-32`\n"
        )


def test_an_unknown_name_offers_the_nearest(run):
    for command in (["models", "pull"], ["models", "show"], ["export"]):
        assert "did you mean openai/ViT-B-32" in run(*command, "openai/ViT-B32", code=2).stderr


def test_offline_and_not_cached(run, hub):
    run.environment["HF_HUB_OFFLINE"] = "1"
    said = run("models", "pull", "laion2b/ViT-B-16", code=2).stderr
    assert said.startswith(
        f"seesay: laion/CLIP-ViT-B-16-laion2B-s34B-b88K/{WEIGHTS} is not on this machine and the hub"
    )
    assert "--from" in said
    assert hub.requests == []


def test_a_pull_that_was_killed_goes_on(run, hub, files, tmp_path):
    size = len(files[WEIGHTS])
    hub.slow = True
    process = subprocess.Popen(
        [SEESAY, "models", "pull", "hf-hub:org/tiny"], env=run.environment, cwd=tmp_path, stderr=subprocess.DEVNULL
    )
    part = None
    while process.poll() is None and (part is None or part.stat().st_size == 0):
        part = next(tmp_path.rglob("*.part"), None)
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert part is not None
    assert 0 < part.stat().st_size < size
    hub.slow = False
    hub.requests.clear()
    run("models", "pull", "hf-hub:org/tiny")
    (asked,) = hub.gets(WEIGHTS)
    assert int(asked.removeprefix("bytes=").rstrip("-")) > 0


def test_export(run, tmp_path):
    make_bundle(tmp_path / "tiny", CLIP, "clip")
    for to, file in (("hf", "model.safetensors"), ("open_clip", WEIGHTS)):
        assert run("export", "./tiny", "--to", to).stdout == f"tiny-{to}\n"
        assert (tmp_path / f"tiny-{to}" / file).is_file()
    assert "tiny-hf is there already and not empty" in run("export", "./tiny", "--to", "hf", code=2).stderr
    assert run("export", "./tiny", "--int8").stdout == "tiny-int8\n"
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("tiny", "tiny-int8")]
    assert sizes[1] < 0.3 * sizes[0]
    paint(tmp_path / "photo.png", (200, 10, 10))
    run("classify", "photo.png", "--labels", "red,blue", "--model", "./tiny-int8")


def test_an_export_that_makes_no_sense(run):
    assert "--int8 is for --to onnx" in run("export", "starter", "--to", "hf", "--int8", code=2).stderr
    assert "has no model with the towers" in run("export", "starter", "--to", "hf", code=2).stderr
