"""Checks on copies: the same bytes, or the same picture, where it would leak or contradict."""

from collections.abc import Callable
from dataclasses import dataclass

from greenstick.cohorts.audit.outcome import Hit, Outcome, count, found, not_applicable, passed
from greenstick.cohorts.audit.pairs import groups
from greenstick.cohorts.audit.seen import Pair, Seen
from greenstick.cohorts.cohort import Cohort
from greenstick.findings import Severity


@dataclass(frozen=True)
class Relation:
    """How the two rows of a pair of copies stand to each other.

    Attributes
    ----------
    name
        Last part of the check's code, e.g. ``"across-labels"``.
    words
        As a sentence says it.
    severity
        Of finding one.
    remedy
        What to do then.
    """

    name: str
    words: str
    severity: Severity
    remedy: str


RELATIONS = (
    Relation(
        "across-labels",
        "with different labels",
        Severity.ERROR,
        "One of the two labels is wrong: look at them, correct, or drop both.",
    ),
    Relation(
        "across-splits",
        "on two sides of the split",
        Severity.ERROR,
        "The test would repeat what was learned: keep one of them.",
    ),
    Relation(
        "across-patients",
        "listed as different patients",
        Severity.ERROR,
        "A split by patient would tear them apart: keep one, or name their patient.",
    ),
    Relation(
        "within-patient",
        "of the same patient",
        Severity.NOTE,
        "They may stay: splits and intervals are by patient. Each picture counts as often as it is "
        "listed, in training too.",
    ),
)


def _values(cohort: Cohort, relation: Relation) -> list[object]:
    """Return what each row is compared by."""
    column = {"across-labels": "label", "across-splits": "split"}.get(relation.name)
    return (cohort.patients() if column is None else cohort.table[column]).to_list()


def _stands(pair: Pair, relation: Relation, values: list[object]) -> bool:
    one, other = values[pair.first], values[pair.second]
    if relation.name == "within-patient":
        return one == other
    return None not in (one, other) and one != other


def _by_way_of_others(seen: Seen, relation: Relation, values: list[object]) -> list[Pair]:
    """Pair copies that are at odds, where only copies without a label or side join them."""
    told = {p.first for p in seen.pairs if _stands(p, relation, values)}
    found = []
    for group in groups((pair.first, pair.second) for pair in seen.pairs):
        known = [row for row in group if values[row] is not None]
        other = next((row for row in known if values[row] != values[known[0]]), None)
        if other is not None and told.isdisjoint(group) and relation.name != "within-patient":
            found.append(Pair(known[0], other, "the same picture, by way of others", exact=False))
    return found


def _why_not(seen: Seen, relation: Relation) -> str | None:
    table = seen.cohort.table
    if not any(look.decoded for look in seen.looks):
        return "No image could be decoded."
    if relation.name == "across-splits" and table["split"].drop_nulls().n_unique() < 2:
        return "The cohort is not split yet."
    if relation.name == "across-labels" and table["label"].drop_nulls().n_unique() < 2:
        return "The cohort does not have two classes."
    if relation.name == "within-patient" and table["patient"].null_count() == len(table):
        return "The cohort names no patients: each image counts as one."
    return None


def _check(relation: Relation, *, exact: bool) -> Callable[[Seen], Outcome]:
    code = _code(relation, exact=exact)
    what = "Files with the same bytes" if exact else "Copies of one picture"

    def check(seen: Seen) -> Outcome:
        why_not = _why_not(seen, relation)
        if why_not is not None:
            return not_applicable(code, why_not)
        values = _values(seen.cohort, relation)
        pairs = [p for p in seen.pairs if p.exact == exact and _stands(p, relation, values)]
        pairs += [] if exact else _by_way_of_others(seen, relation, values)
        if not pairs:
            return passed(code, f"{what} {relation.words}: none.")
        hits = [
            Hit(p.second, f"A copy of row {p.first} {relation.words}: {p.how}.", p.first)
            for p in pairs
        ]
        rows = {row for pair in pairs for row in (pair.first, pair.second)}
        amount = f"{count(len(pairs), 'pair')} among {count(len(rows), 'image')}"
        message = f"{what} {relation.words}: {amount}."
        return found(code, relation.severity, message, hits, remedy=relation.remedy)

    return check


def _code(relation: Relation, *, exact: bool) -> str:
    return ("duplicate-" if exact else "near-duplicate-") + relation.name


CHECKS = tuple(_check(relation, exact=exact) for exact in (True, False) for relation in RELATIONS)
COPY_CODES = frozenset(
    _code(relation, exact=exact) for exact in (True, False) for relation in RELATIONS
)
