"""The page of a detector's boxes: ``greenstick evaluate boxes``."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from greenstick.errors import GreenstickError
from greenstick.evidence.detection import DetectionEvidence, read_detection
from greenstick.evidence.detection.breakdown import BoxSubgroup, ClassEvidence, SizeEvidence
from greenstick.evidence.detection.cases import RULE
from greenstick.evidence.estimates import Estimate
from greenstick.experiments.box_pictures import FOLDER, LIST
from greenstick.experiments.judging_boxes import EVIDENCE, VALIDATION
from greenstick.reports import figures
from greenstick.reports.cases import thumbnail
from greenstick.reports.comparing import grave
from greenstick.reports.summary import Headline
from greenstick.reports.templating import render, write_page
from greenstick.reports.wording import count, find, interval, level, number

#: The page's own name beside a run's report, and alone.
BESIDE_RUN, ALONE = "detection.html", "report.html"

_KINDS = {
    "worst": "Worst",
    "median": "Middle",
    "best": "Best",
    "false alarm": "False alarms: no fracture, surest boxes",
}


@dataclass(frozen=True)
class Row:
    """A figure on the judged images, and on validation images where these were judged too."""

    name: str
    estimate: Estimate
    valid: Estimate | None


@dataclass(frozen=True)
class Kind:
    """Boxes of one class or size."""

    name: str
    n_boxes: int
    rows: list[Row]


@dataclass(frozen=True)
class BoxPicture:
    """One image with its boxes; ``picture`` is empty where it could not be opened."""

    picture: str
    name: str
    words: str
    alt: str


def write_detection_page(folder: Path) -> Path:
    """Write the page of a ``detection.json`` beside it and return its path.

    It is ``report.html``, or ``detection.html`` in the folder of a run, whose report is there.

    Raises
    ------
    GreenstickError
        Where a file is damaged or missing.
    """
    evidence = read_detection(folder / EVIDENCE)
    valid = read_detection(folder / VALIDATION) if (folder / VALIDATION).is_file() else None
    beside = (folder / "evidence.json").is_file()
    page = render("detection.html.j2", **_context(evidence, valid, folder), beside_run=beside)
    return write_page(page, folder / (BESIDE_RUN if beside else ALONE))


@dataclass(frozen=True, eq=False)
class HeatBoxes:
    """What the boxes of a classifier's heat maps are worth, for the report of its run."""

    evidence: DetectionEvidence
    estimates: list[Estimate]
    froc: Markup


def heat_boxes(evidence: DetectionEvidence | None) -> HeatBoxes | None:
    """Return the figures that matter of a heat map's boxes; None where none were measured."""
    if evidence is None or not evidence.froc_curve.x:
        return None
    wanted = ("mAP@0.3", "mAP@0.5", "precision", "recall", "false positives an image")
    rates = ("sensitivity at 1/4 FP an image", "sensitivity at 1 FP an image")
    mean = find(evidence.froc, "mean FROC sensitivity")
    return HeatBoxes(
        evidence=evidence,
        estimates=[evidence.estimate(name) for name in (*wanted, *rates)],
        froc=figures.froc(evidence.froc_curve, mean, _on_froc(evidence, "operating point")),
    )


def _context(
    evidence: DetectionEvidence, valid: DetectionEvidence | None, folder: Path
) -> dict[str, Any]:
    groups = {
        "Boxes": _rows(evidence.average_precision, valid.average_precision if valid else ()),
        "Ranking": _rows(evidence.rankings, valid.rankings if valid else ()),
        "FROC": _rows(evidence.froc, valid.froc if valid else ()),
        "At the confidence": _rows(evidence.at_confidence, valid.at_confidence if valid else ()),
    }
    every = [row for rows in groups.values() for row in rows]
    methods = dict.fromkeys(row.estimate.method for row in every)
    subgroups: dict[str, list[BoxSubgroup]] = {}
    for one in evidence.subgroups:
        subgroups.setdefault(one.column, []).append(one)
    return {
        "name": evidence.model or folder.resolve().name,
        "lead": _lead(evidence),
        "headline": _headlines(evidence),
        "evidence": evidence,
        "valid": valid,
        "grave": grave(evidence.findings),
        "findings": evidence.findings,
        "groups": {name: rows for name, rows in groups.items() if rows},
        "methods": {method: number for number, method in enumerate(methods, start=1)},
        "kinds": _kinds(evidence, valid),
        "subgroups": subgroups,
        "pictures": _pictures(folder),
        "shown_from": _shown_from(folder),
        "rule": RULE,
        **_figures(evidence),
    }


def _rows(estimates: Sequence[Estimate], others: Sequence[Estimate]) -> list[Row]:
    by_name = {one.name: one for one in others}
    return [Row(one.name, one, by_name.get(one.name)) for one in estimates]


def _lead(evidence: DetectionEvidence) -> str:
    boxes = count(evidence.n_boxes, "true box").replace("boxs", "boxes")
    said = (
        f"Boxes on the {evidence.rows} rows: {count(evidence.n_images, 'radiograph')} of "
        f"{count(evidence.n_patients, 'patient')}, {evidence.n_fractured:,} of them with "
        f"{boxes}. A box is found by an overlap (IoU) of {evidence.iou:g}."
    )
    point = evidence.confidence
    if point is None:
        return f"{said} No confidence was given, so no box was called shown or not."
    rows = "validation" if point.chosen_on == "valid" else point.chosen_on
    where = "stated beforehand" if point.rule == "given" else f"chosen on the {rows} rows"
    return f"{said} Boxes are shown from a score of {number(point.threshold)}, {where}."


