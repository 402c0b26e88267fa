"""Judge a reader study: each reader, all of them, and a model beside them."""

from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl

from greenstick.decision.operating_points import OperatingPoint, candidates
from greenstick.evidence.at_point import proportion
from greenstick.evidence.comparison import Pair, auroc_difference, share_differences
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.readers.agreement import cohen_kappa, fleiss_kappa
from greenstick.evidence.readers.figures import figures_of
from greenstick.evidence.readers.model_beside import judge_model_beside
from greenstick.evidence.readers.multi_reader import MultiReader, Readers, judge_all_readers
from greenstick.evidence.readers.records import (
    READERS_VERSION,
    Agreement,
    ReaderContrast,
    ReaderResult,
    ReaderStudy,
    RocPoint,
)
from greenstick.evidence.readers.table import Study, to_study
from greenstick.evidence.record_files import read_record, write_record
from greenstick.evidence.rows import Floats, Missing, ScoredRows

#: More distinct ratings than this are a score, not a scale: no point is kept for each.
MANY_RATINGS = 100


def judge_readers(
    ratings: pl.DataFrame,
    *,
    call_from: float | None = None,
    reference: str | None = None,
    model: pl.DataFrame | None = None,
    model_name: str = "model",
    point: OperatingPoint | None = None,
    rows: str = "test",
    level: float = 0.95,
    seed: int = 0,
    missing: Missing = "refuse",
) -> ReaderStudy:
    """Judge readers, without and with help, and a model beside them.

    Parameters
    ----------
    ratings
        One row a rating: ``image`` (or ``case``), ``label``, ``reader`` and ``score`` (0 and 1, or
        ordinal, higher means fracture); optionally ``modality`` (e.g. ``without AI`` and ``with
        AI``) and ``patient``.
    call_from
        A rating at or above it calls a fracture; ratings of 0 and 1 need none.
    reference
        The modality that others are compared with; the first one in the table if not given.
    model
        Scores of a model on the same images: ``image``, ``label``, ``score``, and optionally
        ``decision``.
    model_name, point
        What the model is called, and where it calls a fracture; a column ``decision`` overrides
        the latter.
    rows
        What the images are called; the point must have been chosen on others.
    level, seed
        Nominal coverage, and seed of the bootstrap for the band of the model's ROC curve.
    missing
        ``"refuse"`` rows without label or score, or ``"drop"`` them with a warning.

    Returns
    -------
    ReaderStudy
        With one image a patient the intervals are the textbook ones; else they are by patient.

    Raises
    ------
    GreenstickError
        Where the table is no reader study, or model and readers do not fit together.
    """
    study, findings = to_study(ratings, call_from=call_from, reference=reference, missing=missing)
    return ReaderStudy(
        n_images=len(study.labels),
        n_patients=len(np.unique(study.patients)),
        n_positive=int(study.labels.sum()),
        readers=list(study.readers),
        modalities=list(study.modalities),
        binary=study.binary,
        call_from=study.call_from,
        level=level,
        results=_results(study, level),
        contrasts=_contrasts(study, level),
        agreement=_agreement(study, level),
        all_readers=_all_readers(study, level),
        model=None
        if model is None
        else judge_model_beside(
            study, model, model_name, point, rows_name=rows, level=level, seed=seed
        ),
        findings=findings,
    )


def _results(study: Study, level: float) -> list[ReaderResult]:
    found = []
    for modality, of_modality in zip(study.modalities, study.ratings, strict=True):
        for reader, rating in zip(study.readers, of_modality, strict=True):
            rows = study.rows(rating, np.isfinite(rating))
            found.append(
                ReaderResult(
                    reader=reader,
                    modality=modality,
                    estimates=_estimates(rows, study, level),
                    roc=_roc_points(rows),
                )
            )
    return found


def _estimates(rows: ScoredRows, study: Study, level: float) -> list[Estimate]:
    found = [] if study.binary else [auroc(rows, level)]
    if study.call_from is not None:
        y, calls = rows.labels, rows.scores >= study.call_from
        found.append(proportion("sensitivity", rows, calls, among=y, level=level))
        found.append(proportion("specificity", rows, ~calls, among=~y, level=level))
    return found


