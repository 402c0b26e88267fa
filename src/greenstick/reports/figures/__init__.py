"""The figures of a report: arrays in, inline SVG out."""

from greenstick.reports.figures.benefit import net_benefit, net_benefits
from greenstick.reports.figures.costs import CostPoint, cost
from greenstick.reports.figures.curves import MarkedPoint, precision_recall, roc, rocs
from greenstick.reports.figures.detection import BarGroup, afroc, bars, box_precisions, froc
from greenstick.reports.figures.forest import ForestRow, forest
from greenstick.reports.figures.growth import GrowthLaw, growth, search
from greenstick.reports.figures.heat import heat
from greenstick.reports.figures.readers import ModelCurve, ReaderPoint, reader_plane
from greenstick.reports.figures.scores import reliability, score_histogram
from greenstick.reports.figures.training import restoring, training

__all__ = [
    "BarGroup",
    "CostPoint",
    "ForestRow",
    "GrowthLaw",
    "MarkedPoint",
    "ModelCurve",
    "ReaderPoint",
    "afroc",
    "bars",
    "box_precisions",
    "cost",
    "forest",
    "froc",
    "growth",
    "heat",
    "net_benefit",
    "net_benefits",
    "precision_recall",
    "reader_plane",
    "reliability",
    "restoring",
    "roc",
    "rocs",
    "score_histogram",
    "search",
    "training",
]
