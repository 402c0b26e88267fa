import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn import metrics

from greenstick.errors import GreenstickError
from greenstick.evidence.at_point import at_operating_point, at_prevalence, confusion
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.rows import ScoredRows

Bools = NDArray[np.bool_]


def judged(labels: Bools, patients: object = None) -> ScoredRows:
    n = len(labels)
    whose = np.arange(n) if patients is None else np.asarray(patients)
    return ScoredRows(labels, np.zeros(n), whose, np.arange(n))


def figures(labels: object, calls: object, patients: object = None) -> dict[str, Estimate]:
    label, call = np.asarray(labels, dtype=bool), np.asarray(calls, dtype=bool)
    return {e.name: e for e in at_operating_point(judged(label, patients), call)}


def from_counts(tp: int, fp: int, fn: int, tn: int) -> tuple[Bools, Bools]:
    labels = np.repeat([True, False, True, False], [tp, fp, fn, tn])
    return labels, np.repeat([True, True, False, False], [tp, fp, fn, tn])


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 40), st.integers(1, 40))
def test_figures_agree_with_scikit_learn(tp: int, fp: int, fn: int, tn: int) -> None:
    labels, calls = from_counts(tp, fp, fn, tn)
    found = figures(labels, calls)
    ratios = metrics.class_likelihood_ratios(labels, calls)
    expected = {
        "sensitivity": metrics.recall_score(labels, calls),
        "specificity": metrics.recall_score(~labels, ~calls),
        "PPV": metrics.precision_score(labels, calls),
        "NPV": metrics.precision_score(~labels, ~calls),
        "F1": metrics.f1_score(labels, calls),
        "accuracy": metrics.accuracy_score(labels, calls),
        "balanced accuracy": metrics.balanced_accuracy_score(labels, calls),
        "MCC": metrics.matthews_corrcoef(labels, calls),
        "Cohen's kappa": metrics.cohen_kappa_score(labels, calls),
        "LR+": ratios[0],
        "LR-": ratios[1],
    }
    assert {name: e.value for name, e in found.items()} == pytest.approx(expected)
    for e in found.values():
        assert e.lower <= e.value <= e.upper
    counted = confusion(labels, calls)
    assert (counted.tp, counted.fp, counted.fn, counted.tn) == (tp, fp, fn, tn)


def test_kappa_has_the_published_standard_error() -> None:
    # Fleiss, Cohen & Everitt (1969), large-sample variance of an estimated kappa, worked out
    # term by term for the table 20 5 / 10 15 (kappa = 0.4).
    labels, calls = from_counts(20, 5, 10, 15)
    p = np.array([[15, 5], [10, 20]]) / 50
    row, column = p.sum(axis=1), p.sum(axis=0)
    agreed, expected = np.trace(p), row @ column
    a = sum(p[i, i] * ((1 - expected) - (row[i] + column[i]) * (1 - agreed)) ** 2 for i in (0, 1))
    b = (1 - agreed) ** 2 * sum(p[i, j] * (column[i] + row[j]) ** 2 for i, j in ((0, 1), (1, 0)))
    c = (agreed * expected - 2 * expected + agreed) ** 2
    se = np.sqrt((a + b - c) / 50) / (1 - expected) ** 2
    found = figures(labels, calls)["Cohen's kappa"]
    assert found.value == pytest.approx(0.4)
    half = (np.arctanh(found.upper) - np.arctanh(found.lower)) / 2
    assert half * (1 - 0.4**2) / 1.959964 == pytest.approx(se, rel=0.02)  # ours has n / (n - 1)


@pytest.mark.parametrize("name", ["MCC", "Cohen's kappa"])
def test_delta_intervals_agree_with_the_jackknife_by_patient(name: str) -> None:
    generator = np.random.default_rng(4)
    patients = np.sort(generator.integers(0, 150, 400))
    _, patients = np.unique(patients, return_inverse=True)
    labels = generator.random(400) < 0.4
    calls = np.where(generator.random(150)[patients] < 0.8, labels, generator.random(400) < 0.5)
    found = figures(labels, calls, patients)[name]
    score = {"MCC": metrics.matthews_corrcoef, "Cohen's kappa": metrics.cohen_kappa_score}[name]
    k = patients.max() + 1
    left_out = [score(labels[patients != i], calls[patients != i]) for i in range(k)]
    se = np.sqrt((k - 1) / k * np.sum((left_out - np.mean(left_out)) ** 2))
    half = (np.arctanh(found.upper) - np.arctanh(found.lower)) / 2
    assert half * (1 - found.value**2) / 1.959964 == pytest.approx(se, rel=0.03)


def test_copies_of_images_do_not_narrow_any_interval() -> None:
    labels, calls = from_counts(30, 12, 8, 70)
    once = figures(labels, calls)
    patients = np.tile(np.arange(len(labels)), 5)
    many = figures(np.tile(labels, 5), np.tile(calls, 5), patients)
    for name, e in many.items():
        assert e.value == pytest.approx(once[name].value)
        width = once[name].upper - once[name].lower
        assert e.upper - e.lower >= 0.999 * width, name


