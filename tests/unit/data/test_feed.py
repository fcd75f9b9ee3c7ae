"""The line of examples and the batches made of it: the same order always, from anywhere."""

import collections
import io
import itertools
import json

import numpy as np
import pytest
from PIL import Image

from seesay.base.errors import DataError
from seesay.data.augment import AUGMENTATIONS, random_resized_crop, square_crop, squash
from seesay.data.feed import Feed
from seesay.data.loader import Loader, Preparation
from seesay.data.source import Damaged, Example
from seesay.encoders import recipes
from seesay.inputs import openai
from seesay.inputs.tokenizer import Tokenizer


class Numbers:
    """A source of `count` pictures; those in `bad` cannot be read."""

    def __init__(self, count, name="n", bad=(), captions=("a picture", "a photo of it")):
        self.count, self.name, self.bad, self.captions = count, name, bad, captions

    def stream(self, one, start=()):
        (done,) = start or (0,)
        own = one.permutation(self.count)[one.rank :: one.size]
        for place, number in enumerate(own[done:].tolist(), done + 1):
            key = f"{self.name}{number}"
            if number in self.bad:
                yield Damaged(key, "is bad"), (place,)
                continue
            content = io.BytesIO()
            shades = np.random.default_rng(number).integers(0, 256, (20, 30, 3), dtype=np.uint8)
            Image.fromarray(shades).save(content, "PNG")
            yield Example(key, content.getvalue(), self.captions), (place,)


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokenizer") / "tokenizer.json"
    path.write_bytes(openai.tokenizer_json())
    return Tokenizer(path, recipes.text_config("clip", 77))


def keys(feed, count, *, skip=0):
    return [drawn.example.key for drawn in itertools.islice(iter(feed), skip, skip + count)]


def test_each_epoch_shows_everything_in_another_order():
    drawn = keys(Feed([(Numbers(10), 1.0)], seed=0), 20)
    assert sorted(drawn[:10]) == sorted(drawn[10:])
    assert drawn[:10] != drawn[10:]


def test_weights_are_shares():
    feed = Feed([(Numbers(10, "a"), 3.0), (Numbers(10, "b"), 1.0)], seed=0)
    counts = collections.Counter(key[0] for key in keys(feed, 2000))
    assert 0.7 < counts["a"] / 2000 < 0.8


@pytest.mark.parametrize("place", [1, 7, 10, 23])
def test_a_feed_goes_on_where_its_cursor_stands(place):
    sources = [(Numbers(10, "a"), 2.0), (Numbers(7, "b"), 1.0)]
    drawn = list(itertools.islice(Feed(sources, seed=4), 40))
    cursor = json.loads(json.dumps(drawn[place - 1].cursor))
    assert keys(Feed(sources, seed=4, cursor=cursor), 40 - place) == [one.example.key for one in drawn[place:]]


def test_a_cursor_of_other_processes_or_sources_is_refused():
    cursor = next(iter(Feed([(Numbers(10), 1.0)], seed=0))).cursor
    for sources, size in (([(Numbers(10), 1.0)], 2), ([(Numbers(10), 1.0)] * 2, 1)):
        with pytest.raises(DataError, match="start a new run from its weights"):
            Feed(sources, seed=0, size=size, cursor=cursor)


def test_a_source_without_examples_ends_the_run():
    with pytest.raises(DataError, match="has no example for this process"):
        next(iter(Feed([(Numbers(3), 1.0)], seed=0, rank=3, size=4)))


def loader(tokenizer, *, source=None, cursor=None, threads=3, captions="one", batch_size=4, **options):
    how = Preparation(size_px=16, augment=square_crop, tokenizer=tokenizer, captions=captions, seed=9)
    feed = Feed([(source or Numbers(10), 1.0)], seed=9, cursor=cursor and cursor["feed"])
    counts = tuple(cursor["counts"]) if cursor else (0, 0)
    return Loader(feed, how, batch_size=batch_size, threads=threads, counts=counts, **options)


def take(loader, count):
    batches = iter(loader)
    taken = list(itertools.islice(batches, count))
    batches.close()
    return taken


