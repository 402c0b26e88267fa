"""What answers are worth that may leave an image in doubt."""

from dataclasses import dataclass

import numpy as np

from greenstick.decision.conformal import Conformal
from greenstick.decision.provenance import ChosenOn
from greenstick.decision.triage import Triage, triage
from greenstick.evidence.at_point import proportion
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.leaks import leaked
from greenstick.evidence.rows import ScoredRows
from greenstick.findings import Finding, Severity


@dataclass(frozen=True)
class Abstention:
    """Figures of answers that may leave doubt, and whether they are to be believed."""

    estimates: list[Estimate]
    findings: list[Finding]


def judge_triage(
    rows: ScoredRows, thresholds: Triage, *, name: str, level: float = 0.95
) -> Abstention:
    """Judge the three answers of a triage.

    Parameters
    ----------
    rows
        The judged images.
    thresholds
        Chosen on other rows.
    name
        Name of the judged rows.
    level
        Nominal coverage.

    Returns
    -------
    Abstention
        ``doubt rate``; ``sensitivity`` (fractures not called normal) and ``specificity`` (normals
        not called fractured), the two that were required; ``fractures called`` and ``normals
        called`` (answered rightly without doubt); ``PPV`` and ``NPV`` of the answers without
        doubt.
    """
    answers = triage(rows.scores, thresholds)
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
        [_origin(rows, name, thresholds.chosen_on, thresholds)],
    )


def judge_conformal(
    rows: ScoredRows, conformal: Conformal, *, name: str, level: float = 0.95
) -> Abstention:
    """Measure whether a conformal prediction keeps its promise.

    Returns
    -------
    Abstention
        ``error``, ``error with fracture`` and ``error without fracture``: sets that lack the
        truth; ``one answer``, ``both possible`` and ``neither possible``: how much the sets say.
        A warning where an interval lies wholly above the promise.
    """
    sets = conformal.sets(rows.scores)
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
    origin = _origin(rows, name, conformal.fitted_on, conformal)
    return Abstention(found, [origin, _promise(found[1:3], conformal.error)])


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


def _origin(rows: ScoredRows, name: str, chosen_on: str, chosen: ChosenOn) -> Finding:
    if leaked(rows, name, chosen_on, chosen):
        return Finding(
            "limits-chosen-on-evaluated-rows",
            Severity.ERROR,
            "The limits were chosen on the very rows that they are judged on.",
            remedy="Choose them on validation rows.",
        )
    return Finding("limits-from-elsewhere", Severity.PASSED, f"Limits: {chosen_on}.")
