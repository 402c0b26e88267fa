"""Letters on a film: the lead L or R beside the limb, and the stamp that says it is drawn.

The letters are a 5 x 7 dot font of our own, so that no machine's fonts change a picture.
"""

import numpy as np

from greenstick.radiographs.phantom.solids import Floats

STAMP = "DRAWN, NOT A PATIENT"

_DOTS = {
    " ": "00000 00000 00000 00000 00000 00000 00000",
    ",": "00000 00000 00000 00000 01100 00100 01000",
    "A": "01110 10001 10001 11111 10001 10001 10001",
    "D": "11110 10001 10001 10001 10001 10001 11110",
    "E": "11111 10000 10000 11110 10000 10000 11111",
    "I": "01110 00100 00100 00100 00100 00100 01110",
    "L": "10000 10000 10000 10000 10000 10000 11111",
    "N": "10001 11001 10101 10101 10011 10001 10001",
    "O": "01110 10001 10001 10001 10001 10001 01110",
    "P": "11110 10001 10001 11110 10000 10000 10000",
    "R": "11110 10001 10001 11110 10100 10010 10001",
    "T": "11111 00100 00100 00100 00100 00100 00100",
    "W": "10001 10001 10001 10101 10101 10101 01010",
}


def letters(text: str, dot_px: int) -> Floats:
    """Return text as 0 and 1, of shape (7 * dot_px, (6 * len(text) - 1) * dot_px)."""
    rows = [
        [int(dot) for letter in text for dot in _DOTS[letter].split()[row] + "0"][:-1]
        for row in range(7)
    ]
    dots = np.array(rows, dtype=np.float64)
    return dots.repeat(dot_px, axis=0).repeat(dot_px, axis=1)


def stamp(pixels: Floats, dot_px: int) -> None:
    """Write on the picture, in place, that it is drawn: bottom left, on a dark ground."""
    text = letters(STAMP, dot_px)
    height, width = pixels.shape
    text = text[: height - 4 * dot_px, : width - 4 * dot_px]
    bottom, left = height - 2 * dot_px, 2 * dot_px
    ground = pixels[
        bottom - text.shape[0] - dot_px : bottom + dot_px, : left + text.shape[1] + dot_px
    ]
    ground *= 0.2
    place = pixels[bottom - text.shape[0] : bottom, left : left + text.shape[1]]
    np.maximum(place, 0.85 * text, out=place)
