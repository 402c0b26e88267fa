"""Whether thresholds and calibration come from other rows than those they are judged on."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from greenstick.decision.calibration import Calibrator
from greenstick.decision.operating_points import OperatingPoint, candidates, half_way
from greenstick.decision.provenance import ChosenOn, many_digits
from greenstick.evidence.optimism import folds_of
from greenstick.evidence.rows import Bools, Floats, ScoredRows, rows_of
from greenstick.findings import Finding, Severity

#: With fewer distinct scores, calls may be the best ones by chance.
ENOUGH_SCORES = 50


def check_provenance(
    table: pl.DataFrame,
    rows: ScoredRows,
    name: str,
    points: Sequence[OperatingPoint],
    calls: Bools | None,
    calibrations: Sequence[Calibrator],
) -> list[Finding]:
    """Return whether thresholds and calibration come from other rows than those judged.

    Names are compared, and what is kept of the rows with which they were chosen: rows that are
    called otherwise are still the same rows. A threshold answers for the rows of its own fold.

    Parameters
    ----------
    table, rows
        The judged rows; ``image`` and ``logit`` are compared where they are there.
    name
        What these rows are called.
    points, calls
        The thresholds, and (n,) which rows are called; None where nothing says so.
    calibrations
        What made the scores: one for all rows, or one a fold in the order of the points.
    """
    findings = [check_threshold(table, rows, name, points, calls)]
    if calibrations:
        folds = folds_of(table, points, len(calibrations))
        each = zip(calibrations, folds, strict=True)
        found = [_calibration(table, rows, name, c, fold) for c, fold in each]
        findings.append(max(found, key=lambda f: list(Severity).index(f.severity)))
    return findings


def check_threshold(
    table: pl.DataFrame,
    rows: ScoredRows,
    name: str,
    points: Sequence[OperatingPoint],
    calls: Bools | None,
) -> Finding:
    """Return whether thresholds come from other rows; see :func:`check_provenance`."""
    if not points:
        return _calls_alone(rows, calls)
    if any(_leaked(table, rows, name, point) for point in points):
        return Finding(
            "threshold-chosen-on-evaluated-rows",
            Severity.ERROR,
            "The threshold was chosen on the very rows that it is judged on, or on some of them: "
            "sensitivity and specificity are too good to be true.",
            remedy="Choose it on validation rows, or state it beforehand.",
        )
    if any(_fits(rows.scores[rows_of(table, point)], point.threshold) for point in points):
        return Finding(
            "threshold-fits-evaluated-rows",
            Severity.WARNING,
            "The threshold is, to the last digit, a score of these very rows, or half-way between "
            "two.",
            remedy="Make sure that it was chosen on other rows.",
        )
    places = sorted({point.chosen_on for point in points})
    return Finding("threshold-from-elsewhere", Severity.PASSED, f"Threshold: {', '.join(places)}.")


def _leaked(table: pl.DataFrame, rows: ScoredRows, name: str, point: OperatingPoint) -> bool:
    mine = rows_of(table, point)
    return same(point.chosen_on, name) or _saw(point, table.filter(mine), rows, mine)


def _saw(chosen: ChosenOn, table: pl.DataFrame, rows: ScoredRows, mine: Bools) -> bool:
    images = table["image"].to_list() if "image" in table.columns else None
    return chosen.saw(rows.labels[mine], rows.scores[mine], images)


def leaked(rows: ScoredRows, name: str, chosen_on: str, chosen: ChosenOn) -> bool:
    """Tell whether something was chosen on these rows, by their name or by what they hold."""
    return same(chosen_on, name) or chosen.saw(rows.labels, rows.scores)


def _fits(scores: Floats, threshold: float) -> bool:
    """Tell whether a threshold of many digits is one that only these scores can have given.

    Ours lie half-way between two scores, those of other tools are scores.
    """
    if not len(scores) or not many_digits(np.array([threshold]))[0]:
        return False
    distinct = np.unique(scores)[::-1]
    return bool(np.isin(threshold, np.concatenate([distinct, half_way(distinct)])))


def _calls_alone(rows: ScoredRows, calls: Bools | None) -> Finding:
    """Return what is known of calls that come without a threshold."""
    if calls is None:
        return Finding("threshold", Severity.NOT_APPLICABLE, "No operating point was given.")
    if _best_of_all(rows, calls):
        return Finding(
            "calls-fit-evaluated-rows",
            Severity.WARNING,
            "Nothing says where the calls come from, and they are those of the best threshold for "
            "these very rows, as they seldom are by chance.",
            remedy="Give the threshold, or the rows it was chosen on (--choose-on).",
        )
    return Finding(
        "calls-of-unknown-origin",
        Severity.NOTE,
        "The table says which images are called, and not where the threshold comes from.",
        remedy="Give the threshold, or the rows it was chosen on (--choose-on).",
    )


def _best_of_all(rows: ScoredRows, calls: Bools) -> bool:
    """Tell whether calls are the one division of many that Youden's rule gives on these rows."""
    y = rows.labels
    if y.all() or not y.any() or len(np.unique(rows.scores)) < ENOUGH_SCORES:
        return False
    thresholds, sensitivity, specificity = candidates(y, rows.scores)
    best = thresholds[(sensitivity + specificity).argmax()]
    return bool(((rows.scores >= best) == calls).all())


def _calibration(
    table: pl.DataFrame, rows: ScoredRows, name: str, calibration: Calibrator, mine: Bools
) -> Finding:
    own = table.filter(mine)
    seen = same(calibration.fitted_on, name) or _saw(calibration, own, rows, mine)
    if not seen and "logit" in own.columns and not own["logit"].null_count():
        seen = calibration.saw(rows.labels[mine], own["logit"].cast(pl.Float64).to_numpy())
    if seen:
        return Finding(
            "calibration-fitted-on-evaluated-rows",
            Severity.ERROR,
            "The calibration was fitted on the very rows that it is judged on, or on some of them.",
            remedy="Fit it on validation rows.",
        )
    if calibration.at_bound:
        return Finding(
            "calibration-at-bound",
            Severity.WARNING,
            "The calibration ran into a bound: the rows it was fitted on are separable, or the "
            "scores say nothing.",
            remedy="Fit it on more rows.",
        )
    return Finding(
        "calibration-from-elsewhere",
        Severity.PASSED,
        f"Calibration fitted on {calibration.fitted_on} ({calibration.n} images).",
    )


def same(one: str, other: str) -> bool:
    """Tell whether two names of rows are the same but for case and spaces."""
    return one.strip().casefold() == other.strip().casefold()
