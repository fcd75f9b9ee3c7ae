"""`seesay actions`, and videos in `seesay train` and `seesay eval`, through the program."""

import json
import subprocess

import pytest
from clips import draw_clip, make_clips, write_video
from PIL import Image
from program import SEESAY


def seesay(*arguments, expect=0):
    done = subprocess.run([SEESAY, *map(str, arguments)], capture_output=True, text=True)
    assert done.returncode == expect, done.stderr
    return done


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("white", "white", "red", "red", "white", "white")]
    return write_video(tmp_path_factory.mktemp("videos") / "clip.mp4", [one for one in frames for _ in range(8)])


def test_labels_come_with_probabilities_the_likeliest_first(video):
    lines = seesay("actions", video, "--labels-file", "hmdb51").stdout.splitlines()
    assert len(lines) == 5
    shares = [float(line.split("%")[0]) for line in lines]
    assert shares == sorted(shares, reverse=True)


def test_json_has_every_label_asked_for(video):
    found = json.loads(seesay("actions", video, "--labels", "waving,diving", "--json").stdout)
    assert {label["label"] for label in found["labels"]} == {"waving", "diving"}
    assert sum(label["probability"] for label in found["labels"]) == pytest.approx(1, abs=1e-5)


def test_segments_have_start_end_label_and_score(video):
    done = seesay("actions", video, "--segments", "--labels", "a red wall,a white wall", "--every", "0.25", "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found
    assert all(0 <= one["start_s"] < one["end_s"] <= 6.5 and one["score"] > 0 for one in found)
    red = next(one for one in found if one["label"] == "a red wall")
    assert (red["start_s"], red["end_s"]) == (pytest.approx(2.0, abs=0.5), pytest.approx(4.0, abs=0.5))


def test_of_a_video_in_which_nothing_changes_nothing_is_found(tmp_path):
    still = write_video(tmp_path / "still.mp4", [Image.new("RGB", (64, 64), "gray")] * 16)
    assert "nothing stands out" in seesay("actions", still, "--segments", "--labels", "a dive", expect=1).stderr


def test_what_cannot_be_read_is_said_and_the_others_are_named(video, tmp_path):
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    done = seesay("actions", tmp_path / "broken.mp4", video, "--labels", "waving,diving", expect=2)
    assert "broken.mp4" in done.stderr
    assert "waving" in done.stdout


def test_labels_are_needed(video):
    assert "--labels" in seesay("actions", video, expect=2).stderr


def test_a_head_is_trained_on_stored_vectors_and_used_and_measured(tiny_bundle, tmp_path):
    train, test = make_clips(tmp_path / "clips", 3, "train"), make_clips(tmp_path / "clips", 2, "test")
    settings = (
        f"model.start={tiny_bundle.folder}",
        f"data.sources={train}",
        f"data.vectors={tmp_path / 'vectors'}",
        "steps=3",
        "batch_size=4",
    )
    arguments = [part for setting in settings for part in ("--set", setting)]
    run = tmp_path / "run"
    said = seesay("train", "actions_head", *arguments, "--out", run, "--zero-shot", test).stderr
    assert "zero_shot_accuracy" in said
    clip = write_video(tmp_path / "clip.mp4", draw_clip("moving left"))
    named = seesay("actions", clip, "--labels", "moving left,moving right", "--model", run / "model").stdout
    assert len(named.splitlines()) == 2
    measured = seesay("eval", run / "model", "--on", test, "--task", "zeroshot", "--views", "2x3").stdout
    assert "zeroshot" in measured
    mixed = seesay("eval", run / "model", "--on", test, "--on", "imagenet=x.tar", expect=2)
    assert mixed.stderr
