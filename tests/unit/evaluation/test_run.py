"""An encoder, datasets and tasks in; results out."""

import numpy as np
import pytest
from archives import plain, write_tar
from encoders import COLOURS, ColourEncoder

from seesay.base.errors import UnknownNameError, UsageError
from seesay.evaluation.adapters import Wrapped
from seesay.evaluation.datasets import open_dataset
from seesay.evaluation.prompts import Prompts
from seesay.evaluation.run import EncodedView, evaluate

PLAIN = {"prompts": Prompts(name="plain", templates=("a {}", "the {}"))}


@pytest.fixture
def folder(tmp_path):
    """Four pictures a colour, to test on and to train on."""
    for split in ("train", "test"):
        for colour, rgb in COLOURS.items():
            for number in range(4):
                path = tmp_path / "colours" / split / colour / f"{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(plain(tuple(abs(value - 9 * number) for value in rgb)))
    return tmp_path / "colours"


def run(encoder, dataset, tmp_path, tasks=("zeroshot",), **options):
    return evaluate(encoder, [dataset], tasks, options=options or PLAIN, cache=tmp_path / "cache")


def test_colours_are_told_apart_and_a_second_run_encodes_nothing(folder, tmp_path):
    first, second = ColourEncoder(), ColourEncoder()
    (result,) = run(first, open_dataset(str(folder)), tmp_path)
    (again,) = run(second, open_dataset(str(folder)), tmp_path)
    assert result.measures[0].value == 1.0
    assert result.measures[0].num_samples == 20
    assert (first.num_pixels, second.num_pixels) == (20, 0)
    assert again.measures == result.measures
    assert "unreadable" not in result.details


def test_sentences_are_remembered_by_what_they_say(folder, tmp_path):
    class Counting(ColourEncoder):
        num_texts = 0

        def encode_texts(self, texts):
            self.num_texts += len(texts)
            return super().encode_texts(texts)

    encoders = [Counting() for _ in range(3)]
    run(encoders[0], open_dataset(str(folder)), tmp_path)
    run(encoders[1], open_dataset(str(folder)), tmp_path)
    run(encoders[2], open_dataset(str(folder)), tmp_path, prompts=Prompts(name="other", templates=("one {}",)))
    assert [encoder.num_texts for encoder in encoders] == [10, 0, 5]


def test_several_tasks_look_at_each_picture_once(folder, tmp_path):
    encoder = ColourEncoder()
    dataset = open_dataset(str(folder), with_train=True)
    results = run(encoder, dataset, tmp_path, ["zeroshot", "calibration", "probe"])
    assert [result.task for result in results] == ["zeroshot", "calibration", "probe"]
    assert encoder.num_pixels == 40


def test_a_picture_that_cannot_be_read_counts_as_wrong_and_is_named(folder, tmp_path):
    (folder / "test" / "red" / "2.png").write_bytes(b"no picture")
    (result,) = run(ColourEncoder(), open_dataset(str(folder)), tmp_path)
    assert result.measures[0].value == pytest.approx(19 / 20)
    assert result.measures[0].num_samples == 20
    assert list(result.details["unreadable"]) == ["red/2.png"]
    assert result.details["confusion"].sum() == 19


def test_one_that_cannot_be_read_is_left_out_of_what_is_trained_on(folder, tmp_path):
    (folder / "train" / "red" / "2.png").write_bytes(b"no picture")
    dataset = open_dataset(str(folder), with_train=True)
    view = EncodedView(ColourEncoder(), dataset, tmp_path / "cache", True, lambda what, progress: None)
    assert len(dataset.train.pictures) == 20
    assert len(view.train.images()) == len(view.train.features()) == len(view.train.dataset.pictures) == 19
    assert len(view.train.dataset.labels.labels) == 19
    assert view.train.images().any(axis=1).all()
    missing = np.bincount(dataset.train.labels.labels) - np.bincount(view.train.dataset.labels.labels)
    assert dataset.labels.classes[int(missing.argmax())] == "red"


def test_retrieval_of_captions(tmp_path):
    members = []
    for colour, rgb in COLOURS.items():
        members += [(f"{colour}.png", plain(rgb)), (f"{colour}.txt", f"all {colour}\nonly {colour}".encode())]
    dataset = open_dataset(str(write_tar(tmp_path / "captions.tar", members)))
    results = evaluate(ColourEncoder(), [dataset], cache=tmp_path / "cache")
    assert [result.task for result in results] == ["retrieval"]
    assert all(measure.value == 1.0 for measure in results[0].measures)
    assert results[0].measures[0].num_samples == 2 * len(COLOURS)


def test_progress_is_told_to_the_end(folder, tmp_path):
    told = []
    evaluate(
        ColourEncoder(),
        [open_dataset(str(folder))],
        options=PLAIN,
        cache=tmp_path / "cache",
        report=lambda what, progress: told.append((what, *progress)),
    )
    assert told[0] == ("colours", 0, 20)
    assert told[-1] == ("colours", 20, 20)


def test_what_cannot_be_run_is_said_before_anything_is_encoded(folder, tmp_path):
    encoder, dataset = ColourEncoder(), open_dataset(str(folder))
    with pytest.raises(UnknownNameError, match="did you mean zeroshot"):
        run(encoder, dataset, tmp_path, ["zeroshoot"])
    with pytest.raises(UnknownNameError, match="did you mean prompts"):
        run(encoder, dataset, tmp_path, promts=None)
    with pytest.raises(UsageError, match=r"captions.*colours"):
        run(encoder, dataset, tmp_path, ["retrieval"])
    with pytest.raises(UsageError, match="one dataset and one task"):
        evaluate(encoder, [], cache=tmp_path)
    assert encoder.num_pixels == 0


def test_a_wrapped_encoder_without_features_cannot_be_probed_and_says_so(folder, tmp_path):
    ours = ColourEncoder()
    wrapped = Wrapped(
        id="mine@1", encode_images=ours.encode_images, encode_texts=lambda texts: 7 * ours.encode_texts(texts)
    )
    (result,) = run(wrapped, open_dataset(str(folder)), tmp_path)
    assert result.measures[0].value == 1.0
    assert result.encoder == "mine@1"
    with pytest.raises(UsageError, match="mine@1 gives no features"):
        evaluate(wrapped, [open_dataset(str(folder), with_train=True)], ["probe"], cache=tmp_path / "cache")
