"""Work some items ahead in threads, and take the results in order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

#: Items that may be under way or done and waiting, for each thread.
_AHEAD = 2


def in_order(
    function: Callable[[T], R], items: Iterable[T], *, threads: int, name: str
) -> Iterator[R]:
    """Yield ``function(item)`` for each item, in their order.

    At most twice as many items as threads are taken ahead, so memory does not grow with their
    number, and they may be endless. Left early, what has not begun is dropped.

    Parameters
    ----------
    function
        Called in threads.
    items
        Taken in the caller's thread.
    threads
        How many work.
    name
        Of the threads, for whoever looks at a hanging process.
    """
    waiting = iter(items)
    pool = ThreadPoolExecutor(threads, thread_name_prefix=name)
    try:
        ahead: deque[Future[R]] = deque(
            pool.submit(function, item) for item in islice(waiting, _AHEAD * threads)
        )
        while ahead:
            result = ahead.popleft().result()
            ahead.extend(pool.submit(function, item) for item in islice(waiting, 1))
            yield result
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
