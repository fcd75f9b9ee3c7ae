"""Token rows laid out as trees: nothing is lost, nothing is seen that should not be, nothing is paid for twice."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from seesay.encoders.packing import pack

ROWS = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=12), max_size=40)


def batches(rows, tokens_per_batch=64):
    lengths = np.array([len(row) for row in rows], np.int64)
    ids = np.full((len(rows), max(map(len, rows), default=0)), 2)  # what stands after the end is a token, too
    for number, row in enumerate(rows):
        ids[number, : len(row)] = row
    return list(pack(ids, lengths, tokens_per_batch=tokens_per_batch))


def read_back(packs, number, place):
    """The row that ends there: the tokens that its last token looks at, by their places."""
    end = packs.ends[number, place]
    seen = np.flatnonzero(packs.allowed[number, end])
    seen = seen[np.argsort(packs.positions[number, seen])]
    assert packs.positions[number, seen].tolist() == list(range(len(seen)))
    assert seen[-1] == end
    for depth, token in enumerate(seen):  # each looks at exactly its own beginning
        assert set(np.flatnonzero(packs.allowed[number, token])) == set(seen[: depth + 1])
    return packs.ids[number, seen].tolist()


def num_tokens(rows, **options):
    return sum(batch.packs.ids.size for batch in batches(rows, **options))


@given(rows=ROWS, tokens_per_batch=st.integers(1, 200))
def test_every_row_comes_once_and_whole(rows, tokens_per_batch):
    found = {}
    for batch in batches(rows, tokens_per_batch):
        for row, number, place in zip(batch.rows, batch.pack_of_row, batch.end_of_row, strict=True):
            assert row not in found
            found[row] = read_back(batch.packs, number, place)
    assert found == dict(enumerate(rows))


@given(rows=ROWS)
def test_no_token_looks_at_nothing(rows):
    for batch in batches(rows):
        assert batch.packs.allowed.any(axis=2).all()  # a softmax over nothing is no number
        assert batch.packs.ends.max() < batch.packs.ids.shape[1]


def test_a_shared_beginning_is_there_once():
    rows = [[1, 2, 3, 4, number, 9] for number in range(10, 20)]
    (batch,) = batches(rows)
    assert batch.packs.ids.shape == (1, 4 + 10 * 2)
    assert num_tokens([*rows, [1, 2, 7, 9]]) == 4 + 10 * 2 + 2


def test_equal_rows_are_one():
    (batch,) = batches([[5, 6, 7]] * 50)
    assert batch.packs.ids.tolist() == [[5, 6, 7]]
    assert batch.packs.ends.tolist() == [[2]]
    assert sorted(batch.rows) == list(range(50))


def test_a_row_that_begins_another_costs_nothing():
    (batch,) = batches([[1, 2, 3, 4], [1, 2], [1]])
    assert batch.packs.ids.tolist() == [[1, 2, 3, 4]]
    assert sorted(batch.packs.ends[0]) == [0, 1, 3]


def test_no_rows_make_no_batch():
    assert batches([]) == []


@pytest.mark.parametrize("length", [1, 7, 77, 300])
def test_one_row_is_as_long_as_it_is(length):
    (batch,) = batches([list(range(length))])
    assert batch.packs.ids.shape == (1, length)


def test_long_rows_that_share_nothing_are_not_padded():
    rows = [[1000 + number] * 77 for number in range(30)]
    assert num_tokens(rows, tokens_per_batch=2048) == 30 * 77


def test_rows_of_all_lengths_are_hardly_padded():
    random = np.random.default_rng(0)
    rows = [random.integers(1000, 9000, length).tolist() for length in random.integers(5, 30, 300)]
    assert num_tokens(rows, tokens_per_batch=2048) < 1.1 * sum(map(len, rows))


def test_a_batch_is_as_large_as_asked_for():
    rows = [[number, 1, 2, 3] for number in range(200)]
    sizes = [batch.packs.ids.size for batch in batches(rows, tokens_per_batch=128)]
    assert len(sizes) > 1
    assert max(sizes) <= 128
    assert sum(sizes) == 800