def assert_same(batches, others):
    for one, other in zip(batches, others, strict=True):
        assert one.keys == other.keys
        np.testing.assert_array_equal(one.pixels, other.pixels)
        np.testing.assert_array_equal(one.ids, other.ids)


def test_batches_do_not_depend_on_threads(tokenizer):
    assert_same(take(loader(tokenizer, threads=1), 6), take(loader(tokenizer, threads=5), 6))


@pytest.mark.parametrize("place", [1, 4])
def test_batches_go_on_from_any_cursor(tokenizer, place):
    source = Numbers(10, bad=(2, 5))
    straight = take(loader(tokenizer, source=source, most_bad=0.5), 7)
    cursor = json.loads(json.dumps(straight[place - 1].cursor))
    rest = take(loader(tokenizer, source=source, cursor=cursor, most_bad=0.5), 7 - place)
    assert_same(rest, straight[place:])
    assert rest[-1].cursor == straight[-1].cursor


def test_a_batch_holds_what_a_step_needs(tokenizer):
    (batch,) = take(loader(tokenizer), 1)
    assert batch.pixels.shape == (4, 16, 16, 3)
    assert batch.pixels.dtype == np.uint8
    assert batch.ids.shape == batch.mask.shape == (4, batch.mask.sum(axis=1).max())
    np.testing.assert_array_equal(batch.image_groups, batch.text_groups)
    # pictures match where the same is said of them
    is_same = np.equal.outer(batch.image_groups, batch.image_groups)
    np.testing.assert_array_equal(is_same, [[one == other for other in batch.captions] for one in batch.captions])
    assert not is_same.all()


def test_all_captions_of_a_picture_are_its_positives(tokenizer):
    (batch,) = take(loader(tokenizer, captions="all"), 1)
    assert len(batch.ids) == 8
    np.testing.assert_array_equal(batch.text_groups, np.repeat(batch.image_groups, 2))


def test_one_caption_is_drawn_anew_in_each_pass(tokenizer):
    batches = take(loader(tokenizer, source=Numbers(4)), 12)
    assert len({tuple(row) for batch in batches for row in batch.ids.tolist()}) == 2


def test_bad_examples_are_left_out_named_and_counted(tokenizer, caplog):
    one = loader(tokenizer, source=Numbers(10, bad=(3,)))
    seen = [key for batch in take(one, 5) for key in batch.keys]
    assert "n3" not in seen
    assert "left out n3: is bad" in caplog.text
    assert one.num_bad >= 2


def test_too_many_bad_examples_stop_the_run(tokenizer, monkeypatch):
    monkeypatch.setattr("seesay.data.loader._LEAST_SEEN", 10)
    with pytest.raises(DataError, match=r"of \d+ examples cannot be used, more than the 5% .* is bad"):
        take(loader(tokenizer, source=Numbers(10, bad=(1, 2))), 100)


def test_a_picture_that_cannot_be_decoded_is_bad(tokenizer):
    class Broken(Numbers):
        def stream(self, one, start=()):
            for example, position in super().stream(one, start):
                yield (example._replace(image=b"no picture") if example.key == "n0" else example), position

    seen = [key for batch in take(loader(tokenizer, source=Broken(6)), 4) for key in batch.keys]
    assert "n0" not in seen


@pytest.mark.parametrize("size", [(30, 20), (20, 30), (16, 16), (1, 1), (300, 3)])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_makes_a_square_of_any_picture(name, size):
    made = AUGMENTATIONS[name](Image.new("RGB", size, (9, 8, 7)), 16, np.random.default_rng(0))
    assert made.shape == (16, 16, 3)
    assert (made == (9, 8, 7)).all()


def test_crops_move_and_squash_does_not():
    shades = np.tile(np.linspace(0, 255, 40, dtype=np.uint8)[None, :, None], (30, 1, 3))
    picture = Image.fromarray(shades)
    for augment, moves in ((square_crop, True), (random_resized_crop, True), (squash, False)):
        made = {augment(picture, 16, np.random.default_rng(seed)).tobytes() for seed in range(5)}
        assert (len(made) > 1) is moves
