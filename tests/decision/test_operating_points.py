import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import confusion_matrix

from greenstick.decision.operating_points import (
    OperatingPoint,
    choose_operating_point,
    decide,
    given_point,
)
from greenstick.decision.provenance import fingerprint
from greenstick.errors import GreenstickError

drawn = st.lists(st.tuples(st.booleans(), st.integers(0, 15)), min_size=4, max_size=40).filter(
    lambda rows: 0 < sum(label for label, _ in rows) < len(rows)
)


def arrays(rows: list[tuple[bool, int]]) -> tuple[NDArray, NDArray]:
    labels, scores = zip(*rows, strict=True)
    return np.array(labels), np.array(scores) / 15


def worth(labels: NDArray, calls: NDArray, rule: str, target: float | None) -> float:
    """Return what a rule maximizes, from scikit-learn's confusion matrix."""
    tn, fp, fn, tp = confusion_matrix(labels, calls, labels=[0, 1]).ravel()
    sensitivity, specificity = tp / (tp + fn), tn / (tn + fp)
    return {
        "youden": sensitivity + specificity,
        "f1": 2 * tp / (2 * tp + fp + fn),
        "closest": -np.hypot(1 - sensitivity, 1 - specificity),
        "cost": -((target or 0) * fn + fp),
        "sensitivity": specificity if sensitivity >= (target or 0) else -1,
        "specificity": sensitivity if specificity >= (target or 0) else -1,
    }[rule]


RULES = [
    ("youden", None),
    ("f1", None),
    ("closest", None),
    ("cost", 5.0),
    ("sensitivity", 0.9),
    ("specificity", 0.8),
]


@pytest.mark.parametrize(("rule", "target"), RULES)
@given(rows=drawn)
def test_no_other_threshold_does_better(
    rows: list[tuple[bool, int]], rule: str, target: float | None
) -> None:
    labels, scores = arrays(rows)
    point = choose_operating_point(labels, scores, rule=rule, chosen_on="valid", target=target)
    best = max(
        worth(labels, scores >= threshold, rule, target) for threshold in [*np.unique(scores), 2.0]
    )
    assert worth(labels, decide(scores, point), rule, target) == pytest.approx(best)


def test_the_threshold_lies_between_two_scores() -> None:
    point = choose_operating_point([0, 0, 1, 1], [0.1, 0.2, 0.6, 0.9], chosen_on="valid")
    assert point.threshold == pytest.approx(0.4)
    assert (point.rule, point.chosen_on, point.n) == ("youden", "valid", 4)


def test_among_equals_the_one_that_misses_fewer_is_taken() -> None:
    # Calling the upper two, or all but the lowest one: both have a Youden index of 0.5.
    labels, scores = [0, 1, 0, 1], [0.1, 0.2, 0.3, 0.4]
    point = choose_operating_point(labels, scores, chosen_on="valid")
    assert point.threshold == pytest.approx(0.15)


def test_a_score_on_the_threshold_is_a_call() -> None:
    calls = decide([0.49, 0.5, 0.51], given_point(0.5))
    assert calls.tolist() == [False, True, True]
    assert calls.dtype == np.bool_


def test_a_constant_score_calls_everything_or_nothing() -> None:
    scores = np.full(6, 0.3)
    point = choose_operating_point([0, 1, 0, 1, 0, 1], scores, chosen_on="valid")
    assert decide(scores, point).all()
    point = choose_operating_point(
        [0, 1, 0, 1], scores[:4], rule="specificity", target=1.0, chosen_on="valid"
    )
    assert not decide(scores, point).any()


@pytest.mark.parametrize(
    ("rule", "target"),
    [
        ("sensitivity", None),
        ("sensitivity", 0.0),
        ("specificity", 1.5),
        ("cost", None),
        ("cost", -1.0),
        ("youden", 0.5),
        ("given", None),
    ],
)
def test_a_rule_without_its_target_is_refused(rule: str, target: float | None) -> None:
    with pytest.raises(GreenstickError):
        choose_operating_point([0, 1], [0.1, 0.9], rule=rule, target=target, chosen_on="valid")


def test_rows_of_one_class_are_refused() -> None:
    with pytest.raises(GreenstickError, match="one class"):
        choose_operating_point([1, 1], [0.1, 0.9], chosen_on="valid")


def test_the_fingerprint_knows_rows_in_any_order() -> None:
    labels, scores = np.array([0, 1, 1, 0]), np.array([0.3, 0.3, 0.9, 0.1])
    again = [3, 1, 0, 2]
    assert fingerprint(labels, scores) == fingerprint(labels[again], scores[again])
    assert fingerprint(labels, scores) != fingerprint(1 - labels, scores)
    assert fingerprint(labels, scores) != fingerprint(labels, scores + 1e-9)
    assert fingerprint(labels.astype(bool), scores) == fingerprint(labels, scores)


def test_a_point_survives_json() -> None:
    point = choose_operating_point([0, 1], [0.1, 0.9], chosen_on="valid", repeat=1, fold=2)
    assert OperatingPoint.model_validate_json(point.model_dump_json()) == point
    assert (point.repeat, point.fold) == (1, 2)


def test_scores_that_no_number_lies_between_are_told_apart() -> None:
    scores = np.array([1 - 2**-53, 1 - 2**-52, 1 - 3 * 2**-53])
    point = choose_operating_point([1, 0, 0], scores, chosen_on="valid")
    assert decide(scores, point).tolist() == [True, False, False]


@pytest.mark.parametrize("threshold", [float("nan"), float("inf")])
def test_a_given_threshold_is_a_number(threshold: float) -> None:
    with pytest.raises(GreenstickError, match="no threshold"):
        given_point(threshold)
