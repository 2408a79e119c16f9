"""A call with a deadline: its result, its errors, and how long callers wait."""

import threading
import time

import pytest

from lib.backends.call_deadline import (
    CALL_SECONDS,
    FOLLOW_UP_SECONDS,
    PROGRESS_BYTES,
    DeadlineExceeded,
    call_seconds,
    read_with_progress,
    run_with_deadline,
    run_with_progress,
    single_wait,
)


@pytest.fixture
def endless():
    """A wait that ends with the test."""
    is_over = threading.Event()
    yield lambda: is_over.wait(60)
    is_over.set()


def test_a_call_gives_its_result_and_raises_its_own_error():
    assert run_with_deadline(lambda: 7, 30) == 7
    assert run_with_deadline(lambda: None, 30) is None
    error = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError) as raised:
        run_with_deadline(lambda: (_ for _ in ()).throw(error), 30)
    assert raised.value is error


def test_nobody_waits_longer_than_the_deadline(endless):
    with pytest.raises(DeadlineExceeded, match=r"no answer within 0.05 s"):
        run_with_deadline(endless, 0.05)


def test_a_call_that_nobody_waits_for_does_not_keep_the_process_alive(endless):
    threads = set(threading.enumerate())
    with pytest.raises(DeadlineExceeded):
        run_with_deadline(endless, 0.05)
    assert [thread.daemon for thread in set(threading.enumerate()) - threads] == [True]


@pytest.mark.parametrize(
    ("value", "seconds"), [("7.5", 7.5), ("600", 600), ("", CALL_SECONDS), ("soon", CALL_SECONDS), ("0", CALL_SECONDS)]
)
def test_the_seconds_of_a_call_are_a_setting(value, seconds):
    assert call_seconds({"PODIUM_CALL_SECONDS": value}) == seconds


@pytest.mark.parametrize("value", ["-1", "nan", "inf", "1e999"])
def test_a_setting_that_is_no_time_is_not_taken(value):
    assert call_seconds({"PODIUM_CALL_SECONDS": value}) == CALL_SECONDS


def test_one_timed_out_call_and_three_follow_ups_fit_into_half_a_minute():
    assert CALL_SECONDS + 3 * FOLLOW_UP_SECONDS < 30


def test_after_one_wait_in_vain_the_other_calls_of_an_action_have_seconds_only(endless):
    with single_wait():
        assert call_seconds({}) == CALL_SECONDS
        with single_wait(), pytest.raises(DeadlineExceeded):
            run_with_deadline(endless, 0.05)
        assert call_seconds({}) == FOLLOW_UP_SECONDS
        assert call_seconds({"PODIUM_CALL_SECONDS": "0.5"}) == 0.5
    with single_wait():
        assert call_seconds({}) == CALL_SECONDS


def test_a_call_that_answers_and_one_that_fails_at_once_leave_an_action_its_time():
    with single_wait():
        run_with_deadline(lambda: 7, 30)
        with pytest.raises(ZeroDivisionError):
            run_with_deadline(lambda: 1 / 0, 30)
        assert call_seconds({}) == CALL_SECONDS


def test_a_file_may_take_longer_than_the_deadline_while_it_comes_in():
    def pieces():
        for _ in range(5):
            time.sleep(0.1)
            yield b"x" * PROGRESS_BYTES

    assert len(b"".join(read_with_progress(pieces(), 0.4))) == 5 * PROGRESS_BYTES


def test_a_file_that_comes_in_byte_by_byte_ends_at_the_deadline():
    def pieces():
        while True:
            time.sleep(0.01)
            yield b"x"

    with pytest.raises(DeadlineExceeded, match=r"within 0.3 s"):
        list(read_with_progress(pieces(), 0.3))


def test_a_transfer_ends_when_nothing_comes_in_any_more(endless):
    counts = iter([PROGRESS_BYTES, 2 * PROGRESS_BYTES, 2 * PROGRESS_BYTES + 1])
    with pytest.raises(DeadlineExceeded):
        run_with_progress(endless, lambda: next(counts), 0.02)
    assert next(counts, None) is None
    assert run_with_progress(lambda: 7, lambda: 0, 30) == 7
