"""The box around an outline: polygons, or a run-length mask as COCO writes it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

Box = tuple[float, float, float, float]

#: An outline in a cohort's column ``outlines``; fields as in :class:`Outline`.
OUTLINE = pl.Struct(
    {"polygons": pl.List(pl.List(pl.Float64)), "runs": pl.List(pl.Int64), "height": pl.Int64}
)


@dataclass(frozen=True)
class Outline:
    """Where exactly an object lies, kept beside its box: polygons, or a mask.

    Attributes
    ----------
    polygons
        Each as x, y, x, y, ... in pixels of the original.
    runs
        A mask: lengths of runs of pixels, column by column, outside and inside by turns,
        beginning outside (COCO's run-length code, not compressed).
    height
        Pixels in a column of the mask; None for polygons.
    """

    polygons: tuple[tuple[float, ...], ...] = ()
    runs: tuple[int, ...] = ()
    height: int | None = None

    @property
    def box(self) -> Box | None:
        """The box around it, None for an empty mask."""
        if self.height is None:
            return box_of_polygons(self.polygons)
        return box_of_mask(self.runs, height_px=self.height)


def outline_of(segmentation: object) -> Outline | None:
    """Return what COCO writes as ``segmentation``: polygons or a mask; None for an empty one.

    Raises
    ------
    KeyError, TypeError, ValueError
        Where it is neither.
    """
    if isinstance(segmentation, dict):
        counts, (height, _) = segmentation["counts"], segmentation["size"]
        runs = _expanded(counts) if isinstance(counts, str) else counts
        outline = Outline(runs=tuple(map(int, runs)), height=int(height))
        if int(height) < 1 or min(outline.runs, default=0) < 0:
            raise ValueError("a mask without a height, or with a run of less than nothing")
        return outline
    if not isinstance(segmentation, list | None):
        raise TypeError("neither polygons nor a mask")
    polygons = tuple(tuple(map(float, one)) for one in segmentation or () if one)
    if any(len(one) % 2 for one in polygons):
        raise ValueError("an odd number of coordinates")
    return Outline(polygons=polygons) if polygons else None


def box_of_polygons(polygons: Sequence[Sequence[float]]) -> Box:
    """Return the box (x, y, width, height) around polygons given as x, y, x, y, ...

    Raises
    ------
    ValueError
        Where there is no point, or a number is missing.
    """
    points = np.concatenate([np.reshape(np.asarray(p, float), (-1, 2)) for p in polygons])
    (x, y), (right, bottom) = points.min(axis=0), points.max(axis=0)
    return (float(x), float(y), float(right - x), float(bottom - y))


def box_of_mask(runs: Sequence[int], *, height_px: int) -> Box | None:
    """Return the box around a mask, None for an empty one.

    Parameters
    ----------
    runs
        Lengths of runs, column by column, outside and inside by turns, beginning outside.
    height_px
        Height of the image.
    """
    ends = np.cumsum(np.asarray(runs, dtype=np.int64))
    starts, stops = ends[0:-1:2], ends[1::2]
    starts, stops = starts[stops > starts], stops[stops > starts]
    if not len(starts):
        return None
    left, right = starts // height_px, (stops - 1) // height_px
    within = left == right  # else the run goes round a column's end and fills the height
    top = np.where(within, starts % height_px, 0).min()
    bottom = np.where(within, (stops - 1) % height_px, height_px - 1).max()
    x, width = left.min(), right.max() - left.min() + 1
    return (float(x), float(top), float(width), float(bottom - top + 1))


def _expanded(text: str) -> list[int]:
    """Undo COCO's compression: 6 bits a letter, 5 of them a number's, low ones first.

    From the fourth on, a number is the difference to the one two before. The coding is that of
    the COCO API (Lin and Dollár, 2014).
    """
    lengths: list[int] = []
    value, shift = 0, 0
    for letter in text:
        bits = ord(letter) - 48
        value |= (bits & 0x1F) << shift
        shift += 5
        if bits & 0x20:
            continue
        if bits & 0x10:
            value -= 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value, shift = 0, 0
    return lengths
