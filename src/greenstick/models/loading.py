"""A model folder of any kind that scores images, loaded as what it is."""

from pathlib import Path

from greenstick.models.card import Card
from greenstick.models.checkpoint import load_checkpoint
from greenstick.models.classifier import Classifier
from greenstick.models.departures import Departures
from greenstick.models.departures_checkpoint import KIND, load_departures
from greenstick.models.ensemble import Ensemble


def load_scorer(folder: Path | str) -> tuple[Classifier | Ensemble | Departures, Card]:
    """Load a classifier, an ensemble or a model of healthy images alone, and its card.

    Raises
    ------
    GreenstickError
        Where the folder holds none, or its parts do not belong together.
    """
    if (Path(folder) / KIND).is_file():
        return load_departures(folder)
    return load_checkpoint(folder)
