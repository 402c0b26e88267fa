"""Which names mean a fracture."""

import pytest

from greenstick.cohorts.importers.class_names import ClassNames
from greenstick.errors import GreenstickError


@pytest.mark.parametrize(
    "name", ["fractured", "Fracture", "POSITIVE", "abnormal", "1", "1.0", "true", "Yes"]
)
def test_understood_as_fracture(name: str) -> None:
    assert ClassNames().label(name) == 1
    assert ClassNames().fracture_type(name) is None, "it does not say which"


@pytest.mark.parametrize(
    "name",
    [
        "not fractured", "Non_fractured", "non-fractured", "Not  Fractured", "healthy", "NORMAL",
        "negative", "0", "0.0", "False", "no",
    ],
)  # fmt: skip
def test_understood_as_none(name: str) -> None:
    assert ClassNames().label(name) == 0


def test_others_are_told() -> None:
    names = ClassNames(positive=("Spiral", "oblique"), negative=("cast",))
    assert names.labels(["spiral", "oblique", "Cast", "normal"]) == {
        "spiral": 1,
        "oblique": 1,
        "Cast": 0,
        "normal": 0,
    }
    assert names.fracture_type("spiral") == "spiral"
    assert names.fracture_type("Cast") is None


def test_patterns() -> None:
    names = ClassNames(positive=("*_positive",), negative=("*_negative",))
    assert names.label("study1_positive") == 1
    assert names.label("study12-negative") == 0
    assert names.label("patient7") is None


def test_a_name_counts_before_a_pattern_and_both_before_what_is_understood() -> None:
    names = ClassNames(positive=("no fracture seen",), negative=("*fracture*", "positive"))
    assert names.label("no fracture seen") == 1
    assert names.label("fracture") == 0
    assert names.label("positive") == 0
    assert names.label("abnormal") == 1


def test_all_others() -> None:
    names = ClassNames(positive=("spiral",), negative=("*",))
    assert [names.label(name) for name in ("spiral", "fracture", "metal")] == [1, 1, 0]
    assert [names.is_known(name) for name in ("spiral", "fracture", "metal")] == [True, True, False]


def test_unknown_names_are_listed_with_all_found() -> None:
    with pytest.raises(GreenstickError) as error:
        ClassNames().labels(["wrist", "elbow", "normal"])
    assert "elbow, wrist (found: elbow, normal, wrist)" in error.value.message
    assert "--positive 'elbow'" in error.value.remedy


def test_long_lists_are_cut() -> None:
    with pytest.raises(GreenstickError, match="and 80 more"):
        ClassNames().labels(f"kind {n}" for n in range(100))


def test_listed_as_both() -> None:
    with pytest.raises(GreenstickError, match="as fracture and as no fracture"):
        ClassNames(positive=("Wrist",), negative=("wrist",)).label("wrist")
