"""What of each image an experiment looks at: all of it, or a square around a box.

The squares are a column of the run's cohort, ``looked_at``, so that every worker, and whoever looks
at the run later, sees the same.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl

from greenstick.cohorts.cohort import Cohort
from greenstick.cohorts.importers.image_size import image_sizes_px
from greenstick.cohorts.pixels import open_pixel_store
from greenstick.errors import GreenstickError
from greenstick.experiments.finding import decode
from greenstick.experiments.sections import RegionSection
from greenstick.findings import Finding, Severity
from greenstick.models.card import CardRegion
from greenstick.models.detector_settings import read_detector_card
from greenstick.radiographs.region import Region, square_around
from greenstick.reading.region import Located, RegionFinder, nothing_found
from greenstick.training.samples import sides_of

Progress = Callable[[int, int], None]

#: The column of a run's cohort, and its fields in pixels of the original.
LOOKED_AT = "looked_at"
_REGION = pl.Struct(dict.fromkeys(("x", "y", "width", "height"), pl.Int32))
#: How the reason of a dropped row begins.
NO_REGION = "no-region"


def with_regions(
    cohort: Cohort, settings: RegionSection, progress: Progress | None = None
) -> tuple[Cohort, pl.DataFrame]:
    """Say of each row what is looked at.

    Returns
    -------
    cohort
        With the column ``looked_at``, without the rows that have nothing to look at; as it was
        where all of each image is looked at.
    lost
        Those rows: ``image``, ``reason``.

    Raises
    ------
    GreenstickError
        Where the cohort lacks the columns, there is no such detector, an image cannot be read, or
        no row has a region.
    """
    if settings.source == "image":
        return cohort, _lost([], [])
    finder = _finder(settings)
    if settings.source == "cohort":
        found = _told(cohort, settings)
    else:
        assert finder is not None
        found = _found(cohort, finder, progress)
    images = cohort.table["image"].to_list()
    lost = _lost(
        [image for image, one in zip(images, found, strict=True) if one.region is None],
        [
            f"{NO_REGION}: {_why(settings)}; label {label}"
            for label, one in zip(cohort.table["label"], found, strict=True)
            if one.region is None
        ],
    )
    if lost.height == len(cohort):
        raise GreenstickError(
            f"None of the {len(cohort)} images has a region to look at: {_why(settings)}.",
            remedy="Look at the setting 'region', or set region.source to 'image'.",
        )
    values = [None if one.region is None else asdict(one.region) for one in found]
    table = cohort.table.with_columns(pl.Series(LOOKED_AT, values, dtype=_REGION))
    return cohort.with_table(table.drop_nulls(LOOKED_AT)), lost


def regions_of(table: pl.DataFrame) -> list[Region] | None:
    """Return what is looked at on each image of a run's cohort; None: all of each."""
    if LOOKED_AT not in table.columns:
        return None
    return [Region(**value) for value in table[LOOKED_AT]]


def card_region(settings: RegionSection) -> CardRegion | None:
    """Return what a model's card says of the part that it looks at; None for whole images."""
    if settings.source == "image":
        return None
    name = read_detector_card(settings.detector).name if settings.detector else ""
    return CardRegion(
        source=settings.source,
        detector=name,
        class_name=settings.class_name,
        margin=settings.margin,
        unfound=settings.unfound,
    )


def unseen_fractures(cohort: Cohort) -> pl.Series:
    """Return the images whose boxes all lie outside what is looked at."""
    regions = regions_of(cohort.table)
    if regions is None:
        return pl.Series("image", [], dtype=pl.String)
    rows = cohort.table.select("image", "label", "boxes").iter_rows()
    unseen = [
        image
        for (image, label, boxes), region in zip(rows, regions, strict=True)
        if label == 1 and boxes and not region.sees(sides_of(boxes)).any()
    ]
    return pl.Series("image", unseen, dtype=pl.String)


def without_unseen(splits: pl.DataFrame, cohort: Cohort) -> pl.DataFrame:
    """Leave images whose fracture is not looked at out of training and validation.

    There they would teach that intact bone is broken. As test rows they stay: a reader misses
    them.
    """
    unseen = pl.col("image").is_in(unseen_fractures(cohort).to_list())
    return splits.filter(~unseen | (pl.col("split") == "test"))


