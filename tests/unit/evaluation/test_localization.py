"""Mean average precision of segments."""

import numpy as np
import pytest

from seesay.base.errors import UsageError
from seesay.evaluation.localization import THRESHOLDS, Happening, Predicted, localization, overlaps

TRUTH = [
    Happening("a", "dive", 1.0, 3.0),
    Happening("a", "dive", 6.0, 9.0),
    Happening("b", "dive", 0.0, 2.0),
    Happening("b", "swim", 2.0, 8.0),
]


def perfect(scores=(0.9, 0.8, 0.7, 0.6)):
    return [Predicted(*one, score) for one, score in zip(TRUTH, scores, strict=True)]


def test_the_truth_itself_scores_one_at_every_threshold():
    found = localization(TRUTH, perfect())
    assert found.average == 1.0
    assert set(found.mean_average_precision) == set(THRESHOLDS)


def test_nothing_predicted_scores_nothing():
    assert localization(TRUTH, []).average == 0.0


def test_only_the_order_of_scores_counts():
    low = [one._replace(score=one.score / 100 - 5) for one in perfect()]
    assert localization(TRUTH, low) == localization(TRUTH, perfect())


def test_a_second_segment_on_the_same_truth_is_wrong():
    twice = [*perfect(), Predicted("a", "dive", 1.0, 3.0, 0.95)]
    found = localization(TRUTH, twice).by_label["dive"][0.5]
    # 1 of 1, then the copy, then 2 of 3 and 3 of 4: falling precision 1, 3/4, 3/4
    assert found == pytest.approx((1 + 0.75 + 0.75) / 3)


def test_a_segment_of_another_video_finds_nothing():
    moved = [one._replace(video="c") for one in perfect()]
    assert localization(TRUTH, moved).average == 0.0


def test_a_segment_counts_up_to_the_overlap_it_has():
    half = [one._replace(end_s=(one.start_s + one.end_s) / 2) for one in perfect()]
    found = localization(TRUTH, half).mean_average_precision
    assert [found[each] for each in THRESHOLDS] == [1.0, 1.0, 1.0, 0.0, 0.0]


def test_labels_count_alike_however_often_they_happen():
    only_swimming = [one for one in perfect() if one.label == "swim"]
    assert localization(TRUTH, only_swimming).mean_average_precision[0.5] == 0.5


def test_labels_that_never_happen_are_left_out():
    more = [*perfect(), Predicted("a", "ski", 0.0, 1.0, 0.99)]
    assert localization(TRUTH, more).average == 1.0


def test_overlap_by_hand():
    others = [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0), (5.0, 6.0), (0.5, 1.5)]
    np.testing.assert_allclose(overlaps((0.0, 2.0), others), [1, 1 / 3, 0, 0, 0.5])


def test_what_makes_no_sense_is_refused():
    with pytest.raises(UsageError, match="one true segment"):
        localization([], perfect())
    with pytest.raises(UsageError, match=r"ends before it begins: 3\.0 to 1\.0 s"):
        localization([Happening("a", "dive", 3.0, 1.0)], [])
    with pytest.raises(UsageError, match="above 0"):
        localization(TRUTH, perfect(), thresholds=(0.0,))
