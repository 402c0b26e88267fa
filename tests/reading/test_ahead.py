import itertools
import threading
import time

import pytest

from greenstick.reading.ahead import in_order


def test_results_come_in_the_order_of_the_items() -> None:
    def slow_when_even(item: int) -> int:
        time.sleep(0.002 * (item % 2 == 0))
        return item * item

    results = in_order(slow_when_even, range(50), threads=4, name="test")
    assert list(results) == [item * item for item in range(50)]


def test_only_some_are_taken_ahead() -> None:
    taken = itertools.count()
    results = in_order(lambda item: item, taken, threads=3, name="test")
    assert [next(results) for _ in range(10)] == list(range(10))
    assert next(taken) <= 10 + 2 * 3


def test_an_error_comes_out_at_its_place_and_threads_end() -> None:
    def fails_at_three(item: int) -> int:
        if item == 3:
            raise ValueError("three")
        return item

    results = in_order(fails_at_three, range(9), threads=2, name="failing")
    assert [next(results) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="three"):
        next(results)
    assert not any(thread.name.startswith("failing") for thread in threading.enumerate())


def test_threads_end_when_it_is_left_early() -> None:
    results = in_order(lambda item: item, itertools.count(), threads=2, name="early")
    assert next(results) == 0
    results.close()  # type: ignore[attr-defined]
    assert not any(thread.name.startswith("early") for thread in threading.enumerate())
