"""The predicted boxes of any detector: COCO results, or a table with one row a box."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

import numpy as np
import polars as pl

from greenstick.errors import GreenstickError
from greenstick.evidence.detection.boxes import PredictedBoxes
from greenstick.evidence.detection.faults import check_predicted_boxes
from greenstick.evidence.detection.truth import Truth, load_json
from greenstick.evidence.rows import Ints
from greenstick.findings import Finding, Severity

COLUMNS = ("image", "x", "y", "width", "height", "score")


@dataclass(frozen=True, eq=False)
class Predictions:
    """Predicted boxes on the images of a truth, and what was found in the file."""

    boxes: PredictedBoxes
    findings: tuple[Finding, ...] = ()


def read_predictions(
    path: Path | str, truth: Truth, *, skip_unknown: bool = False, any_class: bool = False
) -> Predictions:
    """Read predicted boxes.

    Parameters
    ----------
    path
        COCO results (``.json``: a list of ``image_id``, ``category_id``, ``bbox``, ``score``),
        ``readings.json``, or
        CSV or Parquet with ``image``, ``x``, ``y``, ``width``, ``height``, ``score`` and, where
        there are several classes, ``class``. An image goes by its id, its file name, or that
        name without folders or ending, where only one has it.
    truth
        The images that they are for.
    skip_unknown
        Leave out boxes on images that the truth does not list instead of refusing.
    any_class
        Do not look at classes: all boxes get the first one.

    Raises
    ------
    GreenstickError
        Where the file is missing or unreadable, an image or class is not the truth's, or a box
        cannot be meant.
    """
    path = Path(path)
    if not path.is_file():
        raise GreenstickError(f"There are no predictions {path}.", remedy="Check the path.")
    table = _from_json(path) if path.suffix.lower() == ".json" else _from_table(path)
    return on_truth(table, truth, skip_unknown=skip_unknown, any_class=any_class)


def on_truth(
    table: pl.DataFrame, truth: Truth, *, skip_unknown: bool = False, any_class: bool = False
) -> Predictions:
    """Return the boxes of a table with the columns of a predictions file; see there."""
    if "class" not in table.columns:
        table = table.with_columns(pl.lit(None, dtype=pl.String).alias("class"))
    images = _numbered(table["image"], _image_keys(truth))
    unknown = images.is_null()
    findings: tuple[Finding, ...] = ()
    if unknown.any():
        findings = (_unknown(table["image"].filter(unknown), truth, skip=skip_unknown),)
        table, images = table.filter(~unknown), images.drop_nulls()
    boxes = PredictedBoxes(
        images=images.to_numpy().astype(np.int64),
        classes=_classes(table, truth, any_class=any_class),
        xywh=table.select("x", "y", "width", "height").to_numpy().astype(np.float64),
        scores=table["score"].to_numpy().astype(np.float64),
    )
    odd = check_predicted_boxes(boxes, truth.boxes, truth.sizes, truth.images)
    return Predictions(boxes, (*findings, *odd))


def _from_json(path: Path) -> pl.DataFrame:
    content = load_json(path)
    try:
        rows = _readings(content) if isinstance(content, dict) else _results(content)
        names = ("image", "class", *COLUMNS[1:])
        dtypes = [pl.String, pl.String, *[pl.Float64] * len(COLUMNS[1:])]
        return pl.DataFrame(rows, schema=list(zip(names, dtypes, strict=True)), orient="row")
    except (KeyError, TypeError, ValueError, AttributeError, pl.exceptions.PolarsError):
        raise GreenstickError(
            f"{path.name} holds no COCO results and no readings.",
            remedy="It must be a list of image_id, category_id, bbox (four numbers) and score.",
        ) from None


def _results(content: Any) -> list[tuple[Any, ...]]:
    return [
        (str(one["image_id"]), _category(one), *map(float, one["bbox"]), float(one["score"]))
        for one in content
    ]


def _readings(content: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """Return the boxes of ``readings.json``: of a classifier's heat maps, or of a detector."""
    readings = content["readings"]
    files = [PurePath(reading["path"]).name for reading in readings]
    if len(set(files)) < len(files):  # then only whole paths tell them apart
        files = [reading["path"] for reading in readings]
    names = ("x", "y", "width", "height", "probability")
    return [
        (file, box.get("class_name"), *(float(box[name]) for name in names))
        for file, reading in zip(files, readings, strict=True)
        for box in reading["boxes"]
    ]