def _headlines(evidence: DetectionEvidence) -> list[Headline]:
    wanted = (
        ("mAP@0.5", evidence.average_precision, "Mean average precision at an overlap of 0.5."),
        (
            "sensitivity at 1 FP an image",
            evidence.froc,
            "True boxes found where one box an image may be false.",
        ),
        (
            "image AUROC",
            evidence.rankings,
            "How well the surest box tells radiographs with a fracture from those without.",
        ),
    )
    return [_headline(name, find(among, name), meaning) for name, among, meaning in wanted]


def _headline(name: str, estimate: Estimate | None, meaning: str) -> Headline:
    shown = f"{name[:1].upper()}{name[1:]}".replace("FP", "false positive") if " " in name else name
    if estimate is None:
        needs = "images with and without a fracture" if name == "image AUROC" else "true boxes"
        return Headline(shown, "–", "not measured", f"It needs {needs}.")
    return Headline(
        shown, number(estimate.value), f"{level(estimate)} interval {interval(estimate)}", meaning
    )


def _figures(evidence: DetectionEvidence) -> dict[str, Markup | None]:
    drawn: dict[str, Markup | None] = dict.fromkeys(("froc", "afroc", "precisions", "confusion"))
    if evidence.froc_curve.x:
        mean = find(evidence.froc, "mean FROC sensitivity")
        drawn["froc"] = figures.froc(evidence.froc_curve, mean, _on_froc(evidence))
    if evidence.afroc_curve.x:
        drawn["afroc"] = figures.afroc(evidence.afroc_curve, find(evidence.rankings, "AFROC"))
    curves = {f"IoU {one.iou:g}": one for one in evidence.precision_recall if one.curve.x}
    if curves:
        means = {
            name: find(evidence.average_precision, f"mAP@{one.iou:g}")
            for name, one in curves.items()
        }
        drawn["precisions"] = figures.box_precisions(
            {name: one.curve for name, one in curves.items()}, means, _on_precision(evidence)
        )
    if evidence.confusion is not None:
        *classes, _ = evidence.confusion.classes
        drawn["confusion"] = figures.heat(classes, evidence.confusion.counts, of_boxes=True)
    groups = [
        figures.BarGroup(
            f"{kind.name} ({kind.n_boxes:,})", {one.name: one for one in _estimates(kind)}
        )
        for kind in _kinds_of(evidence)
    ]
    drawn["bars"] = figures.bars(groups, name="kinds") if groups else None
    return drawn


def _on_froc(evidence: DetectionEvidence, name: str = "") -> figures.MarkedPoint | None:
    return _marked(evidence, "false positives an image", "recall", name)


def _on_precision(evidence: DetectionEvidence) -> figures.MarkedPoint | None:
    return _marked(evidence, "recall", "precision")


def _marked(
    evidence: DetectionEvidence, x: str, y: str, name: str = ""
) -> figures.MarkedPoint | None:
    """Return two of the figures at the confidence as a point of a curve."""
    across, up = (find(evidence.at_confidence, one) for one in (x, y))
    if evidence.confidence is None or across is None or up is None:
        return None
    return figures.MarkedPoint(
        name=name or f"score {number(evidence.confidence.threshold)}",
        x=across.value or 0.0,
        y=up.value or 0.0,
        x_interval=_limits(across),
        y_interval=_limits(up),
    )


def _limits(estimate: Estimate) -> tuple[float, float] | None:
    if estimate.lower is None or estimate.upper is None:
        return None
    return estimate.lower, estimate.upper


def _kinds(evidence: DetectionEvidence, valid: DetectionEvidence | None) -> list[Kind]:
    """Return the classes and then the sizes, each with its figures on both sets."""
    others = {one.name: one for one in _kinds_of(valid)} if valid else {}
    return [
        Kind(one.name, one.n_boxes, _rows(_estimates(one), _estimates(others.get(one.name))))
        for one in _kinds_of(evidence)
    ]


def _kinds_of(evidence: DetectionEvidence) -> list[ClassEvidence | SizeEvidence]:
    return [*evidence.by_class, *(one for one in evidence.by_size if one.n_boxes)]


def _estimates(kind: ClassEvidence | SizeEvidence | None) -> list[Estimate]:
    """Return the figures by one name: of a class it is AP, of a size the mean AP over classes."""
    if kind is None:
        return []
    return [e.model_copy(update={"name": e.name.removeprefix("m")}) for e in kind.estimates]


def _pictures(folder: Path) -> dict[str, list[BoxPicture]]:
    """Return the pictures beside the evidence under the headings of their kinds."""
    path = folder / LIST
    if not path.is_file():
        return {}
    table = _picture_list(path)
    shown: dict[str, list[BoxPicture]] = {}
    for kind, heading in _KINDS.items():
        rows = table.filter(kind=kind)
        if rows.height:
            shown[heading] = [_picture(row, folder) for row in rows.iter_rows(named=True)]
    return shown


def _picture_list(path: Path) -> pl.DataFrame:
    try:
        return pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        raise GreenstickError(f"{path} is damaged.", remedy="Judge the boxes again.") from None


def _picture(row: dict[str, Any], folder: Path) -> BoxPicture:
    told = f"{row['found']} found, {row['missed']} missed, {row['false']} false"
    if row["kind"] == "false alarm":
        words = f"surest box {number(row['score'])}; {row['false']} shown"
    else:
        words = f"{told}; overlap {number(row['overlap'])}"
    return BoxPicture(
        picture="" if row["file"] is None else thumbnail(folder, row["file"], FOLDER),
        name=row["image"],
        words=words,
        alt=f"Radiograph with true and shown boxes: {told}.",
    )


def _shown_from(folder: Path) -> float | None:
    path = folder / LIST
    table = _picture_list(path) if path.is_file() else pl.DataFrame()
    return None if table.is_empty() else table["threshold"][0]