def _roc_points(rows: ScoredRows) -> list[RocPoint]:
    levels = np.unique(rows.scores)[::-1]
    if len(levels) > MANY_RATINGS:
        return []
    _, sensitivity, specificity = candidates(rows.labels, rows.scores)
    return [
        RocPoint(threshold=float(t), sensitivity=float(se), specificity=float(sp))
        for t, se, sp in zip(levels, sensitivity[1:], specificity[1:], strict=True)
    ]


def _contrasts(study: Study, level: float) -> list[ReaderContrast]:
    """Return each reader's differences between each two modalities, on images rated under both."""
    found = []
    for i, j in combinations(range(len(study.modalities)), 2):
        for k, reader in enumerate(study.readers):
            pair = _pair(study, study.ratings[i, k], study.ratings[j, k])
            if pair is None:
                continue
            differences = [] if study.binary else [auroc_difference(pair, level)]
            if study.call_from is not None:
                calls = [rows.scores >= study.call_from for rows in (pair.first, pair.second)]
                differences += share_differences(pair, calls[0], calls[1], level)
            found.append(
                ReaderContrast(
                    reader=reader,
                    first=study.modalities[i],
                    second=study.modalities[j],
                    differences=differences,
                )
            )
    return found


def _pair(study: Study, first: Floats, second: Floats) -> Pair | None:
    """Return two ratings of the same images, or None where these are of one class."""
    among = np.isfinite(first) & np.isfinite(second)
    labels = study.labels[among]
    if labels.all() or not labels.any():
        return None
    return Pair(study.rows(first, among), study.rows(second, among))


def _agreement(study: Study, level: float) -> list[Agreement]:
    found = []
    for modality, of_modality in zip(study.modalities, study.ratings, strict=True):
        named = list(zip(study.readers, of_modality, strict=True))
        for (one, first), (other, second) in combinations(named, 2):
            estimates = _agreement_of(study, np.stack([first, second]), level)
            found.append(Agreement(modality=modality, readers=[one, other], estimates=estimates))
        if len(named) > 2:
            estimates = _agreement_of(study, of_modality, level)
            found.append(
                Agreement(modality=modality, readers=list(study.readers), estimates=estimates)
            )
    return [agreement for agreement in found if agreement.estimates]


def _agreement_of(study: Study, ratings: Floats, level: float) -> list[Estimate]:
    """Return how (readers, n) ratings agree, on the images that all of them rated."""
    among = np.asarray(np.isfinite(ratings).all(axis=0))
    if not among.any():
        return []
    rated, rows = ratings[:, among], study.rows(ratings[0], among)
    judged = rated if study.call_from is None else (rated >= study.call_from).astype(np.float64)
    if len(rated) > 2:
        return [fleiss_kappa(rows, judged, level)]
    found = [cohen_kappa(rows, *judged, level=level)]
    if not study.binary:
        found.append(cohen_kappa(rows, *rated, quadratic=True, level=level))
    return found


def _all_readers(study: Study, level: float) -> list[MultiReader]:
    """Return each figure's mean over readers; random readers need two of them."""
    kinds: tuple[Readers, ...] = ("random", "fixed") if len(study.readers) > 1 else ("fixed",)
    return [
        judge_all_readers(figures, readers, level)
        for figures in figures_of(study)
        for readers in kinds
    ]


def write_reader_study(study: ReaderStudy, path: Path | str) -> None:
    """Write ``readers.json``."""
    write_record(study, path)


def read_reader_study(path: Path | str) -> ReaderStudy:
    """Read ``readers.json``.

    Raises
    ------
    GreenstickError
        Where it is missing or no reader study of this version.
    """
    return read_record(
        ReaderStudy,
        path,
        what=f"reader study of version {READERS_VERSION}",
        make="Run: greenstick readers.",
        again="Judge it again.",
    )