def _category(one: Mapping[str, Any]) -> str | None:
    given = one.get("category_id", one.get("category"))
    return None if given is None else str(given)


def _from_table(path: Path) -> pl.DataFrame:
    try:
        if path.suffix.lower() == ".parquet":
            table = pl.read_parquet(path)
        else:
            as_text = {"image": pl.String, "class": pl.String}
            table = pl.read_csv(path, infer_schema_length=None, schema_overrides=as_text)
    except (pl.exceptions.PolarsError, OSError):
        raise GreenstickError(
            f"{path.name} can be read neither as Parquet nor as CSV.",
            remedy="Save it as CSV with a header line, as Parquet, or as COCO results.",
        ) from None
    missing = [name for name in COLUMNS if name not in table.columns]
    if missing:
        raise GreenstickError(
            f"The predictions have no column {' and no column '.join(map(repr, missing))}.",
            remedy=f"They have: {', '.join(table.columns)}; name them {', '.join(COLUMNS)}.",
        )
    texts = [pl.col(name).cast(pl.String) for name in ("image", "class") if name in table.columns]
    numbers = [pl.col(name).cast(pl.Float64, strict=False) for name in COLUMNS[1:]]
    return table.with_columns(*texts, *numbers)


def _image_keys(truth: Truth) -> dict[str, int]:
    """Return what an image may be called: by its id first, by its stem last."""
    names = [PurePosixPath(image) for image in truth.images]
    ways: list[Sequence[str]] = [
        truth.image_ids,
        truth.images,
        [name.name for name in names],
        [name.stem for name in names],
    ]
    keys: dict[str, int] = {}
    for way in ways:
        counts = pl.Series(way).value_counts(name="n")
        once = set(counts.filter(pl.col("n") == 1)[:, 0])
        for number, key in enumerate(way):
            if key in once:
                keys.setdefault(key, number)
    return keys


def _numbered(names: pl.Series, keys: Mapping[str, int]) -> pl.Series:
    return names.replace_strict(dict(keys), default=None, return_dtype=pl.Int64)


def _unknown(names: pl.Series, truth: Truth, *, skip: bool) -> Finding:
    what = f"{len(names)} predicted boxes are on {names.n_unique()} images that the truth lacks"
    if not skip:
        raise GreenstickError(
            f"{what}, first {names[0]!r}; it has e.g. {truth.images[0]!r}.",
            remedy="Give the truth of the same images, or leave these boxes out: --skip-unknown.",
        )
    return Finding("unknown-images", Severity.WARNING, f"{what}: left out.")


def _classes(table: pl.DataFrame, truth: Truth, *, any_class: bool) -> Ints:
    if any_class or (len(truth.classes) == 1 and table["class"].null_count() == table.height):
        return np.zeros(table.height, dtype=np.int64)
    keys: dict[str, int] = {}
    for number, (key, name) in enumerate(zip(truth.class_ids, truth.classes, strict=True)):
        keys.setdefault(name, number)
        keys[key] = number  # an id counts before a name
    classes = _numbered(table["class"], keys)
    strange = table["class"].filter(classes.is_null())
    if len(strange):
        raise GreenstickError(
            f"{len(strange)} predicted boxes are of a class not in the list, first {strange[0]!r}.",
            remedy=f"The truth has: {', '.join(truth.classes[:20])}. "
            "Rename them, or look at no classes: --any-class.",
        )
    return classes.to_numpy().astype(np.int64)
