"""The page of ``greenstick compare``."""

from pathlib import Path

from greenstick.evidence.comparisons import Comparisons, read_comparisons
from greenstick.reports.comparing import (
    compared_figures,
    comparison_findings,
    each_model,
    grave,
)
from greenstick.reports.templating import render, write_page
from greenstick.reports.wording import count


def write_comparison_page(folder: Path) -> Path:
    """Write ``report.html`` beside a ``comparison.json`` and return its path.

    Raises
    ------
    GreenstickError
        Where the file is missing or damaged.
    """
    found = read_comparisons(folder / "comparison.json")
    findings = comparison_findings(found)
    page = render(
        "comparison.html.j2",
        name=" against ".join(found.models) if len(found.models) == 2 else folder.resolve().name,
        lead=_lead(found),
        grave=grave(findings),
        findings=findings,
        each=each_model(found),
        compared=compared_figures(found),
        margin=found.pairs[0].margin if found.pairs else None,
    )
    return write_page(page, folder / "report.html")


def _lead(found: Comparisons) -> str:
    images = sorted({pair.n_images for pair in found.pairs})
    patients = sorted({pair.n_patients for pair in found.pairs})
    many = count(images[-1], "image") if images else "no image"
    if len(images) > 1:
        many = f"{images[0]:,} to {many}"
    whose = f" of {count(patients[-1], 'patient')}" if patients else ""
    return (
        f"{len(found.models)} models on the same {many}{whose} ({found.rows} rows): "
        f"{', '.join(found.models)}. Differences are the second model minus the first."
    )
