"""Answers on images, patients and who went where."""

from greenstick.findings import Severity
from greenstick.reports.checklists.answer import Answer, from_settings, section
from greenstick.reports.contents import RunContents
from greenstick.reports.flow import Flow, Part, count_flow
from greenstick.reports.wording import count, percent

_FLOW_FILES = ("cohort.parquet", "splits.parquet")


def _flow(contents: RunContents) -> Flow | None:
    if contents.cohort is None or contents.splits is None:
        return None
    return count_flow(contents.cohort, contents.dropped, contents.splits)


def _part(part: Part) -> str:
    text = count(part.images, "image")
    if part.patients is not None:
        text += f" of {count(part.patients, 'patient')}"
    if part.fractures is not None:
        text += f", {part.fractures:,} with a fracture"
    return text


def cohort(contents: RunContents) -> Answer | None:
    """Name the cohort's file and its size."""
    flow = _flow(contents)
    source = {card.training_data.source for card in contents.cards.values()} - {""}
    if flow is None:
        return None
    name = f" ({', '.join(sorted(source))})" if source else ""
    files = (*_FLOW_FILES[:1], *(("card.json",) if source else ()))
    return Answer(f"Cohort{name}: {_part(flow.imported)} imported.", files)


def exclusions(contents: RunContents) -> Answer | None:
    """Say which rows the audit left out."""
    flow = _flow(contents)
    if flow is None or contents.audit is None:
        return None
    reasons = "; ".join(f"{n:,} {reason}" for reason, n in flow.reasons)
    text = f"Left out by the audit: {reasons}." if reasons else "The audit left nothing out."
    return Answer(text, ("dropped.parquet", "audit.json"))


def flow(contents: RunContents) -> Answer | None:
    """Count who came in, who stayed and who went where."""
    found = _flow(contents)
    if found is None:
        return None
    parts = "; ".join(f"{one.name.lower()}: {_part(one)}" for one in found.splits)
    first = f" The first of {found.folds} splits:" if found.folds > 1 else " Of these"
    text = f"Imported: {_part(found.imported)}; used: {_part(found.used)}.{first} {parts}."
    return Answer(
        f"{text} Flow diagram: figure 1 of the report.", (*_FLOW_FILES, "dropped.parquet")
    )


def characteristics(contents: RunContents) -> Answer | None:
    """Give images, patients and share of fractures of each part."""
    found = _flow(contents)
    if found is None:
        return None
    parts = [
        f"{one.name.lower()}: {_part(one)} ({percent((one.fractures or 0) / one.images)})"
        for one in found.splits
        if one.images
    ]
    return Answer(f"{'; '.join(parts)}.".capitalize(), _FLOW_FILES)


def missing(contents: RunContents) -> Answer | None:
    """Say what was found of missing labels and scores."""
    codes = ("missing-labels", "missing-scores")
    said = [one.message for one in contents.evidence.findings if one.code in codes]
    return Answer(" ".join(said), ("evidence.json",)) if said else None


def quality(contents: RunContents) -> Answer | None:
    """Name the audit's checks and what they found."""
    if contents.audit is None:
        return None
    ran = [one for one in contents.audit if one.severity is not Severity.NOT_APPLICABLE]
    bad = [one for one in ran if one.severity in (Severity.ERROR, Severity.WARNING)]
    text = f"{count(len(ran), 'check')} of files, copies, labels and boxes on all imported images."
    return Answer(" ".join([text, *(one.message for one in bad)]), ("audit.json",))


def preprocessing(contents: RunContents) -> Answer | None:
    """Say how pixels reach the network."""
    text = (
        "Gray, bone bright; scaled to fit a square canvas of {canvas_px} pixels; "
        "normalized as the starting weights expect."
    )
    return from_settings(contents, "recipe", text)


def crops(contents: RunContents) -> Answer | None:
    """Say whether networks see whole images."""
    crop = section(contents, "recipe").get("crop_px")
    if crop is None:
        return None
    text = "Networks see whole images." if crop == 0 else f"Trained on crops of {crop} pixels."
    return Answer(text, ("experiment.toml",))


def partitions(contents: RunContents) -> Answer | None:
    """Say how images were assigned."""
    found, split = _flow(contents), section(contents, "split")
    if found is None or "method" not in split:
        return None
    shares = ", ".join(f"{share:g}" for share in split.get("fractions", []))
    how = {
        "holdout": "Patients were drawn once" + (f", in shares {shares}" if shares else ""),
        "kfold": f"Cross-validation by patient, {count(found.folds, 'fold')} in all",
        "column": "By a column of the cohort's own",
    }.get(split["method"], str(split["method"]))
    spread = ", ".join(split.get("stratify", []))
    even = f", spread evenly by {spread}" if spread and split["method"] != "column" else ""
    sizes = ", ".join(f"{one.name.lower()} {one.images:,}" for one in found.splits)
    text = f"{how}{even}; images: {sizes}."
    return Answer(text, ("experiment.toml", "splits.parquet"))


def apart(contents: RunContents) -> Answer | None:
    """Say at what level parts are apart."""
    found = _flow(contents)
    if found is None:
        return None
    if found.shared_patients:
        text = f"NOT apart: {count(found.shared_patients, 'patient')} on two sides."
    elif found.unnamed:
        text = f"By image; {count(found.unnamed, 'image')} named no patient."
    else:
        text = "By patient: none has images on two sides of a split."
    return Answer(text, _FLOW_FILES)


def test_size(contents: RunContents) -> Answer | None:
    """Say how many the test rows are."""
    one = contents.evidence
    text = (
        f"{count(one.n_images, 'image')} of {count(one.n_patients, 'patient')}, "
        f"{one.n_positive:,} with a fracture."
    )
    return Answer(text, ("evidence.json",))
