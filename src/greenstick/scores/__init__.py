"""Scores: one row a read image, from any model; the hinge between pixels and evidence."""

from greenstick.scores.checks import check_scores, refuse_copies
from greenstick.scores.columns import (
    KNOWN_COLUMNS,
    name_images,
    names_patients,
    need_columns,
    patients_of,
)
from greenstick.scores.pooling import Pooling, pool_by_patient
from greenstick.scores.reading import (
    binary_labels,
    names_of,
    one_split,
    place_images,
    read_scores,
    read_table,
    rows_where,
    score_numbers,
    tidy_scores,
    write_scores,
)

__all__ = [
    "KNOWN_COLUMNS",
    "Pooling",
    "binary_labels",
    "check_scores",
    "name_images",
    "names_of",
    "names_patients",
    "need_columns",
    "one_split",
    "patients_of",
    "place_images",
    "pool_by_patient",
    "read_scores",
    "read_table",
    "refuse_copies",
    "rows_where",
    "score_numbers",
    "tidy_scores",
    "write_scores",
]
