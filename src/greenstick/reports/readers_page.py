"""The page of ``greenstick readers``."""

from pathlib import Path
from typing import Any

from markupsafe import Markup

from greenstick.evidence.estimates import Estimate
from greenstick.evidence.readers.records import ReaderResult, ReaderStudy
from greenstick.evidence.readers.study import read_reader_study
from greenstick.reports import figures
from greenstick.reports.comparing import grave
from greenstick.reports.templating import render, write_page
from greenstick.reports.wording import count, find


def write_readers_page(folder: Path) -> Path:
    """Write ``report.html`` beside a ``readers.json`` and return its path.

    Raises
    ------
    GreenstickError
        Where the file is missing or damaged.
    """
    study = read_reader_study(folder / "readers.json")
    page = render("readers.html.j2", **_context(study, folder.resolve().name))
    return write_page(page, folder / "report.html")


def _context(study: ReaderStudy, name: str) -> dict[str, Any]:
    findings = [*study.findings, *(study.model.findings if study.model else [])]
    return {
        "name": name,
        "lead": _lead(study),
        "study": study,
        "grave": grave(findings),
        "findings": findings,
        "plane": _plane(study),
        "forests": _forests(study),
    }


def _lead(study: ReaderStudy) -> str:
    how = f" ({', '.join(study.modalities)})" if len(study.modalities) > 1 else ""
    beside = f" Beside them a model: {study.model.name}." if study.model else ""
    return (
        f"{count(len(study.readers), 'reader')}{how} on {count(study.n_images, 'image')} of "
        f"{count(study.n_patients, 'patient')}, {study.n_positive:,} with a fracture.{beside}"
    )


def _plane(study: ReaderStudy) -> Markup:
    """Draw readers' points, and the model's curve beneath where there is one."""
    points = [
        figures.ReaderPoint(one.reader, one.modality, 1 - (two.value or 0.0), one_y.value or 0.0)
        for one in study.results
        if (one_y := find(one.estimates, "sensitivity"))
        and (two := find(one.estimates, "specificity"))
    ]
    curves = {
        f"{one.reader}, {one.modality}": [(1 - p.specificity, p.sensitivity) for p in one.roc]
        for one in study.results
        if len(one.roc) > 1 and not study.binary
    }
    model = study.model
    own = None
    if model is not None:
        sensitivity, specificity = (
            find(model.estimates, what) for what in ("sensitivity", "specificity")
        )
        if sensitivity and specificity:
            own = (1 - (specificity.value or 0.0), sensitivity.value or 0.0)
    return figures.reader_plane(
        points,
        curves,
        modalities=study.modalities,
        model=None if model is None else figures.ModelCurve(model.name, model.roc, own),
    )


def _forests(study: ReaderStudy) -> list[tuple[str, Markup]]:
    """Draw each figure of each reader and of the model, under each other."""
    drawn = []
    for figure in ("AUROC", "sensitivity", "specificity"):
        rows = [_row(one, found) for one in study.results if (found := find(one.estimates, figure))]
        rows += [
            _mean(mean, each.readers)
            for each in study.all_readers
            if each.figure == figure
            for mean in each.means
        ]
        if study.model and (own := find(study.model.estimates, figure)):
            rows.append(figures.ForestRow(study.model.name, own.value, own.lower, own.upper))
        if rows:
            plot = figures.forest(rows, name=f"readers-{figure}", axis=figure, line=None)
            drawn.append((figure, plot))
    return drawn


def _row(result: ReaderResult, found: Estimate) -> figures.ForestRow:
    name = f"{result.reader}, {result.modality}"
    return figures.ForestRow(name, found.value, found.lower, found.upper)


def _mean(mean: Estimate, readers: str) -> figures.ForestRow:
    modality = mean.name.split(", ", 1)[-1]
    name = f"mean, {modality} ({readers} readers)"
    return figures.ForestRow(name, mean.value, mean.lower, mean.upper)
