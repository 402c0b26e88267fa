"""The first screen of a report: what was found, how sure it is, and on whom."""

from collections.abc import Callable
from dataclasses import dataclass

from greenstick.evidence.estimates import Confusion, Estimate
from greenstick.evidence.evidence import Evidence
from greenstick.reports.flow import Flow
from greenstick.reports.wording import count, find, interval, level, number, percent

#: What each set of rows is called in a sentence.
_ROWS = {
    "test": "held-out test",
    "valid": "validation",
    "train": "training",
}


@dataclass(frozen=True)
class Headline:
    """One of the three numbers that matter, as text."""

    name: str
    value: str
    interval: str
    meaning: str


def headlines(evidence: Evidence) -> list[Headline]:
    """Return AUROC, sensitivity and specificity, each with its interval and its meaning."""
    told = evidence.confusion
    return [
        _headline("AUROC", find(evidence.discrimination, "AUROC"), _ranking),
        _headline("Sensitivity", _at_point(evidence, "sensitivity"), lambda _: _found(told)),
        _headline("Specificity", _at_point(evidence, "specificity"), lambda _: _cleared(told)),
    ]


def _at_point(evidence: Evidence, name: str) -> Estimate | None:
    return find(evidence.at_operating_point, name)


def _headline(name: str, estimate: Estimate | None, meaning: Callable[[Estimate], str]) -> Headline:
    if estimate is None:
        why = "needs images with and without a fracture"
        if name != "AUROC":
            why += ", and an operating point"
        return Headline(name, "–", "not measured", f"It {why}.")
    share = name != "AUROC"
    value = percent(estimate.value) if share else number(estimate.value)
    limits = percent_limits(estimate) if share else interval(estimate)
    return Headline(name, value, f"{level(estimate)} interval {limits}", meaning(estimate))


def percent_limits(estimate: Estimate) -> str:
    """Return the interval of a share in percent."""
    return f"{percent(estimate.lower)} to {percent(estimate.upper)}"


def _ranking(estimate: Estimate) -> str:
    pairs = round(100 * (estimate.value or 0.0))
    return (
        f"Of 100 pairs of a radiograph with a fracture and one without, the model scores the "
        f"fracture higher in {pairs}."
    )


def _found(told: Confusion | None) -> str:
    if told is None:
        return ""
    return f"{told.tp:,} of {count(told.tp + told.fn, 'radiograph')} with a fracture found."


def _cleared(told: Confusion | None) -> str:
    if told is None:
        return ""
    return f"{told.tn:,} of {count(told.tn + told.fp, 'radiograph')} without one cleared."


def lead(evidence: Evidence, flow: Flow | None, networks: int = 1) -> str:
    """Say which rows the numbers are about, and that nothing was fitted on them where that holds.

    Parameters
    ----------
    evidence
        What was measured.
    flow
        Who went where; None where only scores are known.
    networks
        How many the run compares; the numbers are those of one.
    """
    share = percent(evidence.n_positive / evidence.n_images)
    unnamed = flow is not None and flow.unnamed == flow.used.images
    patients = "" if unnamed else f" of {count(evidence.n_patients, 'patient')}"
    sentences = [
        f"Measured on {describe_rows(evidence)}: {count(evidence.n_images, 'radiograph')}"
        f"{patients}, {evidence.n_positive:,} of them ({share}) with a fracture."
    ]
    if networks > 1 and evidence.model:
        sentences.append(f"The numbers are those of {evidence.model}, one of {networks} networks.")
    if flow is not None and flow.apart and not evidence.untrue:
        sentences.append(
            "No patient among them was trained or tuned on."
            if flow.folds == 1
            else "Each was scored by a model that was neither trained nor tuned on that patient."
        )
    if unnamed:
        sentences.append(
            "No patients are named: each image counts as one, and intervals may be too narrow."
        )
    places = sorted({_ROWS.get(p.chosen_on, p.chosen_on) for p in evidence.operating_points})
    if places:
        sentences.append(f"The threshold was chosen on the {' and '.join(places)} rows.")
    return " ".join(sentences)


def describe_rows(evidence: Evidence) -> str:
    """Return what the judged rows are called in a sentence."""
    return f"the {_ROWS.get(evidence.rows, evidence.rows)} rows"


def point_name(evidence: Evidence) -> str:
    """Return what is written beside the operating point in a figure."""
    if evidence.operating_point is not None:
        return f"threshold {number(evidence.operating_point.threshold)}"
    return "operating point"
