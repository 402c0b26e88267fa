"""The evidence: everything that scores on held-out patients can say, with intervals."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl
from pydantic import Field

from greenstick import RESEARCH_USE
from greenstick.decision.calibration import Calibration
from greenstick.decision.operating_points import OperatingPoint, decide
from greenstick.errors import GreenstickError
from greenstick.evidence.abstention import Abstention
from greenstick.evidence.arguments import as_list, calibrations_of, check_range, one_model
from greenstick.evidence.at_point import at_operating_point, at_prevalence, confusion
from greenstick.evidence.calibration import judge_calibration
from greenstick.evidence.checks import check_calls, check_pooling, check_rows
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import (
    BrierParts,
    Confusion,
    Curve,
    DecisionCurve,
    Estimate,
    Optimism,
    Record,
    ReliabilityBin,
    SignificanceTest,
    Subgroup,
    ThresholdSpread,
    named,
)
from greenstick.evidence.leaks import check_provenance
from greenstick.evidence.net_benefit import decision_curve
from greenstick.evidence.optimism import (
    measure_calibration_optimism,
    measure_optimism,
    spread_of,
)
from greenstick.evidence.record_files import read_record, write_record
from greenstick.evidence.reliability import equal_width, reliability
from greenstick.evidence.resampling import resample_rows
from greenstick.evidence.rows import (
    Bools,
    Floats,
    Missing,
    ScoredRows,
    count,
    rows_of,
    to_rows,
    usable,
)
from greenstick.evidence.subgroups import judge_subgroups
from greenstick.findings import Finding, Severity

SCHEMA_VERSION = "1"


class Evidence(Record):
    """What ``evidence.json`` holds.

    Attributes
    ----------
    schema_version
        Grows when a field changes its meaning.
    research_use
        The sentence that every output carries.
    model
        Whose scores they are; empty where the table does not say.
    rows
        Which rows were judged, e.g. ``"test"``.
    n_images, n_patients, n_positive
        Distinct images, patients, and images with a fracture.
    discrimination
        ``AUROC`` (the headline), ``AUROC`` again by bootstrap, ``average precision``.
    calibration
        ``Brier score``, ``log loss``, ``ECE``, ``ECE (equal mass)`` and ``MCE`` (each also
        ``..., debiased``), ``calibration slope``, ``calibration intercept``; empty where scores
        are no probabilities.
    brier_parts
        Reliability, resolution and uncertainty, or None.
    tests
        Spiegelhalter's test of calibration.
    calibrator
        What made the scores into probabilities, and on which rows it was fitted, where it is one
        for all rows.
    calibrators
        Each of them: several in cross-validation, one a fold.
    operating_point
        The threshold, where there is one for all rows.
    operating_points
        Each threshold: several in cross-validation, one a fold.
    threshold_spread
        How far these lie apart; None where there is one, or they were given.
    at_operating_point
        ``sensitivity``, ``specificity``, ``PPV``, ``NPV``, ``F1``, ``accuracy``,
        ``balanced accuracy``, ``MCC``, ``Cohen's kappa``, ``LR+``, ``LR-``.
    confusion
        Counts at the operating point, or None.
    optimism
        How much better the figures at the operating point would look, had the threshold been
        chosen on these rows, and the losses, had the calibration been fitted on them (negative,
        since less is better); empty where these were given.
    roc, precision_recall, reliability, net_benefit
        What the figures show; the last two where scores are probabilities.
    triage
        Of three answers (see :func:`~greenstick.evidence.abstention.judge_triage`): ``doubt rate``,
        ``sensitivity``, ``specificity`` and others; in cross-validation by each fold's own limits.
    conformal
        Of conformal sets: ``error`` and how much they say; likewise.
    localisation
        Filled by the caller from :mod:`greenstick.evidence.localisation`.
    subgroups
        The main figures within values of columns.
    findings
        What was checked: ``ERROR`` where a number is untrue.
    """

    schema_version: str = SCHEMA_VERSION
    research_use: str = RESEARCH_USE
    model: str = ""
    rows: str
    n_images: int
    n_patients: int
    n_positive: int
    discrimination: list[Estimate]
    calibration: list[Estimate] = Field(default_factory=list)
    brier_parts: BrierParts | None = None
    tests: list[SignificanceTest] = Field(default_factory=list)
    calibrator: Calibration | None = None
    calibrators: list[Calibration] = Field(default_factory=list)
    operating_point: OperatingPoint | None = None
    operating_points: list[OperatingPoint] = Field(default_factory=list)
    threshold_spread: ThresholdSpread | None = None
    at_operating_point: list[Estimate] = Field(default_factory=list)
    confusion: Confusion | None = None
    optimism: list[Optimism] = Field(default_factory=list)
    roc: Curve
    precision_recall: Curve
    net_benefit: DecisionCurve | None = None
    reliability: list[ReliabilityBin] = Field(default_factory=list)
    triage: list[Estimate] = Field(default_factory=list)
    conformal: list[Estimate] = Field(default_factory=list)
    localisation: list[Estimate] = Field(default_factory=list)
    subgroups: list[Subgroup] = Field(default_factory=list)
    findings: list[Finding] = Field(default_factory=list)

    def estimate(self, name: str) -> Estimate:
        """Return the headline estimate of this name, e.g. ``evidence.estimate("AUROC")``."""
        everything = [
            *self.discrimination,
            *self.calibration,
            *self.at_operating_point,
            *self.localisation,
        ]
        return named(everything, name, where="evidence")

    @property
    def untrue(self) -> bool:
        """Whether a finding makes a number untrue."""
        return any(finding.severity is Severity.ERROR for finding in self.findings)

    def with_abstention(self, triage: Abstention, conformal: Abstention) -> Self:
        """Return the same evidence with figures of answers that may leave doubt."""
        found = [*triage.findings, *conformal.findings]
        return self.model_copy(
            update={
                "triage": triage.estimates,
                "conformal": conformal.estimates,
                "findings": [*self.findings, *found],
            }
        )

    def with_localisation(self, estimates: list[Estimate]) -> Self:
        """Return the same evidence with figures of localisation."""
        return self.model_copy(update={"localisation": estimates})


def evaluate(
    scores: pl.DataFrame,
    *,
    point: OperatingPoint | Sequence[OperatingPoint] | None = None,
    calibration: Calibration | Sequence[Calibration] | None = None,
    rows: str,
    seed: int = 0,
    replicates: int = 2000,
    level: float = 0.95,
    subgroups: Sequence[str] = (),
    missing: Missing = "refuse",
    prevalence: float | None = None,
    specificities: tuple[float, float] | None = None,
) -> Evidence:
    """Judge the scores of one model.

    Parameters
    ----------
    scores
        Columns ``label`` and ``score``; optionally ``image``, ``patient``, ``decision``, ``logit``,
        ``model``, ``repeat``, ``fold`` and subgroup columns.
    point
        Where a score becomes a call; a sequence, each with its ``fold`` (and ``repeat``), in
        cross-validation. A Boolean column ``decision`` overrides it, and the points are then only
        kept as its provenance.
    calibration
        What made the scores: kept and checked, not applied; a sequence in cross-validation, in
        the order of the points.
    rows
        Name of these rows, e.g. ``"test"``.
    seed
        For the bootstrap.
    replicates
        How many bootstrap samples of patients.
    level
        Nominal coverage of every interval.
    subgroups
        Columns to judge value by value.
    missing
        ``"refuse"`` rows without label or score, or ``"drop"`` them with a warning.
    prevalence
        Adds PPV and NPV as they would be where this share of images has a fracture.
    specificities
        Adds the partial AUROC over this range, e.g. ``(0.8, 1.0)``.

    Raises
    ------
    GreenstickError
        Where a column is missing, rows are unusable, an image is listed twice in a repeat, or
        the table holds several models.
    """
    model = one_model(scores)
    check_range(specificities)
    table, findings = usable(scores, missing)
    judged = to_rows(table)
    points = as_list(point)
    calibrations = calibrations_of(calibration, points)
    calls = calls_of(table, points)
    resampling = resample_rows(
        judged, replicates=replicates, seed=seed, level=level, specificities=specificities
    )
    probable = judge_calibration(judged, level=level, seed=seed) if judged.probabilities else None
    return Evidence(
        model=model,
        rows=rows,
        n_images=count(judged.images),
        n_patients=judged.n_patients,
        n_positive=count(judged.images[judged.labels]),
        discrimination=[auroc(judged, level), *resampling.discrimination],
        calibration=[*resampling.calibration, *(probable.estimates if probable else [])],
        brier_parts=probable.parts if probable else None,
        tests=probable.tests if probable else [],
        calibrator=calibrations[0] if len(calibrations) == 1 else None,
        calibrators=calibrations,
        operating_point=points[0] if len(points) == 1 else None,
        operating_points=points,
        threshold_spread=spread_of(points),
        at_operating_point=_at_point(judged, calls, prevalence, level),
        confusion=None if calls is None else confusion(judged.labels, calls),
        optimism=[
            *([] if calls is None else measure_optimism(table, judged, calls, points)),
            *measure_calibration_optimism(table, judged, points, calibrations),
        ],
        roc=resampling.roc,
        precision_recall=resampling.precision_recall,
        net_benefit=decision_curve(judged, level) if judged.probabilities else None,
        reliability=_reliability(judged, level),
        subgroups=judge_subgroups(table, judged, calls, subgroups, level),
        findings=[
            *findings,
            *check_rows(judged),
            *check_calls(calls),
            *check_provenance(table, judged, rows, points, calls, calibrations),
            *check_pooling(table),
        ],
    )


def calls_of(table: pl.DataFrame, points: Sequence[OperatingPoint]) -> Bools | None:
    """Return which rows are called a fracture, or None where nothing says so.

    By the column ``decision``, by the one point, or by the point of each row's own fold.
    """
    if "decision" in table.columns and table["decision"].null_count() < table.height:
        return _given_calls(table["decision"])
    if not points:
        return None
    score = table["score"].cast(pl.Float64).to_numpy()
    if len(points) == 1:
        return decide(score, points[0])
    return _calls_by_fold(table, score, points)


def _given_calls(decision: pl.Series) -> Bools:
    if decision.null_count() or decision.dtype != pl.Boolean:
        raise GreenstickError(
            "The column 'decision' must be true or false in every row.",
            remedy="Leave the column out to have the operating point applied.",
        )
    return decision.to_numpy().astype(np.bool_)


def _calls_by_fold(table: pl.DataFrame, score: Floats, points: Sequence[OperatingPoint]) -> Bools:
    calls = np.zeros(len(score), dtype=np.bool_)
    decided = np.zeros(len(score), dtype=np.int64)
    for point in points:
        mine = rows_of(table, point)
        calls[mine] = decide(score[mine], point)
        decided += mine
    if not (decided == 1).all():
        raise GreenstickError(
            f"{int((decided != 1).sum())} rows have no operating point of their own, or several.",
            remedy="Give each point its fold and repeat, and the table these columns.",
        )
    return calls


def _at_point(
    rows: ScoredRows, calls: Bools | None, prevalence: float | None, level: float
) -> list[Estimate]:
    if calls is None:
        return []
    stated = [] if prevalence is None else at_prevalence(rows, calls, prevalence, level)
    return [*at_operating_point(rows, calls, level), *stated]


def _reliability(rows: ScoredRows, level: float) -> list[ReliabilityBin]:
    return reliability(rows, equal_width(rows.scores), level) if rows.probabilities else []


def write_evidence(evidence: Evidence, path: Path | str) -> None:
    """Write ``evidence.json``."""
    write_record(evidence, path)


def read_evidence(path: Path | str) -> Evidence:
    """Read ``evidence.json``.

    Raises
    ------
    GreenstickError
        Where it is missing or no evidence of this version.
    """
    return read_record(
        Evidence,
        path,
        what=f"evidence of version {SCHEMA_VERSION}",
        make="Run the experiment, or evaluate.",
        again="Evaluate again.",
    )
