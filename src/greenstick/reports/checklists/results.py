"""Answers on what was measured, and how."""

from greenstick.evidence.estimates import Estimate
from greenstick.findings import Severity
from greenstick.reports.checklists.answer import Answer
from greenstick.reports.contents import RunContents
from greenstick.reports.summary import describe_rows
from greenstick.reports.wording import by_name, count, find, interval, level, number

_FILE = ("evidence.json",)


def _said(estimate: Estimate) -> str:
    return f"{estimate.name} {number(estimate.value)} ({level(estimate)} {interval(estimate)})"


def _every(contents: RunContents) -> list[Estimate]:
    one = contents.evidence
    return [*one.discrimination, *one.calibration, *one.at_operating_point, *one.localisation]


def measures(contents: RunContents) -> Answer | None:
    """Name what was measured."""
    names = ", ".join(dict.fromkeys(one.name for one in _every(contents)))
    return Answer(f"{names}.", _FILE) if names else None


def uncertainty(contents: RunContents) -> Answer | None:
    """Name the methods of intervals and tests."""
    methods = [one.method for one in _every(contents)]
    methods += [one.method for one in contents.evidence.tests]
    known = [one for one in dict.fromkeys(methods) if not one.startswith(("none", "not estimable"))]
    return Answer(f"{'; '.join(known)}.", _FILE) if known else None


def subgroups(contents: RunContents) -> Answer | None:
    """Give the AUROC within subgroups."""
    said = []
    for one in contents.evidence.subgroups:
        area = by_name(one)["AUROC"]
        small = ", too small to say anything" if one.too_small else ""
        said.append(f"{one.column} {one.value}: {number(area.value)} ({interval(area)}{small})")
    return Answer(f"AUROC by subgroup: {'; '.join(said)}.", _FILE) if said else None


def explanation(contents: RunContents) -> Answer | None:
    """Say how the model's looking was judged."""
    if contents.explanations is None or not contents.evidence.localisation:
        return None
    measured = "; ".join(_said(one) for one in contents.evidence.localisation)
    text = f"Class activation maps on one scale, measured against drawn boxes: {measured}."
    return Answer(text, ("explanations.parquet", *_FILE))


def internal(contents: RunContents) -> Answer | None:
    """Say which rows were judged."""
    if contents.splits is None:
        return None
    text = f"On {describe_rows(contents.evidence)} of the same cohort."
    return Answer(text, (*_FILE, "splits.parquet"))


def performance(contents: RunContents) -> Answer | None:
    """Give the main figures."""
    one = contents.evidence
    names = ("AUROC", "average precision", "Brier score", "calibration slope")
    found = [f for n in names if (f := find([*one.discrimination, *one.calibration], n))]
    if not found:
        return None
    text = f"On {describe_rows(one)}: {'; '.join(_said(each) for each in found)}."
    return Answer(text, _FILE)


def diagnostic(contents: RunContents) -> Answer | None:
    """Give the figures at the operating point."""
    names = ("sensitivity", "specificity", "PPV", "NPV")
    found = [f for n in names if (f := find(contents.evidence.at_operating_point, n))]
    return Answer(f"{'; '.join(_said(one) for one in found)}.", _FILE) if found else None


def numbers(contents: RunContents) -> Answer | None:
    """Give images, patients and outcomes."""
    one = contents.evidence
    trained = "; ".join(
        f"{name}: trained on {count(card.training_data.n_images, 'image')}"
        for name, card in contents.cards.items()
        if card.training_data.n_images
    )
    text = (
        f"Judged: {count(one.n_images, 'image')} of {count(one.n_patients, 'patient')}, "
        f"{one.n_positive:,} with a fracture."
    )
    if not trained:
        return Answer(text, _FILE)
    return Answer(f"{text} {trained}.", (*_FILE, "card.json"))


def failures(contents: RunContents) -> Answer | None:
    """Count the wrong calls, and say where they are shown."""
    told = contents.evidence.confusion
    if told is None or contents.overlays is None:
        return None
    text = f"{told.fn:,} missed, {told.fp:,} false alarms; the worst are shown under Cases."
    return Answer(text, (*_FILE, "overlays.parquet"))


def limits(contents: RunContents) -> Answer | None:
    """Repeat what was found wrong with the numbers."""
    grave = (Severity.ERROR, Severity.WARNING)
    said = [one.message for one in contents.evidence.findings if one.severity in grave]
    return Answer(" ".join(said), _FILE) if said else None


def availability(contents: RunContents) -> Answer | None:
    """Say what of the model lies in the run folder."""
    if not contents.cards:
        return None
    text = f"Weights and cards of {count(len(contents.cards), 'model')} lie in the run folder."
    return Answer(text, ("models/", "card.json"))
