"""Figures of many readers on the same images, and how they vary together over images."""

from collections.abc import Sequence

import numpy as np

from greenstick.evidence.discrimination import auroc_covariance, placements
from greenstick.evidence.readers.multi_reader import ReaderFigures
from greenstick.evidence.readers.table import Study
from greenstick.evidence.rows import Bools, Floats, ScoredRows, count


def figures_of(study: Study) -> list[ReaderFigures]:
    """Return each figure of all readers under all modalities, on the images that all rated."""
    among = study.read_by_all
    labels = study.labels[among]
    if labels.all() or not labels.any():
        return []
    t, r, _ = study.ratings.shape
    columns = list(study.ratings[:, :, among].reshape(t * r, -1))
    rows = study.rows(study.ratings[0, 0], among)
    found = (
        []
        if study.binary
        else [_figure("AUROC", study, rows, labels | True, *areas(rows, columns))]
    )
    if study.call_from is not None:
        calls = [column >= study.call_from for column in columns]
        wrong = [~c for c in calls]
        found += [
            _figure("sensitivity", study, rows, labels, *shares(rows, calls, labels)),
            _figure("specificity", study, rows, ~labels, *shares(rows, wrong, ~labels)),
        ]
    return found


def _figure(
    name: str, study: Study, rows: ScoredRows, about: Bools, values: Floats, covariance: Floats
) -> ReaderFigures:
    t, r, _ = study.ratings.shape
    return ReaderFigures(
        name=name,
        modalities=study.modalities,
        values=values.reshape(t, r),
        covariance=covariance.reshape(t, r, t, r),
        n_images=int(about.sum()),
        n_patients=count(rows.patients[about]),
    )


def areas(rows: ScoredRows, columns: Sequence[Floats]) -> tuple[Floats, Floats]:
    """Return the AUROC of each of k columns of (n,) ratings, and their (k, k) covariance.

    DeLong (1988), or Obuchowski (1997) where patients have several images.
    """
    placed = [placements(rows.labels, column) for column in columns]
    return np.array([p.auroc for p in placed]), auroc_covariance(rows, placed)


def shares(rows: ScoredRows, hits: Sequence[Bools], among: Bools) -> tuple[Floats, Floats]:
    """Return the share of hits among some of the images for each of k columns, and covariance.

    By the patients' influence; with one image a patient it is the sample covariance of hits.
    """
    total = int(among.sum())
    patients = count(rows.patients[among])
    values = np.array([float((hit & among).sum()) / total for hit in hits])
    influence = np.stack(
        [
            rows.per_patient(np.where(among, hit - value, 0.0)) / total
            for hit, value in zip(hits, values, strict=True)
        ]
    )
    few = patients / (patients - 1) if patients > 1 else np.nan
    return values, few * influence @ influence.T
