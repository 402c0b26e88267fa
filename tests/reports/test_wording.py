import pytest

from greenstick.evidence.estimates import Estimate
from greenstick.reports import wording


def estimate(value, lower, upper, name="AUROC") -> Estimate:
    return Estimate(
        name=name, value=value, lower=lower, upper=upper, level=0.95,
        method="x", n_images=1, n_patients=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),
        (0.91949, "0.919"),
        (-0.25, "−0.250"),
        (12.345, "12.3"),
        (412.3, "412"),
        (3670.0, "3,670"),
        (0.0, "0.000"),
    ],
)
def test_number(value, text):
    assert wording.number(value) == text


def test_interval_says_which_side_is_open():
    assert wording.interval(estimate(0.5, 0.4, 0.6)) == "0.400 to 0.600"
    assert wording.interval(estimate(5.0, 2.0, None)) == "above 2.000"
    assert wording.interval(estimate(5.0, None, 9.0)) == "below 9.000"
    assert wording.interval(estimate(None, None, None)) == "–"


def test_an_infinite_estimate_is_shown_with_its_limit():
    ratio = estimate(None, 4.2, None, name="LR+")
    assert (wording.estimated(ratio), wording.interval(ratio)) == ("∞", "above 4.200")
    assert wording.estimated(estimate(None, None, None)) == "–"
    assert wording.estimated(estimate(0.5, 0.4, 0.6)) == "0.500"


def test_find_skips_what_has_no_value():
    both = [estimate(None, None, None), estimate(0.9, 0.8, 1.0)]
    assert wording.find(both, "auroc") is both[1]
    assert wording.find(both, "PPV") is None


@pytest.mark.parametrize(
    ("one", "drawn"),
    [
        (estimate(0.9, 0.8, 1.0), True),
        (estimate(0.2, 0.1, 0.3, name="LR-"), False),
        (estimate(0.1, -0.2, 0.3, name="MCC"), False),
        (estimate(3.0, 2.0, 4.0, name="LR+"), False),
        (estimate(0.9, 0.8, 0.95, name="calibration slope"), False),
        (estimate(0.9, 0.8, None), False),
    ],
)
def test_only_shares_are_drawn_between_nought_and_one(one, drawn):
    assert wording.on_unit_axis(one) is drawn


def test_small_words():
    assert wording.count(1, "image") == "1 image"
    assert wording.count(3670, "image") == "3,670 images"
    assert wording.percent(0.12345) == "12.3%"
    assert wording.as_name("body_part") == "Body part"
    assert wording.as_name("LR-") == "LR−"
    assert [wording.p_value(p) for p in (None, 0.0002, 0.0341)] == [
        "not determined",
        "< 0.001",
        "= 0.034",
    ]
    assert wording.level(estimate(0.5, 0.4, 0.6)) == "95%"
