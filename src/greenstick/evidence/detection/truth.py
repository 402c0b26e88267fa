"""The true boxes: from a COCO file, or from a cohort."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from greenstick.cohorts.cohort import read_cohort
from greenstick.cohorts.outlines import Box, outline_of
from greenstick.errors import GreenstickError
from greenstick.evidence.detection.boxes import BoxRows, PredictedBoxes, TrueBoxes
from greenstick.evidence.detection.faults import check_true_boxes
from greenstick.evidence.rows import Bools, Floats, Ints, numbered
from greenstick.findings import Finding, Severity

#: What a box without a class is called.
NO_CLASS = "fracture"


@dataclass(frozen=True, eq=False)
class Truth:
    """n images with their true boxes.

    Attributes
    ----------
    images
        Names of the images.
    image_ids, class_ids
        What a predictions file may call the images and the classes.
    sizes
        (n, 2): width and height in pixels; NaN where not known.
    patients
        (n,) numbers from 0.
    classes
        Names of the classes.
    boxes
        The boxes.
    facts
        A row an image: ``patient``, and whatever else the file says of images.
    findings
        What was found in the file.
    """

    images: tuple[str, ...]
    image_ids: tuple[str, ...]
    class_ids: tuple[str, ...]
    sizes: Floats
    patients: Ints
    classes: tuple[str, ...]
    boxes: TrueBoxes
    facts: pl.DataFrame
    findings: tuple[Finding, ...] = ()

    def column(self, name: str) -> tuple[str | None, ...]:
        """Return what the file says of each image, as text; None where it says nothing.

        Raises
        ------
        GreenstickError
            Where it has no such column.
        """
        if name not in self.facts.columns:
            raise GreenstickError(
                f"The truth has no column {name!r} to judge by.",
                remedy=f"It has: {', '.join(self.facts.columns)}. In a COCO file these are fields "
                "of its images.",
            )
        return tuple(self.facts[name].cast(pl.String))

    def against(self, predictions: PredictedBoxes) -> BoxRows:
        """Return these images with predicted boxes."""
        return BoxRows(self.images, self.patients, self.classes, self.boxes, predictions)


def read_truth(path: Path | str, *, split: str | None = None, drop_faulty: bool = False) -> Truth:
    """Read true boxes.

    Parameters
    ----------
    path
        A COCO file (``.json``), where an image may state its ``patient``; else a cohort. Images of
        a cohort that have a fracture and no box drawn, or an unknown label, are left out.
    split
        Only the images of this split; cohorts only.
    drop_faulty
        Leave out images with a faulty true box instead of refusing.

    Raises
    ------
    GreenstickError
        Where the file is missing or unreadable, an image is listed twice or not at all, or a box
        has no area, lies outside its image or is of an unknown class.
    """
    path = Path(path)
    if not path.is_file():
        raise GreenstickError(f"There are no true boxes {path}.", remedy="Check the path.")
    if path.suffix.lower() != ".json":
        truth = _from_cohort(path, split)
    elif split:
        raise GreenstickError(
            "A COCO file has no splits.", remedy="Give the file of that split, or a cohort."
        )
    else:
        truth = _from_coco(load_json(path), path.name)
    faulty = check_true_boxes(truth.boxes, truth.sizes, truth.images, drop=drop_faulty)
    return truth if faulty is None else _without(truth, faulty)


def load_json(path: Path) -> Any:
    """Return what a JSON file holds."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, OSError):
        raise GreenstickError(
            f"{path.name} cannot be read as JSON.", remedy="Write it again, or give another file."
        ) from None


def _from_coco(content: Any, name: str) -> Truth:
    keys = ("images", "annotations", "categories")
    if not isinstance(content, dict) or not all(isinstance(content.get(k), list) for k in keys):
        raise GreenstickError(
            f"{name} is no COCO file of true boxes.",
            remedy=f"It needs the lists {', '.join(keys)}; predictions go into --predictions.",
        )
    images = _listed_once(content["images"], "image", name)
    categories = _listed_once(content["categories"], "category", name)
    names = [str(one.get("file_name", key)) for key, one in images.items()]
    classes = [str(one.get("name", key)) for key, one in categories.items()]
    for what, called, by in (("images", names, "file_name"), ("categories", classes, "name")):
        twice = len(called) - len(set(called))
        if twice:
            raise GreenstickError(
                f"{name} lists {twice} {what} twice, by the same {by}.",
                remedy="Merge their entries.",
            )
    return Truth(
        images=tuple(names),
        image_ids=tuple(map(str, images)),
        class_ids=tuple(map(str, categories)),
        sizes=np.array([_size(one) for one in images.values()]).reshape(-1, 2),
        patients=_patients([one.get("patient") for one in images.values()], names),
        classes=tuple(classes),
        boxes=_coco_boxes(content["annotations"], list(images), list(categories), name),
        facts=_coco_facts(list(images.values())),
    )


