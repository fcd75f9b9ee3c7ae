import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from seesay.search.ranges import Timeline, grow, slopes
from seesay.search.rows import Moments

scores = st.lists(st.floats(-1, 1, allow_nan=False, width=32), min_size=1, max_size=40).map(np.array)


def free(count):
    return np.ones(count, bool)


@given(scores, st.floats(0, 0.5))
def test_a_range_holds_its_peak_and_ends_with_moments_that_fit(values, spread):
    peak = int(np.argmax(values))
    first, last = grow(values, peak, spread=spread, free=free(len(values)))
    assert first <= peak <= last
    level = values[peak] - max((values[peak] - np.median(values)) / 2, spread)
    assert values[first] >= level
    assert values[last] >= level


@given(scores, st.data())
def test_a_range_never_reaches_over_what_another_hit_has_taken(values, data):
    taken = data.draw(st.integers(0, len(values) - 1))
    mask = free(len(values))
    mask[taken] = False
    peak = data.draw(st.integers(0, len(values) - 1).filter(lambda place: place != taken or len(values) == 1))
    if peak == taken:
        return
    first, last = grow(values, peak, spread=0.1, free=mask)
    assert not first <= taken <= last


@given(scores, st.floats(-0.25, 0.25, width=32), st.integers(0, 39))
def test_adding_the_same_to_every_score_changes_no_range(values, amount, place):
    values, peak = np.round(values, 2), place % len(values)
    moved = np.round(values + np.round(amount, 2), 2)
    # Sums of hundredths are not exact in binary: a spread that no difference meets keeps them apart.
    ranges = [grow(each, peak, spread=1.2345, free=free(len(each))) for each in (values, moved)]
    assert ranges[0] == ranges[1]


def test_a_range_is_as_wide_as_its_peak_at_half_height():
    values = np.array([0.1] * 10 + [0.2, 0.28, 0.3, 0.28, 0.18] + [0.1] * 10)
    assert grow(values, 12, spread=0.01, free=free(25)) == (10, 13)


def test_a_video_that_shows_one_thing_is_one_range():
    values = 0.3 + 0.02 * np.sin(np.arange(60))
    assert grow(values, int(np.argmax(values)), spread=0.08, free=free(60)) == (0, 59)


def test_a_blink_of_one_moment_is_passed_over_and_two_are_not():
    values = np.array([0.0, 0.3, 0.0, 0.3, 0.3, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0, 0.0])
    assert grow(values, 3, spread=0.01, free=free(13)) == (1, 4)


def test_what_falls_away_from_a_range_is_no_find_of_its_own():
    assert slopes(np.array([0.2, 0.1, 0.15, 0.3, 0.2, 0.2, 0.1, 0.3]), 3, 3) == (1, 6)


def test_tiles_of_one_frame_are_one_moment_with_the_best_score():
    moments = Moments(
        ids=np.array([1, 2, 3, 4]),
        start_s=np.array([0.0, 0.0, 1.0, 1.0]),
        end_s=np.array([1.0, 1.0, 2.0, 2.0]),
        time_s=np.array([0.0, 0.0, 1.0, 1.0]),
    )
    line = Timeline.of(moments, np.array([0.1, 0.4, 0.3, 0.2], np.float32))
    assert line.start_s.tolist() == [0, 1]
    assert line.best.tolist() == [1, 2]
    np.testing.assert_allclose(line.scores, [0.4, 0.3])
