"""A radiograph with the boxes that experts drew and those that a detector shows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw

from greenstick import RESEARCH_USE
from greenstick.explanation.overlay import film_of, font

#: True boxes are dashed and blue, shown ones solid and orange: apart in gray, and to any eye.
TRUE_COLOR, SHOWN_COLOR = (88, 196, 255), (255, 158, 60)
_INK, _GROUND, _FOOTER_PX = (236, 236, 236), (16, 16, 18), 26


def box_overlay(
    pixels: NDArray[np.float32],
    original_size_px: tuple[int, int],
    *,
    true: ArrayLike,
    shown: ArrayLike,
    scores: Sequence[float],
) -> Image.Image:
    """Draw true and shown boxes over a radiograph.

    Parameters
    ----------
    pixels
        float32 of shape (height, width) in [0, 1]; may be a reduced decode of the original.
    original_size_px
        (width, height) that the boxes are in pixels of.
    true, shown
        (n, 4): x, y, width, height.
    scores
        Of the shown boxes; written at them.

    Returns
    -------
    image
        RGB: the picture, and the notice below it.
    """
    film = film_of(pixels)
    scale = film.width / original_size_px[0]
    line = max(2, round(max(film.size) / 220))  # still to be seen on a thumbnail
    draw = ImageDraw.Draw(film)
    for box in _scaled(shown, scale):
        draw.rectangle(_around(box, line), outline=SHOWN_COLOR, width=line)
    for box in _scaled(true, scale):
        _dashed(draw, _around(box, line), line)
    for box, score in zip(_scaled(shown, scale), scores, strict=True):
        _write(draw, _around(box, line), f"{score:.2f}", film)
    sheet = Image.new("RGB", (film.width, film.height + _FOOTER_PX), _GROUND)
    sheet.paste(film, (0, 0))
    # Below the picture, not on it: words must hide no bone.
    ImageDraw.Draw(sheet).text((8, film.height + 6), RESEARCH_USE, fill=_INK, font=font(13))
    return sheet


def _scaled(boxes: ArrayLike, scale: float) -> NDArray[np.float64]:
    return np.asarray(boxes, np.float64).reshape(-1, 4) * scale


def _around(box: NDArray[np.float64], line: int) -> tuple[float, float, float, float]:
    """Return the corners of a box, a line's breadth outside: what it shows stays visible."""
    x, y, width, height = box
    return (x - line, y - line, x + width + line, y + height + line)


def _dashed(draw: ImageDraw.ImageDraw, box: tuple[float, float, float, float], line: int) -> None:
    left, top, right, bottom = box
    step = 4 * line
    for start in np.arange(left, right, 2 * step):
        for y in (top, bottom):
            draw.line((start, y, min(start + step, right), y), fill=TRUE_COLOR, width=line)
    for start in np.arange(top, bottom, 2 * step):
        for x in (left, right):
            draw.line((x, start, x, min(start + step, bottom)), fill=TRUE_COLOR, width=line)


def _write(
    draw: ImageDraw.ImageDraw,
    box: tuple[float, float, float, float],
    words: str,
    film: Image.Image,
) -> None:
    """Write above a box, or below it where there is no room."""
    size = max(13, round(max(film.size) / 24))
    left, top, _, bottom = box
    place = (max(left, 2), top - size - 4 if top > size + 6 else bottom + 2)
    draw.text(place, words, fill=SHOWN_COLOR, font=font(size), stroke_width=1, stroke_fill=_GROUND)
