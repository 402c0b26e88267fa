"""A reader study as arrays: who rated which image how, without and with help."""

from dataclasses import dataclass

import numpy as np
import polars as pl

from greenstick.errors import GreenstickError
from greenstick.evidence.rows import Bools, Floats, Ints, Missing, ScoredRows, numbered, usable
from greenstick.findings import Finding, Severity
from greenstick.scores import binary_labels, need_columns, patients_of

#: What the ratings are called to be given under where a table has no column ``modality``.
ALONE = "unaided"


@dataclass(frozen=True, eq=False)
class Study:
    """Ratings of n images by r readers under t modalities.

    Attributes
    ----------
    images
        (n,) names of the images, sorted.
    labels, patients
        (n,) true where there is a fracture, and the number of each image's patient.
    modalities, readers
        Names; differences are those from an earlier to a later modality, e.g. from
        ``"without AI"`` to ``"with AI"``.
    ratings
        (t, r, n) higher means fracture; NaN where a reader did not rate an image.
    call_from
        A rating at or above it calls a fracture; None where nothing says so.
    """

    images: pl.Series
    labels: Bools
    patients: Ints
    modalities: tuple[str, ...]
    readers: tuple[str, ...]
    ratings: Floats
    call_from: float | None

    @property
    def binary(self) -> bool:
        """Whether every rating is 0 or 1."""
        return bool(np.isin(self.ratings[np.isfinite(self.ratings)], (0.0, 1.0)).all())

    @property
    def read_by_all(self) -> Bools:
        """Return (n,) whether each reader rated the image under each modality."""
        return np.asarray(np.isfinite(self.ratings).all(axis=(0, 1)))

    def rows(self, scores: Floats, among: Bools) -> ScoredRows:
        """Return some of the images with (n,) scores for them."""
        every = ScoredRows(self.labels, scores, self.patients, np.arange(len(self.labels)))
        return every.take(among)


def to_study(
    table: pl.DataFrame,
    *,
    call_from: float | None = None,
    reference: str | None = None,
    missing: Missing = "refuse",
) -> tuple[Study, list[Finding]]:
    """Arrange a table of ratings, and say what was found in it.

    Parameters
    ----------
    table
        One row a rating: ``image`` (or ``case``), ``label``, ``reader``, ``score``; optionally
        ``modality`` and ``patient``.
    call_from
        A rating at or above it calls a fracture; ratings of 0 and 1 need none.
    reference
        The modality that others are compared with; the first one in the table if not given.
    missing
        ``"refuse"`` rows without label or score, or ``"drop"`` them with a warning.

    Raises
    ------
    GreenstickError
        Where a column is missing, a reader rated an image twice under one modality, rows disagree
        on the label or patient of an image, or all images are of one class.
    """
    if "image" not in table.columns and "case" in table.columns:
        table = table.rename({"case": "image"})
    need_columns(table, "image", "label", "reader", "score")
    if "modality" not in table.columns:
        table = table.with_columns(modality=pl.lit(ALONE))
    _check_names(table)
    table, findings = usable(table, missing)
    table = table.with_columns(pl.col("score").cast(pl.Float64))
    images = _images(table)
    labels = binary_labels(images["label"]).to_numpy() == 1
    if labels.all() or not labels.any():
        raise GreenstickError(
            "All images are of one class.", remedy="Readers need images with and without fractures."
        )
    readers = table["reader"].cast(pl.String).unique(maintain_order=True).to_list()
    modalities = _modalities(table, reference)
    ratings = np.full((len(modalities), len(readers), images.height), np.nan)
    ratings[
        _number(table["modality"], modalities),
        _number(table["reader"], readers),
        _number(table["image"], images["image"].to_list()),
    ] = table["score"].to_numpy()
    binary = bool(table["score"].is_in([0.0, 1.0]).all())
    study = Study(
        images=images["image"],
        labels=labels,
        patients=numbered(patients_of(images)),
        modalities=tuple(modalities),
        readers=tuple(readers),
        ratings=ratings,
        call_from=0.5 if binary and call_from is None else call_from,
    )
    _check_each_reader(study)
    return study, [*findings, *_check_study(study)]


def _check_names(table: pl.DataFrame) -> None:
    for name in ("reader", "modality", "image"):
        if table[name].null_count():
            raise GreenstickError(
                f"{table[name].null_count()} ratings name no {name}.",
                remedy=f"Fill the column {name!r}.",
            )


def _images(table: pl.DataFrame) -> pl.DataFrame:
    """Return one row an image: name, label and patient."""
    columns = [c for c in ("image", "label", "patient") if c in table.columns]
    images = table.select(columns).with_columns(pl.col("image").cast(pl.String)).unique()
    if images["image"].is_duplicated().any():
        raise GreenstickError(
            "Rows disagree on the label or the patient of an image.",
            remedy="Give each image one label and one patient, whoever reads it.",
        )
    return images.sort("image")


def _modalities(table: pl.DataFrame, reference: str | None) -> list[str]:
    """Return the names in the table's order, but for the reference, which comes first."""
    found = table["modality"].cast(pl.String).unique(maintain_order=True).to_list()
    if reference is not None and reference not in found:
        raise GreenstickError(
            f"There is no modality {reference!r}.", remedy=f"There are: {', '.join(found)}."
        )
    return sorted(found, key=lambda name: name != reference)


def _number(values: pl.Series, names: list[str]) -> Ints:
    place = {name: i for i, name in enumerate(names)}
    return np.array([place[name] for name in values.cast(pl.String)], dtype=np.int64)


def _check_each_reader(study: Study) -> None:
    """Refuse a reader who read nothing, or images of one class only, under some modality."""
    for of_modality in np.isfinite(study.ratings):
        for reader, read in zip(study.readers, of_modality, strict=True):
            found = study.labels[read]
            if not found.any() or found.all():
                raise GreenstickError(
                    f"Reader {reader} rated no images, or images of one class only, under one "
                    "modality.",
                    remedy="Leave the reader out, or complete the ratings.",
                )


def _check_study(study: Study) -> list[Finding]:
    findings = []
    unread = int((~study.read_by_all).sum())
    if unread:
        findings.append(
            Finding(
                "images-not-read-by-all",
                Severity.WARNING,
                f"{unread} of {len(study.labels)} images were not rated by every reader under "
                "every modality: figures over all readers leave them out.",
            )
        )
    else:
        findings.append(
            Finding(
                "read-by-all", Severity.PASSED, "Each reader rated each image under each modality."
            )
        )
    if len(study.readers) < 5:
        findings.append(
            Finding(
                "few-readers",
                Severity.NOTE,
                f"There are {len(study.readers)} readers: what holds for them need not hold for "
                "others.",
            )
        )
    findings += _check_calls(study)
    if study.call_from is None:
        findings.append(
            Finding(
                "no-call",
                Severity.NOT_APPLICABLE,
                "Nothing says which rating calls a fracture: sensitivity and specificity are not "
                "judged.",
                remedy="State the lowest rating that calls one (call_from).",
            )
        )
    return findings


def _check_calls(study: Study) -> list[Finding]:
    """Return a warning where every rating calls a fracture, or none does."""
    rated = study.ratings[np.isfinite(study.ratings)]
    if study.call_from is None or rated.min() < study.call_from <= rated.max():
        return []
    return [
        Finding(
            "one-call-only",
            Severity.WARNING,
            f"{'No' if study.call_from > rated.max() else 'Every'} rating calls a fracture: they "
            f"run from {rated.min():g} to {rated.max():g}, and {study.call_from:g} calls one.",
            remedy="State the lowest rating that calls one (call_from).",
        )
    ]
