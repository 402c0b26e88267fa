"""Pictures of single cases: the most wrong ones, and a few right ones."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import takewhile
from pathlib import Path

import polars as pl
from PIL import Image, UnidentifiedImageError

from greenstick.cohorts.audit.names import tells

_THUMBNAIL_PX = 360
_WEBP_QUALITY = 72
_MOST_WRONG = 12
_MOST_RIGHT = 6

#: Kind, heading, whether the highest scores come first, how many are shown.
_KINDS = (
    ("false negative", "Missed: fractures scored lowest", False, _MOST_WRONG),
    ("false positive", "False alarms: no fracture, scored highest", True, _MOST_WRONG),
    ("true positive", "Found: fractures scored highest", True, _MOST_RIGHT),
    ("true negative", "Cleared: no fracture, scored lowest", False, _MOST_RIGHT),
)


@dataclass(frozen=True)
class Case:
    """One picture with its caption.

    Attributes
    ----------
    picture
        Data URI of a thumbnail; empty where the file is missing or damaged.
    name
        The image's path in the cohort, or its row where the path would tell the patient.
    score, label
        Predicted probability, and 1 where there is a fracture.
    details
        Further words, e.g. the body part.
    alt
        What the picture shows, for who cannot see it.
    """

    picture: str
    name: str
    score: float
    label: int
    details: str
    alt: str


@dataclass(frozen=True)
class CaseGroup:
    """Cases of one kind, in the order they are shown."""

    kind: str
    heading: str
    cases: tuple[Case, ...]

    @property
    def wrong(self) -> bool:
        """Whether the model's calls of these cases are wrong; such pictures are shown larger."""
        return self.kind.startswith("false")


def read_cases(
    overlays: pl.DataFrame,
    scores: pl.DataFrame,
    run: Path,
    *,
    details: Sequence[str] = (),
    explanations: pl.DataFrame | None = None,
) -> list[CaseGroup]:
    """Read the overlays of a run as thumbnails.

    Parameters
    ----------
    overlays
        Columns ``image``, ``file``, ``kind``, ``score``, ``label``.
    scores
        For the patient (never shown) and the columns of ``details``.
    run
        The run folder; ``file`` is relative to it or to its folder ``overlays``.
    details
        Columns of ``scores`` to show beside each case.
    explanations
        Columns ``image`` and ``peak_hit``, where the maps were measured.
    """
    known = [name for name in ("image", "patient", *details) if name in scores.columns]
    facts = scores.select(known).with_row_index("row")
    table = overlays.join(facts.unique("image", keep="first"), on="image", how="left")
    if explanations is not None:
        hits = explanations.select("image", "peak_hit").unique("image", keep="first")
        table = table.join(hits, on="image", how="left")
    start = _common_folder(scores["image"])
    groups = []
    for kind, heading, highest_first, most in _KINDS:
        rows = table.filter(kind=kind).sort("score", "image", descending=[highest_first, False])
        cases = tuple(
            _case(row, run, details, start) for row in rows.head(most).iter_rows(named=True)
        )
        if cases:
            groups.append(CaseGroup(kind, heading, cases))
    return groups


def _common_folder(images: pl.Series) -> str:
    """Return the start that all paths share: it tells nothing, or too much of the machine."""
    folders = {Path(image).parent.parts for image in images}
    levels = takewhile(lambda level: len(set(level)) == 1, zip(*folders, strict=False))
    shared = [level[0] for level in levels]
    return f"{Path(*shared).as_posix()}/" if shared else ""


def _case(row: dict[str, object], run: Path, details: Sequence[str], start: str) -> Case:
    image = str(row["image"]).removeprefix(start)
    name = case_name(image, row.get("patient"), row["row"])
    words = [str(row[column]) for column in details if row.get(column) is not None]
    if row.get("peak_hit") is not None:
        words.append("peak in a box" if row["peak_hit"] else "peak outside the boxes")
    score, truth = float(str(row["score"])), "a fracture" if row["label"] == 1 else "no fracture"
    return Case(
        picture=thumbnail(run, str(row["file"])),
        name=name,
        score=score,
        label=int(str(row["label"])),
        details=", ".join(words),
        alt=f"Radiograph with {truth}, scored {score:.3f}, and its activation map.",
    )


def case_name(image: str, patient: object, row: object) -> str:
    """Return how a report calls an image: by its path, unless that holds the patient's name."""
    if patient is not None and tells(image, str(patient)):
        return "an image" if row is None else f"row {row} of scores.parquet"
    return image


def thumbnail(
    run: Path, file: str, folder: str = "overlays", *, longest_px: int = _THUMBNAIL_PX
) -> str:
    """Return a picture of a run's folder as a small data URI; empty where it is not there."""
    path = next((p for p in (run / file, run / folder / file) if p.is_file()), None)
    if path is None:
        return ""
    try:
        with Image.open(path) as image:
            small = image.convert("RGB")
    except (UnidentifiedImageError, OSError):
        return ""
    small.thumbnail((longest_px, longest_px), Image.Resampling.LANCZOS)
    with BytesIO() as buffer:
        small.save(buffer, format="WEBP", quality=_WEBP_QUALITY, method=4)
        encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{encoded}"
