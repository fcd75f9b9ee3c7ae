"""Pictures of clients are decoded a few at a time, within a fixed amount of memory."""

import threading
import time

import pytest

from seesay.base.errors import InputError
from seesay.inputs.reserving import reserve_bytes
from seesay.serve.batching import BusyError
from seesay.serve.decoding import Decoding
from seesay.serve.settings import Budget


def run(num, work):
    threads = [threading.Thread(target=work) for _ in range(num)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize(("each_bytes", "most_at_once"), [(10, 3), (40, 2), (60, 1), (100, 1)])
def test_no_more_is_decoded_at_once_than_there_are_places_and_bytes(each_bytes, most_at_once):
    decoding = Decoding(Budget(decoded_at_once=3, decoding_bytes=100))
    lock, now, most = threading.Lock(), 0, 0

    def work():
        nonlocal now, most
        with decoding.upload():
            reserve_bytes(each_bytes)
            with lock:
                now += 1
                most = max(most, now)
            time.sleep(0.03)
            with lock:
                now -= 1

    run(8, work)
    assert most == most_at_once


def test_a_picture_that_takes_more_than_all_is_refused_and_one_of_the_library_waits_to_be_alone():
    decoding = Decoding(Budget(decoding_bytes=100 << 20))
    with decoding.upload(), pytest.raises(InputError, match=r"too large: reading it takes 200 MiB .* gives 100 MiB"):
        reserve_bytes(200 << 20)
    with decoding.own():
        reserve_bytes(200 << 20)
    with decoding.upload():  # all was given back
        reserve_bytes(100 << 20)


def test_a_second_try_at_the_same_picture_waits_for_nobody():
    decoding = Decoding(Budget(decoded_at_once=2, decoding_bytes=100))
    both = threading.Barrier(2)

    def work():
        with decoding.upload():
            reserve_bytes(50)
            both.wait(10)
            reserve_bytes(80)

    run(2, work)


def test_who_comes_when_too_many_wait_is_told_to_come_again():
    decoding = Decoding(Budget(decoded_at_once=1, decodes_waiting=1))
    leave, errors = threading.Event(), []

    def work():
        try:
            with decoding.upload():
                leave.wait(10)
        except BusyError as error:
            errors.append(str(error))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
        time.sleep(0.1)
    leave.set()
    for thread in threads:
        thread.join(10)
    assert errors == ["more pictures wait to be decoded than the service takes; try again in a moment"]


def test_outside_of_a_service_nobody_waits():
    reserve_bytes(1 << 60)
