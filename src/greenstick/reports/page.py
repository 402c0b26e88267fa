"""One self-contained HTML page a run."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from markupsafe import Markup

from greenstick.evidence.estimates import Estimate, Subgroup
from greenstick.evidence.evidence import Evidence, calls_of
from greenstick.findings import Finding, Severity
from greenstick.reports import figures
from greenstick.reports.backbones import backbones
from greenstick.reports.cases import CaseGroup, read_cases
from greenstick.reports.checklist_page import NAME as CHECKLIST
from greenstick.reports.checklist_page import write_checklist
from greenstick.reports.contents import RunContents, read_contents
from greenstick.reports.detection_page import BESIDE_RUN, heat_boxes
from greenstick.reports.exploring import Exploration, explore
from greenstick.reports.flow import Flow, count_flow, draw_flow
from greenstick.reports.judged import fit_keys, judge_fits, judged_rows
from greenstick.reports.making import Origin, calibration_origin, fitting_times, provenance
from greenstick.reports.restorers import shown_restorers
from greenstick.reports.searching import grown, searched
from greenstick.reports.summary import describe_rows, headlines, lead, point_name
from greenstick.reports.templating import render, write_page
from greenstick.reports.wording import by_name, count, find

_SECTIONS = (
    ("cohort", "Cohort"),
    ("discrimination", "Discrimination"),
    ("operating-point", "Operating point"),
    ("calibration", "Calibration"),
    ("benefit", "Net benefit"),
    ("backbones", "Networks"),
    ("learning-curve", "Learning curve"),
    ("trials", "Search"),
    ("cases", "Cases"),
    ("localisation", "Localization"),
    ("subgroups", "Subgroups"),
    ("evidence", "All estimates"),
    ("restorers", "Restorer"),
    ("training", "Training"),
    ("provenance", "Provenance"),
    ("settings", "Settings and environment"),
)


def write_report(run: Path) -> Path:
    """Write ``report.html``, and ``checklist.html`` beside it, and return the report's path.

    The page opens without a network; its one script moves a threshold over embedded counts. It
    shows no patient identifier: an image whose path holds one is called by its row.

    Raises
    ------
    GreenstickError
        Where the folder is missing, its run is not finished, or a file in it is damaged.
    """
    contents = read_contents(run)
    page = render("report.html.j2", **_context(contents))
    write_checklist(contents, run / CHECKLIST)
    return write_page(page, run / "report.html")


def _context(contents: RunContents) -> dict[str, Any]:
    evidence = contents.evidence
    rows = judged_rows(contents.scores, evidence)
    flow = _flow(contents)
    grave = _grave(evidence, flow)
    groups = _groups(evidence)
    columns = list(dict.fromkeys(one.column for one in evidence.subgroups))
    compared, growth, search = backbones(contents), grown(contents), searched(contents)
    restorers = shown_restorers(contents.path)
    shown = {
        "benefit": evidence.net_benefit is not None,
        "backbones": compared is not None,
        "learning-curve": bool(growth),
        "trials": search is not None,
        "restorers": bool(restorers),
    }
    return {
        "name": contents.name,
        "sections": [one for one in _SECTIONS if shown.get(one[0], True)],
        "backbones": compared,
        "growth": growth,
        "search": search,
        "restorers": restorers,
        "lead": lead(evidence, flow, len(contents.evidences)),
        "headline": headlines(evidence),
        "grave": grave,
        "evidence": evidence,
        "where": describe_rows(evidence),
        "flow": flow,
        "flow_svg": None if flow is None else draw_flow(flow),
        "audit": None if contents.audit is None else _gravest_first(contents.audit),
        **_figures(rows, evidence),
        "exploration": _exploration(rows, evidence),
        "fits": judge_fits(contents.scores, evidence),
        "fit_keys": fit_keys(contents.scores),
        "cases": _cases(contents, columns),
        "boxes": _boxes(contents),
        "heat_boxes": heat_boxes(contents.heat_boxes),
        "subgroups": _by_column(evidence.subgroups),
        "subgroup_forest": _subgroup_forest(evidence),
        "too_small": [_subgroup_name(one) for one in evidence.subgroups if one.too_small],
        "groups": groups,
        "methods": _methods(groups),
        "checks": _gravest_first(evidence.findings),
        "training": _training(contents.history),
        "times": fitting_times(contents.history),
        "provenance": provenance(contents),
        "calibrated": _calibrated(evidence),
        "settings": contents.settings,
        "boxes_page": BESIDE_RUN if (contents.path / "detection.json").is_file() else None,
        "environment": contents.environment,
    }


def _flow(contents: RunContents) -> Flow | None:
    if contents.cohort is None or contents.splits is None:
        return None
    return count_flow(contents.cohort, contents.dropped, contents.splits)


def _grave(evidence: Evidence, flow: Flow | None) -> list[Finding]:
    """Return what makes the numbers untrue; it stands above them, in red."""
    found = [one for one in evidence.findings if one.severity is Severity.ERROR]
    if flow is not None and flow.shared_patients:
        found.append(
            Finding(
                "patient-on-two-sides",
                Severity.ERROR,
                f"{count(flow.shared_patients, 'patient')} with images on two sides of a split.",
                remedy="Split by patient and run the experiment again.",
            )
        )
    return found


def _gravest_first(findings: list[Finding]) -> list[Finding]:
    return sorted(findings, key=lambda one: -list(Severity).index(one.severity))


def _exploration(rows: pl.DataFrame, evidence: Evidence) -> Exploration | None:
    scores = rows["score"].cast(pl.Float64).to_numpy()
    return explore(scores, rows["label"].to_numpy() == 1, evidence)


def _figures(rows: pl.DataFrame, evidence: Evidence) -> dict[str, Markup | None]:
    scores, labels = rows["score"].cast(pl.Float64).to_numpy(), rows["label"].to_numpy() == 1
    calls = calls_of(rows, evidence.operating_points)
    thresholds = [point.threshold for point in evidence.operating_points]
    drawn: dict[str, Markup | None] = {
        "histogram": figures.score_histogram(scores, labels, calls, thresholds),
        "reliability": None,
        "roc": None,
        "precision_recall": None,
        "benefit": None,
    }
    if evidence.net_benefit is not None:
        drawn["benefit"] = figures.net_benefit(evidence.net_benefit, float(labels.mean()))
    if evidence.reliability:
        drawn["reliability"] = figures.reliability(evidence.reliability, scores, labels)
    if evidence.roc.x:
        drawn["roc"] = figures.roc(
            evidence.roc, find(evidence.discrimination, "AUROC"), _on_roc(evidence)
        )
        drawn["precision_recall"] = figures.precision_recall(
            evidence.precision_recall,
            find(evidence.discrimination, "average precision"),
            _on_precision_recall(evidence),
            prevalence=float(labels.mean()),
        )
    return drawn


def _on_roc(evidence: Evidence) -> figures.MarkedPoint | None:
    sensitivity = find(evidence.at_operating_point, "sensitivity")
    specificity = find(evidence.at_operating_point, "specificity")
    if sensitivity is None or specificity is None:
        return None
    return figures.MarkedPoint(
        name=point_name(evidence),
        x=1 - _value(specificity),
        y=_value(sensitivity),
        x_interval=_turned(_limits(specificity)),
        y_interval=_limits(sensitivity),
    )


def _on_precision_recall(evidence: Evidence) -> figures.MarkedPoint | None:
    sensitivity = find(evidence.at_operating_point, "sensitivity")
    ppv = find(evidence.at_operating_point, "PPV")
    if sensitivity is None or ppv is None:
        return None
    return figures.MarkedPoint(
        name=point_name(evidence),
        x=_value(sensitivity),
        y=_value(ppv),
        x_interval=_limits(sensitivity),
        y_interval=_limits(ppv),
    )


def _value(estimate: Estimate) -> float:
    assert estimate.value is not None, "find() gives only estimates with a value"
    return estimate.value


def _limits(estimate: Estimate) -> tuple[float, float] | None:
    if estimate.lower is None or estimate.upper is None:
        return None
    return estimate.lower, estimate.upper


def _turned(limits: tuple[float, float] | None) -> tuple[float, float] | None:
    return None if limits is None else (1 - limits[1], 1 - limits[0])


def _cases(contents: RunContents, columns: list[str]) -> list[CaseGroup]:
    if contents.overlays is None:
        return []
    return read_cases(
        contents.overlays,
        contents.scores,
        contents.path,
        details=columns,
        explanations=contents.explanations,
    )


def _calibrated(evidence: Evidence) -> Origin | None:
    return None if evidence.calibrator is None else calibration_origin(evidence.calibrator)


def _boxes(contents: RunContents) -> int | None:
    """How many images of the cohort have boxes; None where there is no cohort."""
    if contents.cohort is None:
        return None
    return int((contents.cohort.table["boxes"].list.len() > 0).sum())


def _by_column(subgroups: list[Subgroup]) -> dict[str, list[Subgroup]]:
    columns: dict[str, list[Subgroup]] = {}
    for one in subgroups:
        columns.setdefault(one.column, []).append(one)
    return columns


def _subgroup_forest(evidence: Evidence) -> Markup | None:
    whole = find(evidence.discrimination, "AUROC")
    if not evidence.subgroups or whole is None:
        return None
    rows = [
        figures.ForestRow(f"all ({evidence.n_images:,})", whole.value, whole.lower, whole.upper)
    ]
    for one in evidence.subgroups:
        area = by_name(one)["AUROC"]
        label = f"{_subgroup_name(one)} ({one.n_images:,})"
        rows.append(
            figures.ForestRow(label, area.value, area.lower, area.upper, faint=one.too_small)
        )
    return figures.forest(rows, name="subgroup-forest", axis="AUROC", line=whole.value)


def _subgroup_name(one: Subgroup) -> str:
    return f"{one.column.replace('_', ' ')} {one.value}"


@dataclass(frozen=True)
class Group:
    """Estimates that belong together in the table of all of them."""

    name: str
    estimates: list[Estimate]


def _groups(evidence: Evidence) -> list[Group]:
    groups = [
        Group("Discrimination", evidence.discrimination),
        Group("Calibration", evidence.calibration),
        Group("At the operating point", evidence.at_operating_point),
        Group("Localization", evidence.localisation),
    ]
    return [group for group in groups if group.estimates]


def _methods(groups: list[Group]) -> dict[str, int]:
    """Number the methods in the order of the table."""
    methods = dict.fromkeys(one.method for group in groups for one in group.estimates)
    return {method: number for number, method in enumerate(methods, start=1)}


def _training(history: pl.DataFrame | None) -> list[Markup]:
    if history is None or history.is_empty():
        return []
    return [figures.training(history, quantity=name) for name in ("loss", "auroc")]
