"""The figures of a report: arrays in, inline SVG out."""

from greenstick.reports.figures.benefit import net_benefit
from greenstick.reports.figures.curves import MarkedPoint, precision_recall, roc
from greenstick.reports.figures.forest import ForestRow, forest
from greenstick.reports.figures.readers import ModelCurve, ReaderPoint, reader_plane
from greenstick.reports.figures.scores import reliability, score_histogram
from greenstick.reports.figures.training import training

__all__ = [
    "ForestRow",
    "MarkedPoint",
    "ModelCurve",
    "ReaderPoint",
    "forest",
    "net_benefit",
    "precision_recall",
    "reader_plane",
    "reliability",
    "roc",
    "score_histogram",
    "training",
]
