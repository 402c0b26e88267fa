"""A radiograph with its heat map, its score beside it, and what it may be used for."""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.special import expit

from greenstick import RESEARCH_USE
from greenstick.explanation.activation_maps import Heatmap
from greenstick.radiographs.region import Region

#: The picture's longer side in px: large enough for a fracture line, small enough for a page.
SHOWN_PX = (512, 1024)
_PANEL_PX, _FOOTER_PX, _MARGIN_PX = 148, 26, 14
_INK, _DIM, _GROUND = (236, 236, 236), (160, 160, 160), (16, 16, 18)
_BEHIND_SCALE = (70, 70, 70)  # a film's usual gray, so that the scale shows what the picture does
_BOX, _FRAME = (88, 196, 255), (214, 208, 150)

#: Probability to color: from dark red over orange to pale yellow, of evenly rising lightness (after
#: matplotlib's "inferno" by Smith & van der Walt, whose dark end would hide on a film).
_STOPS = (0.0, 0.25, 0.5, 0.75, 1.0)
_COLORS = ((110, 10, 40), (187, 55, 84), (228, 90, 49), (249, 142, 9), (252, 230, 120))
#: The film stays visible under the surest heat; at p = 0.1 the heat is as good as invisible.
_MOST_OPAQUE, _OPACITY_POWER = 0.65, 1.6
_OPACITIES = np.rint(255 * _MOST_OPAQUE * (np.arange(256) / 255) ** _OPACITY_POWER).astype(np.uint8)


def overlay(
    pixels: NDArray[np.float32],
    heat: Heatmap | None,
    *,
    boxes: ArrayLike | None = None,
    score: float | None = None,
    caption: str = "",
    threshold: float | None = None,
    width_px: int | None = None,
) -> Image.Image:
    """Draw a radiograph with its heat map.

    The scale of the heat is the same for every image: color and opacity rise with probability.

    Parameters
    ----------
    pixels
        float32 of shape (height, width) in [0, 1]; may be a reduced decode of the original.
    heat
        Its heat map, or None for the radiograph alone. Of a part of the radiograph, that is
        framed, and said to be all that was looked at.
    boxes
        (n, 4): x, y, width, height in the original's pixels; outlined.
    score
        The image's probability of a fracture; written and marked on the scale.
    caption
        Words beside the picture, e.g. ``"false negative"``.
    threshold
        The operating point; marked on the scale.
    width_px
        Of the original; needed where there are boxes and no heat map.

    Returns
    -------
    image
        RGB, a little larger than the picture: scale and score to its right, notice below.
    """
    film = film_of(pixels)
    size = film.size
    if heat is not None:
        film = _blend(film, expit(heat.placement.map_to_picture(heat.logits, size)))
        width_px = heat.placement.original_size_px[0]
        if not heat.placement.sees_all:
            _frame(film, heat.placement.region, size[0] / width_px)
            caption = f"{caption}; only the framed part was looked at".removeprefix("; ")
    if width_px is not None and boxes is not None:
        _outline(film, np.asarray(boxes, np.float64).reshape(-1, 4), size[0] / width_px)
    sheet = Image.new("RGB", (size[0] + _PANEL_PX, max(size[1], 300) + _FOOTER_PX), _GROUND)
    sheet.paste(film, (0, 0))
    _panel(sheet, size[0] + _MARGIN_PX, score, threshold, caption)
    draw = ImageDraw.Draw(sheet)
    # Below the picture, not on it: words must hide no bone.
    draw.text((8, sheet.height - 20), RESEARCH_USE, fill=_INK, font=font(13))
    return sheet


def film_of(pixels: NDArray[np.float32]) -> Image.Image:
    """Return pixels in [0, 1] as an RGB picture of :data:`SHOWN_PX`."""
    gray = Image.fromarray(np.rint(np.clip(pixels, 0.0, 1.0) * 255.0).astype(np.uint8))
    longer = max(gray.size)
    factor = min(max(longer, SHOWN_PX[0]), SHOWN_PX[1]) / longer
    width, height = (max(1, round(side * factor)) for side in gray.size)
    return gray.resize((width, height), Image.Resampling.BICUBIC).convert("RGB")