def test_perfect_calls_are_not_certain() -> None:
    found = figures(*from_counts(10, 0, 0, 20))
    assert found["sensitivity"].lower == pytest.approx(0.7225, abs=1e-3)
    assert found["F1"].lower < 0.9
    assert found["balanced accuracy"].lower < 0.9
    assert found["LR+"].value is None
    assert found["LR+"].lower > 1
    assert found["LR+"].upper is None
    assert found["LR-"].value == 0
    # 30 of 30 right: Wilson's lower limit is 0.8865, chance agreement 5 / 9.
    for name in ("MCC", "Cohen's kappa"):
        assert found[name].value == 1
        assert found[name].lower == pytest.approx((0.8865 - 5 / 9) / (4 / 9), abs=1e-3)


@pytest.mark.parametrize("label", [True, False])
def test_one_class_leaves_the_other_figures_undefined(label: bool) -> None:
    found = figures([label] * 4, [True, False, True, True])
    known = "sensitivity" if label else "specificity"
    assert found[known].value == (0.75 if label else 0.25)
    for name in ("balanced accuracy", "MCC", "LR+", "LR-"):
        assert found[name].value is None
        assert "not estimable" in found[name].method


def test_nothing_called_has_no_ppv() -> None:
    found = figures([True, False, False], [False] * 3)
    assert found["PPV"].value is None
    assert found["NPV"].value == pytest.approx(2 / 3)
    assert found["LR+"].value is None
    assert found["MCC"].value is None


def test_each_figure_says_on_how_many_images_it_rests() -> None:
    found = figures([1, 1, 1, 0], [1, 0, 1, 0], [0, 0, 1, 2])
    assert (found["sensitivity"].n_images, found["sensitivity"].n_patients) == (3, 2)
    assert (found["specificity"].n_images, found["accuracy"].n_images) == (1, 4)


def test_predictive_values_follow_bayes() -> None:
    labels, calls = from_counts(80, 30, 20, 70)  # sensitivity 0.8, specificity 0.7
    rows = judged(labels)
    ppv, npv = at_prevalence(rows, calls, 0.1)
    assert ppv.name == "PPV at prevalence 0.1"
    assert ppv.value == pytest.approx(0.08 / (0.08 + 0.27))
    assert npv.value == pytest.approx(0.63 / (0.63 + 0.02))
    for e in (ppv, npv):
        assert e.lower < e.value < e.upper
    own = at_prevalence(rows, calls, 0.5)[0]
    assert own.value == pytest.approx(80 / 110)


def test_an_infinite_ratio_is_not_an_unknown_one() -> None:
    labels, calls = from_counts(10, 0, 0, 20)
    found = {e.name: e for e in at_operating_point(judged(labels), calls)}
    assert found["LR+"].infinite
    assert str(found["LR+"]).startswith("LR+ ∞ (95% interval ")
    assert str(found["LR+"]).endswith(" to ∞)")
    assert found["LR-"].value == 0
    unknown = {e.name: e for e in at_operating_point(judged(labels), ~labels & labels)}
    assert not unknown["LR+"].infinite
    assert str(unknown["LR+"]) == "LR+: not estimable"
    turned = {e.name: e for e in at_operating_point(judged(labels), ~labels)}
    assert str(turned["MCC"]) == "MCC -1.000 (no interval)"


def test_predictive_values_stand_where_nothing_was_wrong_or_nothing_called() -> None:
    labels, calls = from_counts(10, 0, 0, 20)
    ppv, npv = at_prevalence(judged(labels), calls, 0.1)
    assert (ppv.value, npv.value) == (1.0, 1.0)
    assert (ppv.upper, npv.upper) == (1.0, 1.0)
    assert 0 < ppv.lower < npv.lower < 1
    nothing = np.zeros(30, dtype=bool)
    undefined = at_prevalence(judged(labels), nothing, 0.1)[0]
    assert (undefined.value, undefined.lower, undefined.upper) == (None, None, None)
    assert at_prevalence(judged(labels), nothing, 0.1)[1].value == pytest.approx(0.9)
    assert at_prevalence(judged(labels), ~nothing, 0.1)[1].value is None
    assert "no such call" in undefined.method
    fractures = np.ones(9, dtype=bool)
    assert "only one class" in at_prevalence(judged(fractures), fractures, 0.1)[0].method


@pytest.mark.parametrize("prevalence", [0.0, 1.0, 30.0])
def test_a_prevalence_is_a_share(prevalence: float) -> None:
    labels, calls = from_counts(1, 1, 1, 1)
    with pytest.raises(GreenstickError, match="prevalence"):
        at_prevalence(judged(labels), calls, prevalence)
