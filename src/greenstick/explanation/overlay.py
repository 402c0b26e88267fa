"""A heat map drawn over its radiograph, with the score beside it."""

from collections.abc import Sequence

import numpy as np
from matplotlib import colormaps
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from greenstick import RESEARCH_USE
from greenstick.explanation.activation_maps import Heatmap

#: Below this probability nothing is drawn; from there the color grows to its full strength at 1.
_FAINTEST, _STRONGEST = 0.2, 0.65
_LONGER_PX = 768
_BAR_PX = 44


def overlay(
    pixels: NDArray[np.float32],
    heat: Heatmap | None,
    *,
    boxes: Sequence[tuple[float, float, float, float]] = (),
    score: float | None = None,
    caption: str = "",
) -> Image.Image:
    """Draw a radiograph with its heat map, true boxes, score and 'research use only'.

    Parameters
    ----------
    pixels
        float32 (height, width) in [0, 1]; may be smaller than the original.
    heat
        In original pixels; None draws none.
    boxes
        x, y, width, height in original pixels, outlined.
    score
        Calibrated probability.
    caption
        One line beside the score.

    Returns
    -------
    PIL.Image.Image
        RGB, its longer side at most 768 px, with a bar of text below.
    """
    shrink = min(1.0, _LONGER_PX / max(pixels.shape))
    height, width = (max(1, round(side * shrink)) for side in pixels.shape)
    gray = np.asarray(Image.fromarray(pixels).resize((width, height)))[..., None]
    shown = np.repeat(np.clip(gray, 0.0, 1.0), 3, axis=2)
    original = pixels.shape[::-1] if heat is None else heat.values.shape[::-1]
    if heat is not None:
        shown = _blend(shown, np.asarray(Image.fromarray(heat.values).resize((width, height))))
    picture = Image.fromarray(np.rint(shown * 255).astype(np.uint8))
    _outline(picture, boxes, width / original[0], height / original[1])
    return _with_text(picture, score, caption)


def _blend(shown: NDArray[np.float32], values: NDArray[np.float32]) -> NDArray[np.float32]:
    color = colormaps["inferno"](values)[..., :3].astype(np.float32)
    strength = np.clip((values - _FAINTEST) / (1.0 - _FAINTEST), 0.0, 1.0) * _STRONGEST
    return np.asarray(shown * (1.0 - strength[..., None]) + color * strength[..., None])


def _outline(
    picture: Image.Image,
    boxes: Sequence[tuple[float, float, float, float]],
    scale_x: float,
    scale_y: float,
) -> None:
    draw = ImageDraw.Draw(picture)
    for x, y, width, height in boxes:
        corners = (x * scale_x, y * scale_y, (x + width) * scale_x, (y + height) * scale_y)
        draw.rectangle(corners, outline=(64, 224, 208), width=2)


def _with_text(picture: Image.Image, score: float | None, caption: str) -> Image.Image:
    framed = Image.new("RGB", (max(picture.width, 300), picture.height + _BAR_PX), "black")
    framed.paste(picture, ((framed.width - picture.width) // 2, 0))
    draw = ImageDraw.Draw(framed)
    said = "" if score is None else f"probability of fracture {score:.2f}   "
    draw.text((8, picture.height + 4), said + caption, "white", ImageFont.load_default(14))
    draw.text((8, picture.height + 24), RESEARCH_USE, "silver", ImageFont.load_default(12))
    return framed