def _blend(film: Image.Image, probabilities: NDArray[np.float32]) -> Image.Image:
    levels = np.rint(np.clip(probabilities, 0.0, 1.0) * 255.0).astype(np.uint8)
    color = Image.fromarray(levels)
    color.putpalette(colorize(np.arange(256) / 255.0).tobytes())
    opacity = Image.fromarray(_OPACITIES[levels])
    return Image.composite(color.convert("RGB"), film, opacity)


def colorize(probabilities: ArrayLike) -> NDArray[np.uint8]:
    """Return colors, uint8 of shape (..., 3), for probabilities of any shape in [0, 1]."""
    given = np.asarray(probabilities, np.float64)
    channels = [np.interp(given, _STOPS, channel) for channel in zip(*_COLORS, strict=True)]
    return np.rint(np.stack(channels, axis=-1)).astype(np.uint8)


def _outline(film: Image.Image, boxes: NDArray[np.float64], scale: float) -> None:
    draw = ImageDraw.Draw(film)
    for x, y, width, height in boxes * scale:
        # A finger's breadth outside, so that the line does not lie on what it shows.
        draw.rectangle((x - 2, y - 2, x + width + 2, y + height + 2), outline=_BOX, width=2)


def _frame(film: Image.Image, seen: Region, scale: float) -> None:
    left, top, right, bottom = (
        at * scale for at in (seen.x, seen.y, seen.x + seen.width, seen.y + seen.height)
    )
    ImageDraw.Draw(film).rectangle((left, top, right - 1, bottom - 1), outline=_FRAME, width=1)


def _panel(
    sheet: Image.Image, left: int, score: float | None, threshold: float | None, caption: str
) -> None:
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN_PX
    if score is not None:
        draw.text((left, top), "probability", fill=_DIM, font=font(13))
        draw.text((left, top + 15), _percent(score), fill=_INK, font=font(30))
        top += 58
    for line in _wrapped(caption):
        draw.text((left, top), line, fill=_INK, font=font(14))
        top += 18
    _scale(sheet, left, top + 12, score, threshold)


def _scale(
    sheet: Image.Image, left: int, top: int, score: float | None, threshold: float | None
) -> None:
    """Draw the fixed scale from 0 to 1, with the score and the threshold on it."""
    bottom = sheet.height - _FOOTER_PX - 12
    height = min(260, bottom - top)
    if height < 60:
        return
    draw = ImageDraw.Draw(sheet)
    bar = _blend(
        Image.new("RGB", (14, height), _BEHIND_SCALE),
        np.linspace(1.0, 0.0, height, dtype=np.float32)[:, None].repeat(14, axis=1),
    )
    sheet.paste(bar, (left, top))
    for value, text in ((1.0, "100 %"), (0.5, "50 %"), (0.0, "0 %")):
        y = top + (1.0 - value) * (height - 1)
        draw.text((left + 30, y - 7), text, fill=_DIM, font=font(12))
    if threshold is not None:
        y = top + (1.0 - threshold) * (height - 1)
        draw.line((left - 4, y, left + 18, y), fill=_INK, width=1)
        draw.text((left + 70, y - 7), "threshold", fill=_INK, font=font(11))
    if score is not None:
        y = top + (1.0 - score) * (height - 1)
        draw.polygon([(left + 16, y), (left + 25, y - 5), (left + 25, y + 5)], fill=_INK)


def _percent(score: float) -> str:
    """Write a probability so that nothing but certainty reads as 0 or 100 %."""
    if 0.0 < score < 0.005:
        return "< 0.5 %"
    if 0.995 < score < 1.0:
        return "> 99.5 %"
    return f"{100 * score:.0f} %"


def _wrapped(text: str, width: int = 18) -> Sequence[str]:
    lines: list[str] = []
    for word in text.split():
        if lines and len(lines[-1]) + 1 + len(word) <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word[:width])
    return lines[:6]


@cache
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font of all pictures at a size in px."""
    return ImageFont.load_default(size)
