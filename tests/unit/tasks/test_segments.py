"""Segments out of scores of frames, and out of a file."""

import numpy as np
import pytest
from clips import write_video
from encoders import ColourEncoder
from PIL import Image

from seesay.base.errors import UsageError
from seesay.tasks.segments import SegmentRule, find_segments, overlap, segments

RULE = SegmentRule(smooth_frames=1)


def scores_with(*spans, num_frames=40, base=0.2, height=0.1, seed=0):
    scores = base + 0.001 * np.random.default_rng(seed).standard_normal(num_frames)
    for start, end in spans:
        scores[start:end] += height
    return scores[:, None]


def find(scores, rule=RULE):
    return find_segments(np.arange(len(scores)) * 0.5, scores, ["a"][: scores.shape[1]], every_s=0.5, rule=rule)


@pytest.mark.parametrize("seed", range(5))
def test_a_rise_is_found_with_its_start_and_its_end(seed):
    best = find(scores_with((10, 20), seed=seed))[0]
    assert (best.start_s, best.end_s) == (5.0, 10.0)
    assert best.score == pytest.approx(0.1, abs=0.01)


def test_two_rises_are_two_segments():
    first, second = find(scores_with((5, 10), (25, 35)))[:2]
    assert {(first.start_s, first.end_s), (second.start_s, second.end_s)} == {(2.5, 5.0), (12.5, 17.5)}


def test_what_is_there_all_the_time_is_no_segment():
    assert find(scores_with(base=0.35)) == []


def test_only_what_stands_out_counts_not_how_high_a_label_is():
    low, high = scores_with((10, 20)), scores_with((10, 20), base=0.9)
    assert [(one.start_s, one.end_s) for one in find(low)] == [(one.start_s, one.end_s) for one in find(high)]


def test_a_dip_does_not_split_what_belongs_together():
    scores = scores_with((10, 30))
    scores[20] -= 0.04
    best = find(scores)[0]
    assert (best.start_s, best.end_s) == (5.0, 15.0)


def test_segments_come_from_the_surest_on_and_overlapping_ones_are_lowered():
    found = find(scores_with((5, 10), (20, 36), num_frames=60, height=0.1) + scores_with((24, 30), num_frames=60))
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    strict = find(scores_with((24, 30), num_frames=60), SegmentRule(smooth_frames=1, softness=1e-6))
    assert all(overlap((one.start_s, one.end_s), (two.start_s, two.end_s)) == 0
               for number, one in enumerate(strict) for two in strict[number + 1 :])  # fmt: skip


def test_moving_the_video_moves_the_segments():
    scores = scores_with((10, 20))
    times = np.arange(len(scores)) * 0.5
    early = find_segments(times, scores, ["a"], every_s=0.5, rule=RULE)
    late = find_segments(times + 100, scores, ["a"], every_s=0.5, rule=RULE)
    assert [(one.start_s + 100, one.end_s + 100, one.score) for one in early] == [
        (one.start_s, one.end_s, one.score) for one in late
    ]


def test_one_frame_is_no_segment():
    assert find(scores_with(num_frames=1)) == []


def test_scores_that_do_not_fit_are_refused():
    with pytest.raises(UsageError, match=r"shape \(3, 1\)"):
        find_segments(np.arange(3.0), np.zeros((4, 1)), ["a"], every_s=1.0)


def test_colours_of_a_file_are_found_when_they_are_shown(tmp_path):
    colours = ["white"] * 8 + ["red"] * 8 + ["white"] * 8 + ["blue"] * 8
    shades = {"white": (220, 220, 220), "red": (255, 0, 0), "blue": (0, 0, 255)}
    video = write_video(tmp_path / "colours.mp4", [Image.new("RGB", (64, 64), shades[name]) for name in colours], 8)
    found = segments(ColourEncoder(), video, ["red", "blue"], templates=["{}"], every_s=0.125)
    best = {label: next(one for one in found if one.label == label) for label in ("red", "blue")}
    assert best["red"].start_s == pytest.approx(1.0, abs=0.13)
    assert best["red"].end_s == pytest.approx(2.0, abs=0.13)
    assert best["blue"].start_s == pytest.approx(3.0, abs=0.13)
    assert best["blue"].end_s == pytest.approx(4.0, abs=0.13)
