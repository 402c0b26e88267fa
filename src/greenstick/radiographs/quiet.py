"""Decoders warn on standard error about files that are read well enough; here they do not.

A warning of theirs may hold a value of the file, and so a patient's name.
"""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGERS = ("pydicom", "nibabel.global", "PIL")
_lock = threading.Lock()
_inside = 0
_silence = warnings.catch_warnings()


@contextmanager
def quietly() -> Iterator[None]:
    """Ignore warnings and decoders' log lines within; several threads may be inside at once.

    ``warnings.catch_warnings`` alone is not safe in threads: the first to leave would restore
    the filters under the others, the last would restore a silenced state.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _silence  # noqa: PLW0603  process-wide, as the warning filters are
    with _lock:
        if _inside == 0:
            _silence = warnings.catch_warnings()
            _silence.__enter__()
            warnings.simplefilter("ignore")
            _disable_loggers(True)
        _inside += 1


def _leave() -> None:
    global _inside  # noqa: PLW0603
    with _lock:
        _inside -= 1
        if _inside == 0:
            _disable_loggers(False)
            _silence.__exit__(None, None, None)


def _disable_loggers(disabled: bool) -> None:
    for name in _LOGGERS:
        logging.getLogger(name).disabled = disabled
