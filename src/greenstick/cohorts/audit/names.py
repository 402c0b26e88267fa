"""How an audit calls an image: by its path, unless that holds the patient's name."""

import re

from greenstick.cohorts.cohort import Cohort

_TELLING = 4  # letters from which on a patient's name within a path is no coincidence


def shown_names(cohort: Cohort) -> list[str]:
    """Return a name for each row that may be written down: the path, or 'row 17'."""
    table = cohort.table
    pairs = zip(table["image"], table["patient"], strict=True)
    return [
        f"row {row}" if tells(image, patient) else image
        for row, (image, patient) in enumerate(pairs)
    ]


def tells(image: str, patient: str | None) -> bool:
    """Return whether an image's path holds its patient's name."""
    if not patient:
        return False
    token = re.escape(patient)
    if len(patient) < _TELLING:  # "7" stands in many a file name by chance
        token = rf"(?<![0-9a-z]){token}(?![0-9a-z])"
    return re.search(token, image, flags=re.IGNORECASE) is not None
