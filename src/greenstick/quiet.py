"""Libraries that speak of their own affairs, held back."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def only_errors_of(loggers: Sequence[str]) -> Iterator[None]:
    """Let nothing below an error pass from loggers of these names."""
    held = [logging.getLogger(name) for name in loggers]
    levels = [logger.level for logger in held]
    for logger in held:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(held, levels, strict=True):
            logger.setLevel(level)
