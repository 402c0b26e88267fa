"""One self-contained HTML page an audit: what was found, with the pictures it was found in."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image, ImageDraw

from greenstick.cohorts.audit import Audit
from greenstick.cohorts.audit.copies import COPY_CODES
from greenstick.cohorts.audit.names import shown_names
from greenstick.cohorts.cohort import Cohort
from greenstick.errors import GreenstickError
from greenstick.findings import Finding, Severity
from greenstick.radiographs.opening import open_radiograph
from greenstick.reports.templating import render, write_page
from greenstick.reports.wording import count

_THUMBNAIL_PX = 240
_WEBP_QUALITY = 70
#: Shown on the page; the JSON file lists all.
_MOST_PAIRS, _MOST_ROWS = 150, 60
_BOX_COLOR, _BOX_WIDTH_PX = "#ff9e62", 2

_LABELS = {0: "no fracture", 1: "fracture", None: "no label"}
_RELATIONS = (
    ("across-labels", "different labels"),
    ("across-splits", "two sides of the split"),
    ("across-patients", "listed as different patients"),
    ("within-patient", "same patient"),
)


@dataclass(frozen=True)
class Shown:
    """One image on the page.

    Attributes
    ----------
    picture
        Data URI of a thumbnail; empty where the file does not decode.
    name, row
        The image's path (or 'row 17' where that tells the patient), and its row number.
    label, split
        In words; empty where there is none.
    """

    picture: str
    name: str
    row: int
    label: str
    split: str


@dataclass(frozen=True)
class ShownPair:
    """Two copies side by side, how they are copies, and how they stand to each other."""

    one: Shown
    other: Shown
    how: str
    relations: tuple[str, ...]
    severity: str


@dataclass(frozen=True)
class ShownHit:
    """One image that a check is about, and what is wrong with it."""

    image: Shown
    message: str


@dataclass(frozen=True)
class Group:
    """The images of one check, as many as are shown."""

    finding: Finding
    hits: tuple[ShownHit, ...]
    hidden: int


def write_audit_page(cohort: Cohort, audit: Audit, path: Path | str) -> Path:
    """Write an audit as a page that opens without a network and runs no script.

    Thumbnails are made for the offending images only. No patient identifier is written.

    Parameters
    ----------
    cohort
        The audited cohort.
    audit
        Its audit.
    path
        The HTML file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    album = _Album(cohort)
    pairs = _pairs(audit)
    html = render(
        "audit.html.j2",
        refused=audit.refused,
        lead=_lead(audit),
        findings=sorted(audit.findings, key=lambda one: -list(Severity).index(one.severity)),
        pairs=[_shown_pair(album, pair) for pair in pairs.head(_MOST_PAIRS).iter_rows(named=True)],
        pairs_total=pairs.height,
        groups=list(_groups(album, audit)),
        images=count(audit.images, "image"),
    )
    return write_page(html, path)


def _lead(audit: Audit) -> str:
    errors = [one for one in audit.findings if one.severity is Severity.ERROR]
    if not errors:
        return f"{count(audit.images, 'image')}: nothing found that would make a result untrue."
    rows = {row for one in errors for row in one.rows}
    return (
        f"{len(rows):,} of {count(audit.images, 'image')} would make a result untrue, "
        f"by {count(len(errors), 'check')}."
    )


class _Album:
    """Thumbnails of a cohort's images, each made once, when it is asked for."""

    def __init__(self, cohort: Cohort) -> None:
        self._paths = cohort.paths()
        self._names = shown_names(cohort)
        self._facts = cohort.table.select("label", "split", "boxes").rows()
        self._made: dict[tuple[int, bool], Shown] = {}

    def show(self, row: int, *, boxes: bool = False) -> Shown:
        if (row, boxes) not in self._made:
            label, split, drawn = self._facts[row]
            picture = _thumbnail(self._paths[row], (drawn or []) if boxes else [])
            name = self._names[row]
            self._made[row, boxes] = Shown(picture, name, row, _LABELS[label], split or "")
        return self._made[row, boxes]


def _thumbnail(path: Path, boxes: list[dict[str, float | None]]) -> str:
    try:
        radiograph = open_radiograph(path, at_least_px=_THUMBNAIL_PX)
    except GreenstickError:
        return ""
    levels = np.rint(np.clip(radiograph.pixels, 0.0, 1.0) * 255.0).astype(np.uint8)
    image = Image.fromarray(levels).convert("RGB")
    image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX), Image.Resampling.BOX)
    scale = image.width / radiograph.original_size_px[0]
    pen = ImageDraw.Draw(image)
    for box in boxes:
        left, top, width, height = (
            (box[side] or 0.0) * scale for side in ("x", "y", "width", "height")
        )
        corners = (left, top, left + max(width, 0.0), top + max(height, 0.0))
        pen.rectangle(corners, outline=_BOX_COLOR, width=_BOX_WIDTH_PX)
    with BytesIO() as buffer:
        image.save(buffer, format="WEBP", quality=_WEBP_QUALITY, method=4)
        encoded = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/webp;base64,{encoded}"


def _pairs(audit: Audit) -> pl.DataFrame:
    """Return one row a pair of copies, the gravest relation first, then by row."""
    order = [name for name, _ in _RELATIONS]
    hits = audit.rows.filter(pl.col("code").is_in(list(COPY_CODES))).with_columns(
        relation=pl.col("code").str.extract(r"((?:across|within)-\w+)$")
    )
    pairs = hits.group_by("partner_row", "row", maintain_order=True).agg(
        pl.col("relation"), pl.col("message").first(), pl.col("severity").first()
    )
    rank = (
        pl.col("relation").list.eval(pl.element().replace_strict(order, list(range(4)))).list.min()
    )
    return pairs.sort(rank, "partner_row", "row")


def _shown_pair(album: _Album, pair: dict[str, object]) -> ShownPair:
    relations = pair["relation"]
    assert isinstance(relations, list)
    return ShownPair(
        one=album.show(int(str(pair["partner_row"]))),
        other=album.show(int(str(pair["row"]))),
        how=str(pair["message"]).rpartition(": ")[2],
        relations=tuple(words for name, words in _RELATIONS if name in relations),
        severity=str(pair["severity"]),
    )


def _groups(album: _Album, audit: Audit) -> Iterator[Group]:
    for finding in audit.findings:
        if finding.code in COPY_CODES:
            continue
        hits = audit.rows.filter(code=finding.code)
        shown = tuple(
            ShownHit(album.show(row, boxes="box" in finding.code), message)
            for row, message in hits.head(_MOST_ROWS).select("row", "message").rows()
        )
        if shown:
            yield Group(finding, shown, hits.height - len(shown))
