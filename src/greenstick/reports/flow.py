"""The cohort flow diagram: who came in, who was left out and why, and who went where.

After the flow diagram of STARD 2015 (Bossuyt et al. 2015).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from textwrap import wrap

import polars as pl
from markupsafe import Markup

from greenstick.cohorts.cohort import SPLITS, Cohort
from greenstick.reports.templating import render

_MOST_REASONS = 6
_LINE = 15.0  # height of a line of text, in units of the view box
_PAD = 9.0
_GAP = 26.0
_LETTERS = 28  # to a line of the box at the side, in the widest type that a page may meet


#: What the diagram says after the number of rows dropped for each reason; a reason begins with
#: the check's code, and what follows a colon is about the single row.
_PHRASES = {
    "blank-image": "blank images",
    "box-outside-image": "with a box outside the image",
    "box-without-area": "with a box of no area",
    "boxes-without-fracture": "boxed, yet labeled no fracture",
    "color-photograph": "color photographs",
    "copies-disagree": "copies whose labels disagree",
    "copy": "copies of another image",
    "missing-file": "missing files",
    "no label": "without a label",
    "no-region": "without a region to look at",
    "patient-across-splits": "of patients on two sides",
    "undecodable": "that do not decode fully",
}


@dataclass(frozen=True)
class Part:
    """Images and patients of one box of the diagram; None where it is not known."""

    name: str
    images: int
    patients: int | None = None
    fractures: int | None = None
    without: int | None = None


@dataclass(frozen=True)
class Flow:
    """Counts of the flow diagram.

    Attributes
    ----------
    imported, used
        Before and after rows were dropped.
    reasons
        (reason, images) of the dropped rows, the most frequent first.
    unassigned
        Used images that no split takes.
    splits
        Train, valid and test of one fold.
    folds
        How many (repeat, fold) pairs there are; ``splits`` shows the first of them.
    repeats
        How often the whole cohort was split into folds.
    shared_patients
        Patients on two sides of the same split; anything but 0 makes the results untrue.
    unnamed
        Used images that name no patient; where it is all of them, no box counts patients.
    """

    imported: Part
    used: Part
    reasons: tuple[tuple[str, int], ...]
    unassigned: int
    splits: tuple[Part, ...]
    folds: int
    repeats: int
    shared_patients: int
    unnamed: int

    @property
    def apart(self) -> bool:
        """Whether it is known that no patient is on two sides of a split."""
        return not self.shared_patients and not self.unnamed


def count_flow(cohort: Cohort, dropped: pl.DataFrame, splits: pl.DataFrame) -> Flow:
    """Count the flow of a run.

    Parameters
    ----------
    cohort
        The rows that were used.
    dropped
        Columns ``image`` and ``reason``, and ``patient`` where it is known.
    splits
        Columns ``image``, ``repeat``, ``fold`` and ``split``.
    """
    rows = cohort.table.select("image", "label").with_columns(cohort.patients())
    unnamed = cohort.table["patient"].null_count()
    named = unnamed < len(cohort)
    pairs = splits.select("repeat", "fold").unique().sort("repeat", "fold")
    first = splits.join(pairs.head(1), on=["repeat", "fold"], how="semi").join(rows, on="image")
    before = _patients_before(rows, dropped) if named else None
    return Flow(
        imported=Part("Imported", rows.height + dropped.height, before),
        used=_part("Used", rows, named=named),
        reasons=_reasons(dropped),
        unassigned=rows.height - splits["image"].n_unique(),
        splits=tuple(_part(name, first.filter(split=name), named=named) for name in SPLITS),
        folds=pairs.height,
        repeats=pairs["repeat"].n_unique(),
        shared_patients=_shared_patients(splits.join(rows, on="image")),
        unnamed=unnamed,
    )


def _reasons(dropped: pl.DataFrame) -> tuple[tuple[str, int], ...]:
    code = pl.col("reason").cast(pl.String).str.split(":").list.first()
    counted = dropped.group_by(code).len().sort("len", "reason", descending=[True, False])
    return tuple((_phrase(reason), int(n)) for reason, n in counted.iter_rows())


def _phrase(code: str | None) -> str:
    return "for no stated reason" if code is None else _PHRASES.get(code, code.replace("-", " "))


def _shared_patients(placed: pl.DataFrame) -> int:
    sides = placed.group_by("repeat", "fold", "patient").agg(pl.col("split").n_unique())
    return sides.filter(pl.col("split") > 1)["patient"].n_unique()


def _part(name: str, rows: pl.DataFrame, *, named: bool) -> Part:
    fractures = rows.filter(label=1).height
    without = rows.filter(label=0).height
    patients = rows["patient"].n_unique() if named else None
    return Part(name, rows.height, patients, fractures, without)


def _patients_before(rows: pl.DataFrame, dropped: pl.DataFrame) -> int | None:
    if dropped.is_empty():
        return rows["patient"].n_unique()
    if "patient" not in dropped.columns:
        return None
    return pl.concat([rows["patient"], dropped["patient"].drop_nulls()]).n_unique()


@dataclass(frozen=True)
class _Box:
    x: float
    y: float
    width: float
    title: str
    lines: tuple[str, ...]
    aside: bool = False

    @property
    def height(self) -> float:
        return 2 * _PAD + _LINE * (1 + len(self.lines)) - 3.0

    @property
    def middle(self) -> float:
        return self.x + self.width / 2

    @property
    def bottom(self) -> float:
        return self.y + self.height


def draw_flow(flow: Flow) -> Markup:
    """Draw the flow as inline SVG, narrow enough to be read on a phone."""
    imported = _Box(0, 0.5, 170, "Imported", _counts(flow.imported))
    aside = _aside(flow, imported.bottom)
    used = _Box(0, _below(imported, aside), 170, "Used", _counts(flow.used))
    boxes = [imported, used]
    lines = [(imported.middle, imported.bottom, imported.middle, used.y)]
    if aside:
        boxes.append(aside)
        middle = aside.y + aside.height / 2
        lines.append((imported.middle, middle, aside.x, middle))
    top = used.bottom + 2 * _GAP
    parts = [
        _Box(i * 131.0, top, 118, _split_name(part.name), _counts(part))
        for i, part in enumerate(flow.splits)
    ]
    fork = used.bottom + _GAP
    lines.append((used.middle, used.bottom, used.middle, fork))
    rail = (parts[0].middle, fork, parts[-1].middle, fork)
    arrows = [*lines[:-1], *((box.middle, fork, box.middle, box.y) for box in parts)]
    return Markup(
        render(
            "flow.svg.j2",
            boxes=boxes + parts,
            arrows=arrows,
            rails=[lines[-1], rail],
            height=max(box.bottom for box in parts) + 1,
            line=_LINE,
            pad=_PAD,
            alt=describe_flow(flow),
        )
    )


def _below(box: _Box, aside: _Box | None) -> float:
    return (aside.bottom if aside else box.bottom) + _GAP


def _aside(flow: Flow, y: float) -> _Box | None:
    lines: list[str] = []
    for reason, n in _shortened(flow.reasons):
        lines += wrap(f"{n:,} {reason}", _LETTERS, subsequent_indent="   ")
    if flow.unassigned:
        lines += wrap(f"{flow.unassigned:,} in no split", _LETTERS)
    if not lines:
        return None
    left_out = sum(n for _, n in flow.reasons) + flow.unassigned
    return _Box(184, y + _GAP / 2, 196, f"Left out: {_n(left_out, 'image')}", tuple(lines), True)


def _shortened(reasons: Sequence[tuple[str, int]]) -> list[tuple[str, int]]:
    shown = list(reasons[:_MOST_REASONS])
    rest = sum(n for _, n in reasons[_MOST_REASONS:])
    return [*shown, ("for other reasons", rest)] if rest else shown


def _split_name(name: str) -> str:
    return {"train": "Training", "valid": "Validation", "test": "Test"}[name]


def _counts(part: Part) -> tuple[str, ...]:
    lines = [_n(part.images, "image")]
    if part.patients is not None:
        lines.append(_n(part.patients, "patient"))
    if part.fractures is not None and part.without is not None:
        lines += [f"{part.fractures:,} with fracture", f"{part.without:,} without"]
    return tuple(lines)


def _n(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def describe_flow(flow: Flow) -> str:
    """Say the flow in words, for who cannot see the diagram."""
    left_out = "; ".join(f"{n:,} left out: {reason}" for reason, n in flow.reasons)
    parts = "; ".join(f"{_split_name(p.name)}: {', '.join(_counts(p))}" for p in flow.splits)
    sentences = [
        f"Imported: {', '.join(_counts(flow.imported))}",
        left_out or "none left out",
        f"Used: {', '.join(_counts(flow.used))}",
        parts,
    ]
    return ". ".join(sentences) + "."