def region_findings(
    settings: RegionSection, cohort: Cohort, splits: pl.DataFrame, dropped: pl.DataFrame
) -> list[Finding]:
    """Return what is to be known of a run that looks at parts of images; nothing of others."""
    if settings.source == "image":
        return []
    findings = [_who_says(settings)]
    lost = dropped.filter(pl.col("reason").str.starts_with(NO_REGION))
    if lost.height:
        broken = lost["reason"].str.ends_with("label 1").sum()
        findings.append(
            Finding(
                "no-region",
                Severity.WARNING,
                f"{lost.height} images, {broken} of them with a fracture, have no region to look "
                "at. They count nowhere here, and would not be read.",
                remedy="Mend their boxes, train the detector further, or set region.unfound to "
                "'whole image'.",
            )
        )
    unseen = unseen_fractures(cohort)
    if len(unseen):
        test = splits.filter(pl.col("split") == "test")["image"]
        judged = unseen.is_in(test.to_list()).sum()
        findings.append(
            Finding(
                "fracture-outside-region",
                Severity.WARNING,
                f"On {len(unseen)} images every box of a fracture lies outside what is looked at. "
                f"{judged} of them are test images, and count as fractures all the same; nothing "
                "was learned from the others.",
                remedy="Raise region.margin, or look at the detector's boxes.",
            )
        )
    return findings


def _who_says(settings: RegionSection) -> Finding:
    if settings.source == "detector":
        text = "A detector says what of each image is looked at; nothing is said of the rest."
        return Finding("region", Severity.NOTE, text)
    return Finding(
        "region",
        Severity.NOTE,
        "The cohort says what of each image is looked at, here as in training. On new images a "
        "detector says it, or whoever cuts them: its mistakes are not in these numbers.",
    )


def _why(settings: RegionSection) -> str:
    if settings.source == "detector":
        return "the detector finds nothing"
    return f"{', '.join(settings.columns)} tell no box within the image"


def _finder(settings: RegionSection) -> RegionFinder | None:
    wanted = card_region(settings)
    assert wanted is not None
    return RegionFinder(Path(settings.detector), wanted) if settings.detector else None


def _found(cohort: Cohort, finder: RegionFinder, progress: Progress | None) -> list[Located]:
    keys = decode(cohort, finder.canvas_px, progress)
    store = open_pixel_store(canvas_px=finder.canvas_px)
    return [finder(store.canvas(key), store.placement(key).original_size_px) for key in keys]


def _told(cohort: Cohort, settings: RegionSection) -> list[Located]:
    """Return the squares around the boxes in the cohort's columns."""
    missing = [name for name in settings.columns if name not in cohort.table.columns]
    if missing:
        raise GreenstickError(
            f"The cohort has no column {missing[0]!r}, which is to say where to look.",
            remedy="Import it with --regions or --set, or name its columns in region.columns.",
        )
    boxes = cohort.table.select(settings.columns)
    numbers = boxes.cast(pl.Float64, strict=False)
    if numbers.null_count().sum_horizontal()[0] > boxes.null_count().sum_horizontal()[0]:
        raise GreenstickError(
            f"The columns {', '.join(settings.columns)} hold what is no number.",
            remedy="Give x, y, width and height in pixels of the original, or leave them empty.",
        )
    sizes = image_sizes_px(cohort.paths())
    wanted = card_region(settings)
    assert wanted is not None
    return [
        _around(box, size, wanted)
        for box, size in zip(numbers.iter_rows(), sizes, strict=True)
    ]  # fmt: skip


def _around(box: Sequence[float | None], size_px: tuple[int, int], wanted: CardRegion) -> Located:
    if None in box or not np.isfinite(np.array(box, np.float64)).all():
        return nothing_found(wanted, size_px)
    image = Region(0, 0, *size_px)
    x, y, width, height = (float(edge) for edge in image.cut(np.array([box], np.float64))[0])
    if not width or not height:
        return nothing_found(wanted, size_px)
    return Located(square_around((x, y, width, height), size_px, margin=wanted.margin))


def _lost(images: list[str], reasons: list[str]) -> pl.DataFrame:
    schema = {"image": pl.String, "reason": pl.String}
    return pl.DataFrame({"image": images, "reason": reasons}, schema=schema)
