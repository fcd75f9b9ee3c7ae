"""What many ask at once goes through the model together, and nobody notices but by the clock."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from encoders import COLOURS, ColourEncoder
from PIL import Image

from seesay.base.errors import InputError, UsageError
from seesay.encoders.encoder import Encoder
from seesay.serve.batching import BatchingEncoder, BusyError, Lane


class Gate:
    """A model that begins when it is told to, so that others gather meanwhile."""

    def __init__(self):
        self.is_open = threading.Event()
        self.has_begun = threading.Event()
        self.sizes = []

    def run(self, things):
        self.has_begun.set()
        assert self.is_open.wait(10)
        self.sizes.append(len(things))
        if "bad" in things:
            raise InputError("a bad one")
        return np.array([[float(thing)] for thing in things], np.float32)


def gated(**options):
    gate = Gate()
    lane = Lane(gate.run, **{"batch_size": 8, "room": 64} | options)
    first = lane.submit(["0"])
    assert gate.has_begun.wait(10)
    return gate, lane, first


def test_what_gathers_while_the_model_is_busy_is_one_batch_and_each_gets_its_own_rows():
    gate, lane, first = gated()
    later = [lane.submit([str(number), str(-number)]) for number in range(1, 4)]
    gate.is_open.set()
    assert first.result(10).tolist() == [[0]]
    assert [future.result(10).tolist() for future in later] == [[[n], [-n]] for n in range(1, 4)]
    assert gate.sizes == [1, 6]
    lane.close()


def test_a_batch_is_never_larger_than_said_and_order_is_kept():
    gate, lane, first = gated(batch_size=4)
    later = [lane.submit([str(number)] * 3) for number in range(1, 6)]
    gate.is_open.set()
    for number, future in enumerate(later, 1):
        assert future.result(10).tolist() == [[number]] * 3
    assert gate.sizes == [1] + [3] * 5
    assert first.done()
    lane.close()


def test_one_request_s_fault_is_not_the_others():
    gate, lane, first = gated()
    good, bad, also_good = lane.submit(["1"]), lane.submit(["bad"]), lane.submit(["2"])
    gate.is_open.set()
    assert (first.result(10)[0, 0], good.result(10)[0, 0], also_good.result(10)[0, 0]) == (0, 1, 2)
    with pytest.raises(InputError, match="a bad one"):
        bad.result(10)
    assert lane.submit(["3"]).result(10)[0, 0] == 3  # and the lane lives on
    lane.close()


def test_a_full_queue_refuses_at_once_and_takes_again_when_there_is_room():
    gate, lane, first = gated(room=2)
    waiting = [lane.submit(["1"]), lane.submit(["2"])]
    with pytest.raises(BusyError, match="try again in a moment"):
        lane.submit(["3"])
    gate.is_open.set()
    assert [future.result(10)[0, 0] for future in (first, *waiting)] == [0, 1, 2]
    assert lane.submit(["3"]).result(10)[0, 0] == 3
    lane.close()


def test_closing_finishes_what_was_taken_and_takes_nothing_more():
    gate, lane, first = gated()
    waiting = [lane.submit([str(number)]) for number in range(20)]
    closing = threading.Thread(target=lane.close)
    closing.start()
    gate.is_open.set()
    closing.join(10)
    assert not closing.is_alive()
    assert first.done()
    assert [future.result(0)[0, 0] for future in waiting] == list(range(20))
    with pytest.raises(BusyError):
        lane.submit(["1"])


def test_many_threads_get_what_one_alone_would_have_got():
    plain = ColourEncoder()
    shared = BatchingEncoder(ColourEncoder(), batch_size=4)
    assert isinstance(shared, Encoder)
    texts = [[*COLOURS][number % 5 : number % 5 + 1 + number % 3] for number in range(40)]
    pictures = [Image.new("RGB", (40, 40), (number * 6, 20, 90)) for number in range(40)]

    def ask(number):
        return shared.encode_texts(texts[number]), shared.encode_images([pictures[number]])

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(40)))
    for number, (of_texts, of_image) in enumerate(answers):
        np.testing.assert_array_equal(of_texts, plain.encode_texts(texts[number]))
        np.testing.assert_array_equal(of_image, plain.encode_images([pictures[number]]))
    shared.close()


def test_a_request_larger_than_a_batch_goes_in_pieces_and_comes_back_whole():
    sizes = []
    shared = BatchingEncoder(ColourEncoder(), batch_size=4, on_batch=lambda kind, size: sizes.append((kind, size)))
    names = [*COLOURS] * 2
    np.testing.assert_array_equal(shared.encode_texts(names), ColourEncoder().encode_texts(names))
    assert sizes == [("text", 4), ("text", 4), ("text", 2)]
    assert shared.encode_texts([]).shape == (0, 48)
    shared.close()


def test_what_is_no_list_of_texts_never_reaches_the_lane():
    shared = BatchingEncoder(ColourEncoder())
    with pytest.raises(UsageError, match="put it in a list"):
        shared.encode_texts("red")
    shared.close()


def test_giving_up_finishes_what_is_in_the_model_and_tells_the_rest_to_come_again():
    gate, lane, first = gated()
    waiting = [lane.submit([str(number)]) for number in range(20)]
    lane.give_up()
    for future in waiting:
        with pytest.raises(BusyError, match="the service is stopping"):
            future.result(10)
    gate.is_open.set()
    assert first.result(10).tolist() == [[0]]
    with pytest.raises(BusyError):
        lane.submit(["1"])
    lane.close()
