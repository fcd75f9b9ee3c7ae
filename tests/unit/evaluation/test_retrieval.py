import tracemalloc

import evaluations
import numpy as np
import pytest

from seesay.base.errors import UsageError
from seesay.evaluation.retrieval import Places, hits, ranks, recall, retrieval


def unit_rows(random, num, size):
    return evaluations.unit(random.standard_normal((num, size)))


def captioned_vectors(*, num=90, captions=3, size=24, spread=0.7, seed=0):
    """Images, and of each a few texts near it, in no order; one image and one text come twice."""
    random = np.random.default_rng(seed)
    images = unit_rows(random, num, size)
    owners = random.permutation(np.repeat(np.arange(num), captions))
    texts = evaluations.unit(images[owners] + spread * unit_rows(random, len(owners), size))
    images[7], texts[5] = images[3], texts[9]
    return images, texts, owners


def counted_plainly(images, texts, owners):
    """The whole matrix in float64, entry by entry."""
    cosines = texts.astype(np.float64) @ images.T.astype(np.float64)
    own = cosines[np.arange(len(texts)), owners]
    is_own = owners[:, None] == np.arange(len(images))
    best = np.where(is_own, cosines, -2).max(axis=0)
    text_rank = ((cosines >= own[:, None] - 1e-12) & ~is_own).sum(axis=1)
    image_rank = ((cosines >= best - 1e-12) & ~is_own).sum(axis=0)
    return text_rank, image_rank


@pytest.mark.parametrize("block", [1, 7, 64, 2048])
@pytest.mark.parametrize("crowd", [1.0, 1e-5], ids=["spread out", "all nearly the same"])
def test_ranks_are_those_of_the_whole_matrix_whatever_the_blocks(block, crowd):
    images, texts, owners = captioned_vectors()
    same = evaluations.unit(np.ones(images.shape[1]))
    images, texts = (evaluations.unit(same * (1 - crowd) + crowd * rows) for rows in (images, texts))
    found = ranks(images, texts, owners, block=block)
    text_rank, image_rank = counted_plainly(images, texts, owners)
    assert (found.text.worst == text_rank).all()
    assert (found.image.worst == image_rank).all()


def test_the_order_of_images_and_texts_changes_nothing():
    images, texts, owners = captioned_vectors(seed=1)
    random = np.random.default_rng(2)
    by_image, by_text = random.permutation(len(images)), random.permutation(len(texts))
    new_owners = np.argsort(by_image)[owners[by_text]]
    assert recall(images[by_image], texts[by_text], new_owners) == recall(images, texts, owners)


@pytest.mark.parametrize("encoder", ["spread out", "constant"])
def test_memory_grows_with_the_vectors_and_not_with_their_product(encoder):
    num = 12_000  # the whole matrix in float32 would be 576 MB
    images = unit_rows(np.random.default_rng(3), num, 16)
    if encoder == "constant":
        images[:] = images[0]
    tracemalloc.start()
    try:
        ranks(images, images, np.arange(num), block=1024)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20 * 1024 * (1024 + 16) + 100 * 2 * num + 1_000_000


def test_recall_of_two_images_and_three_texts_by_hand():
    images = np.array([[1, 0], [0, 1]], np.float32)
    texts = evaluations.unit(np.array([[1, 0.1], [1, 0.5], [1, 0.2]]))  # the third belongs to the second image
    found = recall(images, texts, np.array([0, 0, 1]), at=(1, 2))
    assert found == {
        "text_to_image_recall@1": pytest.approx(2 / 3),
        "text_to_image_recall@2": 1.0,
        "image_to_text_recall@1": 0.5,  # nearest to the second image is the second text, which is the first's
        "image_to_text_recall@2": 1.0,
    }


def test_any_caption_of_an_image_is_a_hit():
    images = np.eye(3, dtype=np.float32)
    texts = np.eye(3, dtype=np.float32)[[0, 1, 2, 1, 2, 0]]
    found = recall(images, texts, np.array([0, 1, 2, 0, 1, 2]), at=(1,))
    assert found["text_to_image_recall@1"] == 0.5
    # each image has a right text and a wrong one at cosine 1, and a tie counts against it
    assert found["image_to_text_recall@1"] == 0.0
    assert recall(images, texts, np.array([0, 1, 2, 0, 1, 2]), at=(2,))["image_to_text_recall@2"] == 1.0


def test_a_constant_encoder_recalls_nothing_and_a_k_beyond_all_recalls_everything():
    same = np.tile(evaluations.unit(np.ones(8)), (20, 1))
    found = recall(same, same, np.arange(20), at=(1, 10, 50))
    assert list(found.values()) == [0, 0, 1, 0, 0, 1]


def test_ties_are_shared_as_a_fair_draw_would():
    random = np.random.default_rng(4)
    before, tied, own = 2, 5, 2
    expected = np.mean([(random.permutation(tied + own)[:own] < 4 - before).any() for _ in range(20_000)])
    (found,) = hits(Places(np.array([before]), np.array([tied]), np.array([own])), 4)
    assert found == pytest.approx(1 - (5 / 7) * (4 / 6))
    assert found == pytest.approx(expected, abs=0.02)


def test_a_picture_that_could_not_be_read_is_never_found():
    view = evaluations.perfect_view(evaluations.captioned())
    images = view.images().copy()
    images[0] = 0
    result = retrieval(evaluations.MadeView(view.dataset, images, view._of_text), at=(1, 1000))
    by_text, by_text_far, by_image, by_image_far = result.measures
    lost = (view.dataset.captions.image_of_text == 0).sum()
    assert by_text.scores.sum() == by_text_far.scores.sum() == len(by_text.scores) - lost
    assert by_image.scores.sum() == by_image_far.scores.sum() == len(images) - 1


@pytest.mark.parametrize(
    ("owners", "message"),
    [([0, 1], "each of the 3 images needs a text"), ([0, 1, 3], "needs a text"), ([0, 0, 1], "needs a text")],
)
def test_owners_that_do_not_match_are_an_error(owners, message):
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(UsageError, match=message):
        recall(rows, rows, np.array(owners))


def test_vectors_that_do_not_match_are_an_error():
    rows = np.eye(3, dtype=np.float32)
    with pytest.raises(UsageError, match=r"not \(3, 3\) and \(3, 2\)"):
        recall(rows, rows[:, :2], np.arange(3))
    with pytest.raises(UsageError, match="must be numbers"):
        recall(np.full((3, 3), np.nan, np.float32), rows, np.arange(3))
    with pytest.raises(UsageError, match="1 to 65535 rows"):
        ranks(rows, rows, np.arange(3), block=0)
