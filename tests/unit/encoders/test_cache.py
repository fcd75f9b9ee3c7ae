"""The memory for vectors of texts: right, bounded, and nobody's but its own."""

import threading

import numpy as np

from seesay.encoders.cache import TextCache


def rows(*values):
    return np.array([[value] * 100 for value in values], np.float32)


ENTRY = 100 * 4 + 300  # bytes, roughly, of a vector and its text


def test_what_was_kept_is_found():
    cache = TextCache()
    cache.keep(["cat", "dog"], rows(1, 2))
    found = cache.find(["dog", "bird"])
    assert list(found) == ["dog"]
    assert found["dog"].tolist() == rows(2)[0].tolist()


def test_it_never_takes_more_than_its_limit():
    cache = TextCache(10 * ENTRY)
    for number in range(100):
        cache.keep([f"text {number}"], rows(number))
        assert 0 < cache.size_bytes <= 10 * ENTRY
    assert 5 < len(cache) < 15


def test_the_least_recently_used_goes_first():
    cache = TextCache(3 * ENTRY)
    cache.keep(["a", "b", "c"], rows(1, 2, 3))
    cache.find(["a"])
    cache.keep(["d", "e"], rows(4, 5))
    assert set(cache.find("abcde")) >= {"a", "e"}
    assert "b" not in cache.find("abcde")


def test_without_room_it_keeps_nothing():
    cache = TextCache(0)
    cache.keep(["cat"], rows(1))
    assert (len(cache), cache.size_bytes) == (0, 0)


def test_what_a_caller_does_to_the_kept_rows_does_not_reach_it():
    cache, vectors = TextCache(), rows(1)
    cache.keep(["cat"], vectors)
    vectors[:] = 9
    assert cache.find(["cat"])["cat"].max() == 1
    assert not cache.find(["cat"])["cat"].flags.writeable


def test_threads_may_share_it():
    cache, wrong = TextCache(20 * ENTRY), []

    def work(seed):
        for number in np.random.default_rng(seed).integers(0, 50, 2000).tolist():
            for text, vector in cache.find([str(number)]).items():
                wrong.extend([text] if vector[0] != int(text) else [])
            cache.keep([str(number)], rows(number))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert 0 < cache.size_bytes <= 20 * ENTRY