def _listed_once(entries: Sequence[Any], what: str, name: str) -> dict[Any, Mapping[str, Any]]:
    """Return entries by id, in the order of their ids, as COCO's own tool takes them."""
    try:
        by_id = {entry["id"]: entry for entry in entries}
    except (KeyError, TypeError):
        raise GreenstickError(
            f"{name} lists an entry without an id ({what}).", remedy="Give each an id."
        ) from None
    if len(by_id) < len(entries):
        raise GreenstickError(
            f"{name} gives {len(entries) - len(by_id)} times an id to more than one {what}.",
            remedy="Give each an id of its own.",
        )
    if not by_id:
        raise GreenstickError(f"{name} lists no {what}.", remedy="List those to be judged.")
    return dict(sorted(by_id.items(), key=lambda item: (isinstance(item[0], str), item[0])))


def _size(image: Mapping[str, Any]) -> tuple[float, float]:
    try:
        return float(image.get("width") or np.nan), float(image.get("height") or np.nan)
    except (TypeError, ValueError):
        raise GreenstickError(
            f"The width or height of image {image['id']!r} is no number.",
            remedy="Write pixels, or leave both out.",
        ) from None


def _patients(given: Sequence[Any], images: Sequence[str]) -> Ints:
    """Return a number for each patient; an image without one is a patient of its own."""
    names = [
        f"image:{image}" if patient is None else str(patient)
        for patient, image in zip(given, images, strict=True)
    ]
    return numbered(pl.Series(names))


