import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from seesay.search import matrix as matrix_module
from seesay.search.matrix import Matrix
from seesay.search.rows import FilePart, NewItem
from seesay.search.store import Store


def unit(rows):
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


@given(st.integers(1, 300), st.integers(1, 40), st.booleans(), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_top_equals_a_plain_product_and_sort(count, limit, is_filtered, seed):
    random = np.random.default_rng(seed)
    rows = unit(random.standard_normal((count, 24))).astype(np.float16)
    ids = np.arange(1, count + 1) * np.where(random.random(count) < 0.2, -1, 1)
    query = unit(random.standard_normal((1, 24)))[0]
    allowed = np.flatnonzero(random.random(count + 1) < 0.5) if is_filtered else None
    scores = rows.astype(np.float32) @ query
    choose = (ids > 0) & (True if allowed is None else np.isin(np.abs(ids), allowed))
    order = sorted(np.flatnonzero(choose), key=lambda row: (-scores[row], ids[row]))[:limit]
    found, found_scores = Matrix(ids, rows).top(query, limit=limit, allowed=allowed)
    assert found.tolist() == ids[order].tolist()
    np.testing.assert_allclose(found_scores, scores[order], rtol=1e-6, atol=1e-6)


def test_chunks_change_nothing(monkeypatch):
    random = np.random.default_rng(0)
    rows = unit(random.standard_normal((1000, 16))).astype(np.float16)
    ids = np.arange(1, 1001)
    query = rows[3].astype(np.float32)
    whole = Matrix(ids, rows).top(query, limit=20)
    monkeypatch.setattr(matrix_module, "CHUNK_ROWS", 64)
    np.testing.assert_array_equal(Matrix(ids, rows).top(query, limit=20)[0], whole[0])
    allowed = np.arange(1, 1001, 2)
    in_chunks = Matrix(ids, rows).top(query, limit=20, allowed=allowed)
    monkeypatch.undo()
    np.testing.assert_array_equal(in_chunks[0], Matrix(ids, rows).top(query, limit=20, allowed=allowed)[0])


def shots(lengths):
    """Rows of shots: those of one shot nearly alike, those of different ones at right angles."""
    random = np.random.default_rng(0)
    places = np.repeat(np.eye(len(lengths)), lengths, axis=0)
    return unit(places + 0.3 / len(lengths) ** 0.5 * random.standard_normal(places.shape)).astype(np.float16)


def test_moments_of_a_shot_count_as_one_picture():
    rows = shots([1, 5, 30, 1, 3])
    assert Matrix(np.arange(1, 41), rows).num_pictures == 5
    every_other = np.arange(1, 41) * np.where(np.arange(40) % 2, 1, -1)
    assert Matrix(every_other, rows).num_pictures == 3  # the two shots of one moment are gone
    assert Matrix(-np.arange(1, 41), rows).num_pictures == 0
    assert Matrix(np.arange(1, 2), rows[:1]).num_pictures == 1


def test_pictures_of_a_large_library_are_estimated_from_a_sample(monkeypatch):
    monkeypatch.setattr(matrix_module, "SAMPLED_PAIRS", 100)
    rows = shots(np.random.default_rng(1).integers(1, 20, size=300))
    assert Matrix(np.arange(1, len(rows) + 1), rows).num_pictures == pytest.approx(300, rel=0.5)


@pytest.fixture
def store(tmp_path):
    opened = Store(tmp_path)
    opened.set_model("made@0", 8)
    yield opened
    opened.close()


def add(store, names):
    random = np.random.default_rng(len(names))
    store.put(
        [
            FilePart(path=b"/p/" + name, size_bytes=1, mtime_ns=1, digest=name, items=(NewItem(vector=vector),))
            for name, vector in zip(names, unit(random.standard_normal((len(names), 8))), strict=True)
        ]
    )


def as_recorded(store):
    return [(item, vector) for item, vector in store.items.vectors_after(0)]


def as_mapped(store):
    matrix = Matrix.of(store)
    return [(int(item), row.tobytes()) for item, row in zip(matrix.ids, matrix.rows, strict=True) if item > 0]


def test_the_matrix_follows_the_record_through_adding_and_removing(store):
    random = np.random.default_rng(0)
    names = [f"{number:03}".encode() for number in range(60)]
    add(store, names)
    assert as_mapped(store) == as_recorded(store)
    files = set()
    for _ in range(30):
        gone = [names[index] for index in random.choice(60, 3, replace=False)]
        store.remove(row for name in gone if (row := store.files_in(b"/p").get(name)))
        add(store, [names[index] for index in random.choice(60, 4, replace=False)])
        assert as_mapped(store) == as_recorded(store)
        files.update(path.name for path in store.folder.glob("matrix-*.f16"))
    assert len(files) > 1, "nothing was ever compacted: the test is too short"
    assert len(list(store.folder.glob("matrix-*.f16"))) == 1


def test_what_a_killed_run_appended_is_cut_off(store):
    add(store, [b"a", b"b"])
    Matrix.of(store)
    (rows,) = store.folder.glob("matrix-*.f16")
    with rows.open("ab") as file:
        file.write(b"x" * 77)
    add(store, [b"c"])
    assert as_mapped(store) == as_recorded(store)


def test_a_busy_matrix_is_read_from_the_record(store):
    import filelock

    add(store, [b"a", b"b"])
    with filelock.FileLock(store.folder / matrix_module.LOCK):
        assert as_mapped(store) == as_recorded(store)
    assert not list(store.folder.glob("matrix-*.f16"))


def test_an_older_record_than_the_matrix_makes_it_anew(store):
    add(store, [b"a", b"b"])
    Matrix.of(store)
    store.remove([store.files_in(b"/p")[b"a"]])
    store._db.execute("UPDATE state SET generation = 1")  # as after a restored backup
    assert as_mapped(store) == as_recorded(store)


def test_an_empty_library_has_an_empty_matrix(store):
    ids, scores = Matrix.of(store).top(np.ones(8, np.float32), limit=3)
    assert len(ids) == len(scores) == 0
