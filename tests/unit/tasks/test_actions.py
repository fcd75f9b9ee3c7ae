"""Naming the action in a video."""

import numpy as np
import pytest
from encoders import ColourEncoder
from PIL import Image

from seesay.base.errors import UsageError
from seesay.encoders.video import VideoEncoder
from seesay.tasks.actions import actions

RED, BLUE = (Image.new("RGB", (20, 10), colour) for colour in ((255, 0, 0), (0, 0, 255)))


def test_the_label_that_most_frames_show_comes_first_and_probabilities_sum_to_one():
    mostly_red, mostly_blue = actions(
        ColourEncoder(), [[RED, RED, RED, BLUE], [BLUE, BLUE, BLUE, RED]], ["red", "blue", "green"]
    )
    assert [answer[0].name for answer in (mostly_red, mostly_blue)] == ["red", "blue"]
    assert sum(label.probability for label in mostly_red) == pytest.approx(1)
    assert len(mostly_red) == 3


def test_the_order_of_frames_is_nothing_to_the_mean():
    forth, back = actions(ColourEncoder(), [[RED, BLUE], [BLUE, RED]], ["red", "blue"])
    assert forth[0].probability == pytest.approx(back[0].probability)


def test_a_probability_is_the_softmax_of_scaled_cosines():
    encoder = ColourEncoder()
    (answer,) = actions(encoder, [[RED] * 8], ["red", "blue"], templates=["{}"])
    texts = encoder.encode_texts(["red", "blue"])
    logits = encoder.scale * (encoder.encode_images([RED]) @ texts.T)[0]
    expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    assert [label.probability for label in answer] == pytest.approx(sorted(expected.tolist(), reverse=True), abs=1e-6)


def test_a_video_encoder_is_taken_as_it_is():
    encoder = ColourEncoder()
    actions(VideoEncoder(encoder, num_frames=3), [[RED] * 9], ["red"])
    assert encoder.num_pixels == 3


def test_a_template_without_a_place_is_refused():
    with pytest.raises(UsageError, match="template"):
        actions(ColourEncoder(), [[RED]], ["red"], templates=["an action"])