def _coco_facts(images: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Return what entries say beside where the image is, as text: ``patient``, ``body_part``."""
    known = ("id", "file_name", "width", "height")
    names = dict.fromkeys(["patient", *(key for one in images for key in one if key not in known)])
    texts = {
        name: [None if (value := one.get(name)) is None else str(value) for one in images]
        for name in names
    }
    return pl.DataFrame(texts, schema=dict.fromkeys(texts, pl.String))


def _coco_boxes(
    annotations: Sequence[Any], images: list[Any], categories: list[Any], name: str
) -> TrueBoxes:
    of_image = {key: number for number, key in enumerate(images)}
    of_class = {key: number for number, key in enumerate(categories)}
    rows = []
    for number, one in enumerate(annotations):
        try:
            x, y, width, height = map(float, one.get("bbox") or _around(one))
            image, kind = one["image_id"], one["category_id"]
            hash((image, kind))
            area = float(one.get("area") or 0)
            area = area if area > 0 else width * height  # some tools write -1, or NaN
            rows.append((image, kind, x, y, width, height, area, bool(one.get("iscrowd", 0))))
        except (AttributeError, KeyError, TypeError, ValueError):
            raise GreenstickError(
                f"Annotation {number} (counted from 0) of {name} is no box.",
                remedy="It needs image_id, category_id and a bbox of four numbers, or an outline.",
            ) from None
    _all_known([row[0] for row in rows], of_image, f"images that {name} does not list")
    _all_known([row[1] for row in rows], of_class, f"classes that {name} does not list")
    numbers = np.array([row[2:7] for row in rows], dtype=np.float64).reshape(-1, 5)
    return TrueBoxes(
        images=np.array([of_image[row[0]] for row in rows], dtype=np.int64),
        classes=np.array([of_class[row[1]] for row in rows], dtype=np.int64),
        xywh=numbers[:, :4],
        areas=numbers[:, 4],
        crowds=np.array([row[7] for row in rows], dtype=np.bool_),
    )


def _around(annotation: Mapping[str, Any]) -> Box:
    """Return the box around an annotation's polygons or mask, which stand in for a bbox."""
    outline = outline_of(annotation["segmentation"])
    box = None if outline is None else outline.box
    if box is None:
        raise ValueError("neither a box nor an outline")
    return box


def _all_known(keys: Sequence[Any], known: Mapping[Any, int], what: str) -> None:
    strange = [key for key in keys if key not in known]
    if strange:
        raise GreenstickError(
            f"{len(strange)} true boxes are of {what}, first {strange[0]!r}.",
            remedy="List it, or remove the annotations.",
        )


def _from_cohort(path: Path, split: str | None) -> Truth:
    table = read_cohort(path).table
    judged = table if split is None else table.filter(pl.col("split") == split)
    if judged.is_empty():
        raise GreenstickError(
            f"{path.name} has no image of split {split!r}.",
            remedy="Split it with 'greenstick cohort split', or leave --split out.",
        )
    classes = _each_box(table)["class"].unique()
    return truth_of(judged, path.name, classes=classes)


def truth_of(
    table: pl.DataFrame, name: str = "The cohort", *, classes: Iterable[str] = ()
) -> Truth:
    """Return the true boxes of a cohort's rows; see :func:`read_truth`.

    Parameters
    ----------
    classes
        What may be predicted besides the classes of these rows' boxes.
    """
    drawn = pl.col("boxes").list.len().fill_null(0) > 0
    judged = table.filter((pl.col("label") == 0) | drawn)
    if judged.is_empty():
        raise GreenstickError(
            f"{name} has no true boxes.", remedy="Import it with its boxes: --boxes FILE."
        )
    lost = table.height - judged.height
    boxes = _each_box(judged)
    classes = sorted({*classes, *boxes["class"]}) or [NO_CLASS]
    images = tuple(judged["image"])
    xywh = boxes.select("x", "y", "width", "height").to_numpy().astype(np.float64)
    return Truth(
        images=images,
        image_ids=images,
        class_ids=tuple(classes),
        sizes=np.full((len(images), 2), np.nan),
        patients=_patients(judged["patient"].to_list(), images),
        classes=tuple(classes),
        boxes=TrueBoxes(
            images=boxes["image"].to_numpy().astype(np.int64),
            classes=np.searchsorted(classes, boxes["class"].to_numpy()).astype(np.int64),
            xywh=xywh,
            areas=np.prod(xywh[:, 2:], axis=1),
            crowds=np.zeros(len(xywh), dtype=np.bool_),
        ),
        facts=judged.select(pl.exclude(pl.List)),
        findings=(_not_drawn(lost, table.height),) if lost else (),
    )


def _each_box(table: pl.DataFrame) -> pl.DataFrame:
    """Return a row a box: the number of its image, its sides and its class."""
    boxes = table.select(image=pl.int_range(pl.len()), box="boxes").explode("box").drop_nulls()
    return boxes.unnest("box").with_columns(pl.col("class").fill_null(NO_CLASS))


def _not_drawn(lost: int, images: int) -> Finding:
    return Finding(
        "fractures-not-drawn",
        Severity.WARNING,
        f"{lost} of {images} images have a fracture without a box, or no label: left out.",
        remedy="Draw their boxes: what is left may be easier.",
    )


def _without(truth: Truth, faulty: Bools) -> Truth:
    """Return the truth without some of the images."""
    kept = np.flatnonzero(~faulty)
    place = np.cumsum(~faulty) - 1
    boxes = truth.boxes.take(~faulty[truth.boxes.images])
    _, patients = np.unique(truth.patients[kept], return_inverse=True)
    finding = Finding(
        "faulty-true-boxes",
        Severity.WARNING,
        f"{int(faulty.sum())} images with a faulty true box were left out.",
        remedy="Mend the boxes.",
    )
    return Truth(
        images=tuple(truth.images[i] for i in kept),
        image_ids=tuple(truth.image_ids[i] for i in kept),
        class_ids=truth.class_ids,
        sizes=truth.sizes[kept],
        patients=patients.astype(np.int64),
        classes=truth.classes,
        boxes=TrueBoxes(place[boxes.images], boxes.classes, boxes.xywh, boxes.areas, boxes.crowds),
        facts=truth.facts[kept],
        findings=(*truth.findings, finding),
    )
