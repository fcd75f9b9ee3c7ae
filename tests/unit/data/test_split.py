"""The split: no title and no picture of the held-out side is trained on, in one set or in several together."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from seesay.data.public.split import Pair, find_duplicates, look_of, split
from seesay.data.public.titles import is_held_out, title_key

WORDS = ("dog", "cat", "red", "blue", "house", "tree", "car", "big", "small", "flag")


def pair_of(number, title, *more):
    return Pair(f"pictures/{number}.jpg", (title, *more), title_key(title))


def random_looks(count, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, (count, 30)).astype(np.float32)


titles = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=3).map(" ".join), min_size=1, max_size=60)


@given(titles, st.integers(0, 3))
def test_no_caption_of_training_says_what_a_held_out_one_says(names, num_looks):
    pairs = [pair_of(number, name, f"{name}, {names[0]}") for number, name in enumerate(names)]
    looks = random_looks(len(names))
    if num_looks:
        looks = looks[np.arange(len(names)) % num_looks]
    divided = split(pairs, names, looks, share=0.3)
    trained = {title_key(caption) for pair in divided.train for caption in pair.captions}
    measured = [title_key(caption) for pair in divided.held_out for caption in pair.captions]
    assert not trained & set(measured)
    assert len(measured) == len(set(measured)), "one picture of each held-out title"
    assert len(divided.train) + len(divided.held_out) + divided.num_dropped == len(pairs)
    place = {pair.image: number for number, pair in enumerate(pairs)}
    for kept in divided.held_out:
        near = [np.abs(looks[place[kept.image]] - looks[place[pair.image]]).max() for pair in divided.train]
        assert min(near, default=255) > 1, "a picture that is trained on"


@given(titles, titles)
def test_a_title_is_on_one_side_in_every_set(one, other):
    sides = {}
    for names in (one, other):
        divided = split([pair_of(*item) for item in enumerate(names)], names, random_looks(len(names)), share=0.3)
        for name, pairs in (("train", divided.train), ("held out", divided.held_out)):
            for pair in pairs:
                assert sides.setdefault(pair.group, name) == name


def test_titles_of_one_subject_go_together():
    subjects = [f"thing{chr(97 + number // 14)}{chr(97 + number % 14)}" for number in range(196) for _ in range(2)]
    names = [f"{subject} {tone} skin" for subject, tone in zip(subjects, ("dark", "light") * 196, strict=True)]
    divided = split([pair_of(*item) for item in enumerate(names)], subjects, random_looks(392), share=0.3)
    for pair in divided.train:
        assert not is_held_out(title_key(pair.captions[0].split()[0]), 0.3)
    assert divided.held_out


def test_looks_tell_the_same_picture_from_another_whatever_its_size():
    ramp = np.linspace(0, 255, 96, dtype=np.uint8)
    first = Image.fromarray(np.broadcast_to(ramp[None, :, None], (96, 96, 3)).copy())
    turned = first.rotate(90)
    looks = np.stack([look_of(picture) for picture in (first, first.resize((192, 192)), turned, first.copy())])
    assert np.sqrt(((looks[0] - looks[1]) ** 2).mean()) < 3 < np.sqrt(((looks[0] - looks[2]) ** 2).mean())
    assert find_duplicates(looks).tolist() == [False, False, False, True]
