"""From a network's output to a probability, a decision and how sure both are, as its card says."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit, softmax

from greenstick.decision.operating_points import OperatingPoint, decide
from greenstick.errors import GreenstickError
from greenstick.models.card import Card, CardOperatingPoint
from greenstick.reading.results import ClassProbability, Decision
from greenstick.reading.runtime import Output

#: Rules of two operating points that together leave the films between them in doubt.
_DOUBT_FROM, _FRACTURE_FROM = "sensitivity", "specificity"
#: Classes of these names tell whether there is a fracture; others, of which type it is.
FRACTURE, NO_FRACTURE = "fracture", "no fracture"

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
        The model's. Of several classes 'fracture' is judged, or the absence of 'no fracture', or,
        where any may hold, the likeliest of the others: a fracture of any type.

    Raises
    ------
    GreenstickError
        Where its classes do not tell whether there is a fracture.
    """

    def __init__(self, card: Card) -> None:
        self._kinds, self._by_absence = _telling(card)
        self._names = card.classes
        self._one_of = len(card.classes) > 1 and card.classifier.outputs == "one-of"
        self._temperatures = np.array([card.temperature_of(name) for name in card.classes])
        # Of several types each is divided by its own beforehand.
        several = len(self._kinds) > 1
        self.temperature = 1.0 if several else float(self._temperatures[self._kinds[0]])
        mine = [p for p in card.operating_points if p.class_name in ("", FRACTURE)]
        self.point = _point(mine[0]) if mine else None
        thresholds = {p.rule: p.threshold for p in mine}
        self.doubt_from, self.fracture_from = (
            thresholds.get(rule) for rule in (_DOUBT_FROM, _FRACTURE_FROM)
        )
        own = {} if mine else {p.class_name: p.threshold for p in card.operating_points}
        self._own = [own.get(card.classes[kind]) for kind in self._kinds]

    def of_one(self, output: Output) -> tuple[float, Floats, float | None]:
        """Return a film's logit, its cells' (h, w), and its spread, of its views' outputs.

        The second view, where there is one, is the first's mirror.
        """
        logits = output.logits.mean(axis=0)
        value = float(self._log_odds(logits))
        maps = output.maps[0]
        if len(output.maps) == 2:
            maps = (maps + output.maps[1, ..., ::-1]) / 2.0
        if output.spread is None:
            return value, self._log_odds(maps), None
        spreads = output.spread.mean(axis=0)[self._kinds]
        if len(self._kinds) == 1:
            return value, self._log_odds(maps), float(spreads[0])
        scaled = self._scaled(logits)
        return (
            value,
            self._log_odds(maps),
            float((spreads / self._temperatures[self._kinds])[int(scaled.argmax())]),
        )

    def of_classes(self, output: Output) -> tuple[ClassProbability, ...]:
        """Return the probability of each of several classes; none for a model of one."""
        if len(self._names) == 1:
            return ()
        scaled = output.logits.mean(axis=0) / self._temperatures
        shares = softmax(scaled) if self._one_of else expit(scaled)
        named = zip(self._names, shares, strict=True)
        return tuple(ClassProbability(name=n, probability=round(float(p), 6)) for n, p in named)

    def judge(
        self,
        value: float,
        spread: float | None,
        fuse: Callable[[float], float] | None = None,
        classes: Sequence[ClassProbability] = (),
    ) -> Judgement:
        """Judge a logit with its spread.

        Parameters
        ----------
        fuse
            What becomes of a probability before it is judged; it must not turn their order round.
        classes
            As :meth:`of_classes` says; where each has a threshold of its own, one that reaches it
            makes the film a fracture.
        """
        probability, low, high = (
            float(expit((value + step * (spread or 0.0)) / self.temperature)) for step in (0, -1, 1)
        )
        if fuse is not None:
            probability, low, high = fuse(probability), fuse(low), fuse(high)
        decision = self._decide(probability, classes)
        if spread is None:
            return Judgement(probability, None, None, decision)
        return Judgement(probability, low, high, decision)

    def _decide(self, probability: float, classes: Sequence[ClassProbability]) -> Decision | None:
        doubt, sure = self.doubt_from, self.fracture_from
        if doubt is not None and sure is not None and doubt < sure:
            if doubt <= probability < sure:
                return "doubt"
            return "fracture" if probability >= sure else "no fracture"
        if self.point is not None:
            return "fracture" if decide(probability, self.point) else "no fracture"
        if not classes or None in self._own:
            return None
        said = [classes[kind].probability for kind in self._kinds]
        reached = any(p >= at for p, at in zip(said, self._own, strict=True) if at is not None)
        return "fracture" if reached else "no fracture"

    def _log_odds(self, logits: Floats) -> Floats:
        """Turn class logits, (C, ...), into the log odds of a fracture, at the temperature."""
        if not self._one_of:
            one = len(self._kinds) == 1
            return np.asarray(logits[self._kinds[0]] if one else self._scaled(logits).max(axis=0))
        scaled = np.moveaxis(logits, 0, -1) / self.temperature
        share = softmax(scaled, axis=-1)[..., self._kinds[0]]
        share = 1.0 - share if self._by_absence else share
        return np.asarray(logit(np.clip(share, 1e-7, 1 - 1e-7)) * self.temperature)

    def _scaled(self, logits: Floats) -> Floats:
        """Return the logits of the types that tell a fracture, each at its own temperature."""
        own = self._temperatures.reshape(-1, *(1,) * (logits.ndim - 1))
        return np.asarray((logits / own)[self._kinds], np.float32)


def _telling(card: Card) -> tuple[list[int], bool]:
    """Return the numbers of the classes that tell a fracture, and whether by its absence."""
    classes = card.classes
    if len(classes) == 1:
        return [0], False
    if FRACTURE in classes:
        return [classes.index(FRACTURE)], False
    if card.classifier.outputs == "any-of":
        return [number for number, name in enumerate(classes) if name != NO_FRACTURE], False
    if NO_FRACTURE in classes:
        return [classes.index(NO_FRACTURE)], True
    raise GreenstickError(
        f"The model {card.name!r} says which of {', '.join(classes)} a fracture is, and not "
        "whether there is one.",
        remedy="Give a model with a class 'fracture' or 'no fracture', or one whose classes may "
        "hold or not, each by itself (model.outputs = 'any-of').",
    )


def _point(point: CardOperatingPoint) -> OperatingPoint:
    return OperatingPoint.model_validate(
        {name: getattr(point, name) for name in ("threshold", "rule", "chosen_on", "n")}
    )
