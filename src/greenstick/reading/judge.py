"""From a network's output to a probability, a decision and how sure both are, as its card says."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit

from greenstick.decision.operating_points import OperatingPoint, decide
from greenstick.errors import GreenstickError
from greenstick.models.card import Card, CardOperatingPoint
from greenstick.reading.results import Decision
from greenstick.reading.runtime import Output

#: Rules of two operating points that together leave the films between them in doubt.
_DOUBT_FROM, _FRACTURE_FROM = "sensitivity", "specificity"

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Judgement:
    """What is said of one film.

    Attributes
    ----------
    probability
        Calibrated, of a fracture.
    low, high
        The same one standard deviation of an ensemble's members below and above; None, None for
        one network.
    decision
        None for a model without a threshold.
    """

    probability: float
    low: float | None
    high: float | None
    decision: Decision | None


class Judge:
    """Judges a network's output with its card's calibration and thresholds.

    Parameters
    ----------
    card
        The model's.

    Raises
    ------
    GreenstickError
        Where none of several classes is ``"fracture"``.
    """

    def __init__(self, card: Card) -> None:
        self._class = _fracture_class(card)
        self._one_of = len(card.classes) > 1 and card.classifier.outputs == "one-of"
        self.temperature = card.temperature_of(card.classes[self._class])
        mine = [p for p in card.operating_points if p.class_name in ("", "fracture")]
        self.point = _point(mine[0]) if mine else None
        thresholds = {p.rule: p.threshold for p in mine}
        self.doubt_from, self.fracture_from = (
            thresholds.get(rule) for rule in (_DOUBT_FROM, _FRACTURE_FROM)
        )

    def of_one(self, output: Output) -> tuple[float, Floats, float | None]:
        """Return a film's logit, its cells' (h, w), and its spread, of its views' outputs.

        The second view, where there is one, is the first's mirror.
        """
        value = float(self._log_odds(output.logits.mean(axis=0)))
        maps = output.maps[0]
        if len(output.maps) == 2:
            maps = (maps + output.maps[1, ..., ::-1]) / 2.0
        spread = None if output.spread is None else float(output.spread[:, self._class].mean())
        return value, self._log_odds(maps), spread

    def judge(
        self, value: float, spread: float | None, fuse: Callable[[float], float] | None = None
    ) -> Judgement:
        """Judge a logit with its spread.

        Parameters
        ----------
        fuse
            What becomes of a probability before it is judged; it must not turn their order round.
        """
        probability, low, high = (
            float(expit((value + step * (spread or 0.0)) / self.temperature)) for step in (0, -1, 1)
        )
        if fuse is not None:
            probability, low, high = fuse(probability), fuse(low), fuse(high)
        decision = self._decide(probability)
        if spread is None:
            return Judgement(probability, None, None, decision)
        return Judgement(probability, low, high, decision)

    def _decide(self, probability: float) -> Decision | None:
        doubt, sure = self.doubt_from, self.fracture_from
        if doubt is not None and sure is not None and doubt < sure:
            if doubt <= probability < sure:
                return "doubt"
            return "fracture" if probability >= sure else "no fracture"
        if self.point is None:
            return None
        return "fracture" if decide(probability, self.point) else "no fracture"

    def _log_odds(self, logits: Floats) -> Floats:
        """Turn class logits, (C, ...), into the log odds of a fracture, at the temperature."""
        if not self._one_of:
            return np.asarray(logits[self._class])
        scaled = np.moveaxis(logits, 0, -1) / self.temperature
        shifted = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
        share = (shifted / shifted.sum(axis=-1, keepdims=True))[..., self._class]
        return np.asarray(logit(np.clip(share, 1e-7, 1 - 1e-7)) * self.temperature)


def _fracture_class(card: Card) -> int:
    if len(card.classes) == 1:
        return 0
    if "fracture" in card.classes:
        return card.classes.index("fracture")
    raise GreenstickError(
        f"The model {card.name!r} has the classes {', '.join(card.classes)}: none is 'fracture'.",
        remedy="Give a model with the one class, or a class, 'fracture'.",
    )


def _point(point: CardOperatingPoint) -> OperatingPoint:
    return OperatingPoint.model_validate(
        {name: getattr(point, name) for name in ("threshold", "rule", "chosen_on", "n")}
    )
