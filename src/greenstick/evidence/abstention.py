"""What answers are worth that may leave an image in doubt."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from greenstick.decision.conformal import Conformal
from greenstick.decision.provenance import ChosenOn
from greenstick.decision.triage import Triage, triage
from greenstick.errors import GreenstickError
from greenstick.evidence.arguments import as_list
from greenstick.evidence.at_point import proportion
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.leaks import leaked
from greenstick.evidence.rows import Bools, ScoredRows
from greenstick.findings import Finding, Severity

C = TypeVar("C", bound=ChosenOn)


@dataclass(frozen=True)
class Abstention:
    """Figures of answers that may leave doubt, and whether they are to be believed."""

    estimates: list[Estimate]
    findings: list[Finding]


def judge_triage(
    rows: ScoredRows,
    thresholds: Triage | Sequence[Triage],
    *,
    name: str,
    folds: Sequence[Bools] = (),
    level: float = 0.95,
) -> Abstention:
    """Judge the three answers of a triage.

    Parameters
    ----------
    rows
        The judged images.
    thresholds
        Chosen on other rows; in cross-validation those of each fold.
    name
        Name of the judged rows.
    folds
        Which rows each of several thresholds is for, (n,) each.
    level
        Nominal coverage.

    Returns
    -------
    Abstention
        ``doubt rate``; ``sensitivity`` (fractures not called normal) and ``specificity`` (normals
        not called fractured), the two that were required; ``fractures called`` and ``normals
        called`` (answered rightly without doubt); ``PPV`` and ``NPV`` of the answers without
        doubt.

    Raises
    ------
    GreenstickError
        Where a row is in no fold, or in several.
    """
    parts = _parts(rows, as_list(thresholds), folds)
    answers = np.empty(len(rows), dtype=np.int8)
    for mine, own in parts:
        answers[mine] = triage(rows.scores[mine], own)
    y, every = rows.labels, np.ones(len(rows), dtype=np.bool_)
    normal, doubt, fracture = answers == 0, answers == 1, answers == 2
    shares = (
        ("doubt rate", doubt, every),
        ("sensitivity", ~normal, y),
        ("specificity", ~fracture, ~y),
        ("fractures called", fracture, y),
        ("normals called", normal, ~y),
        ("PPV", y, fracture),
        ("NPV", ~y, normal),
    )
    return Abstention(
        [proportion(what, rows, hits, among=among, level=level) for what, hits, among in shares],
        [_origin(rows, name, [(mine, own, own.chosen_on) for mine, own in parts])],
    )


def judge_conformal(
    rows: ScoredRows,
    conformal: Conformal | Sequence[Conformal],
    *,
    name: str,
    folds: Sequence[Bools] = (),
    level: float = 0.95,
) -> Abstention:
    """Measure whether a conformal prediction keeps its promise.

    Parameters are those of :func:`judge_triage`.

    Returns
    -------
    Abstention
        ``error``, ``error with fracture`` and ``error without fracture``: sets that lack the
        truth; ``one answer``, ``both possible`` and ``neither possible``: how much the sets say.
        A warning where an interval lies wholly above the promise.
    """
    parts = _parts(rows, as_list(conformal), folds)
    sets = np.empty((len(rows), 2), dtype=np.bool_)
    for mine, own in parts:
        sets[mine] = own.sets(rows.scores[mine])
    y, every = rows.labels, np.ones(len(rows), dtype=np.bool_)
    wrong = ~np.where(y, sets[:, 1], sets[:, 0])
    size = sets.sum(axis=1)
    shares = (
        ("error", wrong, every),
        ("error with fracture", wrong, y),
        ("error without fracture", wrong, ~y),
        ("one answer", size == 1, every),
        ("both possible", size == 2, every),
        ("neither possible", size == 0, every),
    )
    found = [proportion(what, rows, hits, among=among, level=level) for what, hits, among in shares]
    origin = _origin(rows, name, [(mine, own, own.fitted_on) for mine, own in parts])
    promised = max(own.error for _, own in parts)
    return Abstention(found, [origin, _promise(found[1:3], promised)])


def _parts(rows: ScoredRows, chosen: list[C], folds: Sequence[Bools]) -> list[tuple[Bools, C]]:
    """Return what was chosen with the rows that it is for."""
    masks = list(folds) or [np.ones(len(rows), dtype=np.bool_)]
    if len(masks) != len(chosen) or (np.sum(masks, axis=0) != 1).any():
        raise GreenstickError(
            "Some rows have no limits of their own, or several.",
            remedy="Give as many folds as limits, and each row to one of them.",
        )
    return list(zip(masks, chosen, strict=True))


def _promise(by_class: list[Estimate], error: float) -> Finding:
    broken = [e.name for e in by_class if e.lower is not None and e.lower > error]
    if broken:
        return Finding(
            "promise-broken",
            Severity.WARNING,
            f"The {' and the '.join(broken)} is above the promised {error:.0%}: these images are "
            "not like those it was fitted on.",
            remedy="Fit it on images from the same place.",
        )
    return Finding("promise-kept", Severity.PASSED, f"No error is surely above {error:.0%}.")


def _origin(rows: ScoredRows, name: str, parts: Sequence[tuple[Bools, ChosenOn, str]]) -> Finding:
    """Return whether limits come from other rows than those of their part."""
    if any(leaked(rows.take(mine), name, place, own) for mine, own, place in parts):
        return Finding(
            "limits-chosen-on-evaluated-rows",
            Severity.ERROR,
            "The limits were chosen on the very rows that they are judged on.",
            remedy="Choose them on validation rows.",
        )
    places = ", ".join(sorted({place for _, _, place in parts}))
    return Finding("limits-from-elsewhere", Severity.PASSED, f"Limits: {places}.")
