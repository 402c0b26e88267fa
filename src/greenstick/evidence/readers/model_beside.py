"""A model judged on the readers' images, beside each of them and beside their mean."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from greenstick.decision.operating_points import OperatingPoint
from greenstick.errors import GreenstickError
from greenstick.evidence.at_point import proportion
from greenstick.evidence.comparison import Pair, auroc_difference, share_differences
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import Difference
from greenstick.evidence.evidence import calls_of
from greenstick.evidence.leaks import check_threshold
from greenstick.evidence.readers.figures import areas, shares
from greenstick.evidence.readers.multi_reader import judge_model_against_readers
from greenstick.evidence.readers.records import ModelBeside, ModelContrast, ReaderContrast
from greenstick.evidence.readers.table import Study
from greenstick.evidence.resampling import resample_rows
from greenstick.evidence.rows import Bools, Floats, ScoredRows
from greenstick.findings import Finding
from greenstick.scores import binary_labels, need_columns

REPLICATES = 2000


@dataclass(frozen=True, eq=False)
class _Model:
    """Scores of the study's images, and which of them are called; None where nothing says so."""

    name: str
    scores: Floats
    calls: Bools | None
    origin: Finding


def judge_model_beside(
    study: Study,
    scores: pl.DataFrame,
    name: str,
    point: OperatingPoint | None,
    *,
    rows_name: str,
    level: float = 0.95,
    seed: int = 0,
) -> ModelBeside:
    """Judge a model on the images of a reader study.

    Parameters
    ----------
    study
        The readers' ratings.
    scores
        ``image``, ``label``, ``score`` and optionally ``decision``; further images are left out.
    name, point
        What the model is called, and where it calls a fracture.
    rows_name
        What the images are called; the point must have been chosen on others.
    level, seed
        Nominal coverage, and seed of the bootstrap.

    Raises
    ------
    GreenstickError
        Where an image of the study has no score, or several, or another label.
    """
    model = _model_on(study, scores, name, point, rows_name)
    rows = study.rows(model.scores, np.ones(len(study.labels), dtype=np.bool_))
    estimates = [auroc(rows, level)]
    if model.calls is not None:
        y = rows.labels
        estimates += [
            proportion("sensitivity", rows, model.calls, among=y, level=level),
            proportion("specificity", rows, ~model.calls, among=~y, level=level),
        ]
    return ModelBeside(
        name=name,
        estimates=estimates,
        roc=resample_rows(rows, replicates=REPLICATES, seed=seed, level=level).roc,
        by_reader=_by_reader(study, model, level),
        against_readers=_against_readers(study, model, level) if len(study.readers) > 1 else [],
        findings=[model.origin],
    )


def _model_on(
    study: Study, scores: pl.DataFrame, name: str, point: OperatingPoint | None, rows: str
) -> _Model:
    need_columns(scores, "image", "label", "score")
    wanted = pl.DataFrame({"image": study.images, "truth": study.labels})
    named = scores.with_columns(pl.col("image").cast(pl.String))
    table = wanted.join(named, on="image", how="inner", maintain_order="left")
    found = table["image"].n_unique()
    usable = table["score"].is_finite().fill_null(False).all()
    if found < len(study.images) or table.height > found or not usable:
        raise GreenstickError(
            f"Of {len(study.images)} images that readers rated, the model has {found}, with "
            f"{table.height} scores.",
            remedy="Give one finite score for each image that readers rated.",
        )
    labels = binary_labels(table["label"]).to_numpy() == 1
    if (labels != study.labels).any():
        raise GreenstickError(
            "Readers' table and model's disagree on the label of some images.",
            remedy="Use one set of labels.",
        )
    points = [] if point is None else [point]
    calls = calls_of(table, points)
    values = table["score"].cast(pl.Float64).to_numpy()
    every = np.ones(len(values), dtype=np.bool_)
    origin = check_threshold(table, study.rows(values, every), rows, points, calls)
    return _Model(name, values, calls, origin)


def _by_reader(study: Study, model: _Model, level: float) -> list[ReaderContrast]:
    found = []
    for modality, of_modality in zip(study.modalities, study.ratings, strict=True):
        for reader, rating in zip(study.readers, of_modality, strict=True):
            among = np.isfinite(rating)
            pair = Pair(study.rows(rating, among), study.rows(model.scores, among))
            found.append(
                ReaderContrast(
                    reader=reader,
                    first=modality,
                    second=model.name,
                    differences=_differences(study, model, pair, among, level),
                )
            )
    return found


def _differences(
    study: Study, model: _Model, pair: Pair, among: Bools, level: float
) -> list[Difference]:
    found = [] if study.binary else [auroc_difference(pair, level)]
    if study.call_from is not None and model.calls is not None:
        calls = pair.first.scores >= study.call_from
        found += share_differences(pair, calls, model.calls[among], level)
    return found


def _against_readers(study: Study, model: _Model, level: float) -> list[ModelContrast]:
    """Return the model against the readers' mean, on the images that all of them rated."""
    among = study.read_by_all
    labels = study.labels[among]
    if labels.all() or not labels.any():
        return []
    rows = study.rows(model.scores, among)
    calls = None if model.calls is None else model.calls[among]
    return [
        ModelContrast(
            modality=modality,
            differences=_against(study, rows, of_modality[:, among], calls, level),
        )
        for modality, of_modality in zip(study.modalities, study.ratings, strict=True)
    ]


def _against(
    study: Study, rows: ScoredRows, ratings: Floats, calls: Bools | None, level: float
) -> list[Difference]:
    found = []
    if not study.binary:
        found.append(_gap("AUROC", *areas(rows, [*ratings, rows.scores]), level))
    if study.call_from is not None and calls is not None:
        y, called = rows.labels, [*(ratings >= study.call_from), calls]
        found.append(_gap("sensitivity", *shares(rows, called, y), level))
        found.append(_gap("specificity", *shares(rows, [~c for c in called], ~y), level))
    return found


def _gap(name: str, values: Floats, covariance: Floats, level: float) -> Difference:
    return judge_model_against_readers(
        name, float(values[-1]), values[:-1], covariance, level=level
    )
