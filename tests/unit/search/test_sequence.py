from itertools import combinations, pairwise

import numpy as np
import pytest
from encoders import ColourEncoder
from films import film
from hypothesis import given, settings
from hypothesis import strategies as st

from seesay.base.errors import UsageError
from seesay.search import sequence
from seesay.search.library import Library
from seesay.search.query import Query, Steps, Term, parse
from seesay.search.sequence import best_steps


@settings(max_examples=60)
@given(st.integers(1, 3), st.integers(0, 7), st.none() | st.integers(1, 6), st.randoms(use_true_random=False))
def test_the_best_steps_are_those_of_trying_them_all(num_steps, num_moments, within_s, random):
    start_s = np.cumsum([random.choice((1, 2, 3)) for _ in range(num_moments)]).astype(float)
    scores = np.array([[random.random() for _ in range(num_moments)] for _ in range(num_steps)]).reshape(num_steps, -1)
    scores[:, [place for place in range(num_moments) if random.random() < 0.2]] = -np.inf
    possible = [
        places
        for places in combinations(range(num_moments), num_steps)
        if np.isfinite([scores[number, place] for number, place in enumerate(places)]).all()
        and (within_s is None or (np.diff(start_s[list(places)]) <= within_s).all())
    ]
    found = best_steps(scores, start_s, within_s=within_s)
    if not possible:
        assert found == []
    else:
        best = max(sum(scores[number, place] for number, place in enumerate(places)) for places in possible)
        assert tuple(found) in possible
        assert sum(scores[number, place] for number, place in enumerate(found)) == pytest.approx(best)


def test_no_better_sequence_is_missed_by_looking_at_the_best_moments_first(tmp_path, monkeypatch):
    colours = ("red", "green", "blue", "white", "black")
    random = np.random.default_rng(0)
    for number in range(12):
        film(tmp_path / f"{number}.mp4", *[(colours[random.integers(5)], 1) for _ in range(8)], rate=1)
    with Library.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        library.add(tmp_path)
        asked = parse(["red", "then", "blue"], within_s=3)
        whole = library.search(asked, limit=20)
        monkeypatch.setattr(sequence, "FIRST_LOOK", 1)
        assert library.search(asked, limit=20) == whole
        assert library.search(asked, limit=3) == whole[:3]
        assert len(whole) == 20


def test_sequences_of_one_video_do_not_overlap(tmp_path):
    film(tmp_path / "a.mp4", *[("red", 2), ("blue", 2)] * 4, rate=1)
    with Library.open(tmp_path / "library", encoder=ColourEncoder()) as library:
        library.add(tmp_path)
        hits = library.search(parse(["red", "then", "blue"]), per_video=None)
    assert len(hits) >= 2
    spans = sorted((hit.start_s, hit.end_s) for hit in hits)
    assert all(left[1] <= right[0] for left, right in pairwise(spans))


def test_then_splits_a_query_where_it_stands_alone():
    assert parse(["a", "dog", "then", "2:cat", "-", "rain"]) == Steps(
        (Query((Term(text="a dog"),)), Query((Term(text="cat", weight=2.0), Term(text="rain", weight=-1.0))))
    )
    assert parse(["now and then"]) == Query((Term(text="now and then"),))


@pytest.mark.parametrize(
    ("words", "within_s", "message"),
    [
        (["then", "a dog"], None, "`then` needs a query before and after it"),
        (["a dog", "then"], None, "`then` needs a query before and after it"),
        (["a dog"], 3.0, "--within is the time between"),
        (["a", "then", "b"], 0.0, r"positive number of seconds, got 0\.0"),
    ],
)
def test_a_sequence_without_meaning_is_refused(words, within_s, message):
    with pytest.raises(UsageError, match=message):
        parse(words, within_s=within_s)
    with pytest.raises(UsageError, match="a sequence needs two queries"):
        Steps((Query((Term(text="a"),)),))
