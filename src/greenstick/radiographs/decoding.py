"""The state that every decoder runs in: strict about cut files, and silent.

Decoders warn on standard error of files that are read well enough, and a warning of theirs may
quote a value of the file, and so a patient's name.
"""

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import ImageFile

_LOGGERS = ("pydicom", "nibabel.global", "PIL")
_lock = threading.Lock()
_inside = 0
_silence = warnings.catch_warnings()
_lenient = False


@contextmanager
def decoding() -> Iterator[None]:
    """Ignore warnings and decoders' log lines within, and let no cut file pass as whole.

    Several threads may be inside at once. What was set before is set again when all have left.
    ``warnings.catch_warnings`` alone is not safe in threads: the first to leave would restore
    the filters under the others, the last would restore a silenced state.
    """
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside, _silence, _lenient  # noqa: PLW0603  process-wide, as what they guard
    with _lock:
        if _inside == 0:
            _silence = warnings.catch_warnings()
            _silence.__enter__()
            warnings.simplefilter("ignore")
            _disable_loggers(True)
            # Another library may have told Pillow to fill the rest of a cut file with gray.
            _lenient, ImageFile.LOAD_TRUNCATED_IMAGES = ImageFile.LOAD_TRUNCATED_IMAGES, False
        _inside += 1


def _leave() -> None:
    global _inside  # noqa: PLW0603
    with _lock:
        _inside -= 1
        if _inside == 0:
            _disable_loggers(False)
            ImageFile.LOAD_TRUNCATED_IMAGES = _lenient
            _silence.__exit__(None, None, None)


def _disable_loggers(disabled: bool) -> None:
    for name in _LOGGERS:
        logging.getLogger(name).disabled = disabled
