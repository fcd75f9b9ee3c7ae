"""What every task must do, over the table."""

import numpy as np
import pytest
from encoders import ColourEncoder
from PIL import Image

from seesay.base.errors import InputError
from seesay.base.tables import resolve
from seesay.tasks import TASKS

ARGUMENTS = {"classify": (["red", "blue"],), "actions": (["red", "blue"],)}


def test_every_task_is_held_to_this():
    assert TASKS
    assert set(ARGUMENTS) == set(TASKS)


@pytest.fixture(params=sorted(TASKS))
def task(request):
    run = resolve(TASKS, request.param, kind="task")
    return lambda pictures: run(ColourEncoder(), pictures, *ARGUMENTS[request.param])


def picture(colour):
    return Image.new("RGB", (20, 10), colour)


def test_one_answer_a_picture_in_their_order(task):
    red, blue = picture((255, 0, 0)), picture((0, 0, 255))
    together = task([red, blue])
    assert len(together) == 2
    assert [str(answer[0]) for answer in together] == [str(task([one])[0][0]) for one in (red, blue)]
    assert together[0] != together[1]


def test_a_picture_may_be_a_path_or_bytes_or_a_picture(task, tmp_path):
    path = tmp_path / "red.png"
    picture((255, 0, 0)).save(path)
    assert task([path]) == task([str(path)]) == task([path.read_bytes()]) == task([picture((255, 0, 0))])


def test_a_picture_that_cannot_be_read_is_an_input_error(task):
    with pytest.raises(InputError):
        task([b"no picture"])


def test_the_encoder_of_these_tests_is_an_encoder():
    from seesay.encoders.encoder import Encoder

    assert isinstance(ColourEncoder(), Encoder)
    vectors = ColourEncoder().encode_images([picture((9, 9, 9))])
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
