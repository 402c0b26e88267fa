import polars as pl
import pytest

from greenstick.evidence.localisation import localisation


def test_hits_and_mass_are_averaged_over_images_with_boxes() -> None:
    table = pl.DataFrame(
        {
            "image": list("abcde"),
            "peak_hit": [True, False, True, True, None],
            "mass_in_boxes": [0.5, 0.1, 0.6, 0.4, None],
            "box_area_share": [0.1, 0.1, 0.2, 0.2, None],
        }
    )
    rate, mass, area = localisation(table, replicates=200)
    assert [e.name for e in (rate, mass, area)] == [
        "peak hit rate",
        "mass in boxes",
        "box area share",
    ]
    assert rate.value == 0.75
    assert (mass.value, area.value) == pytest.approx((0.4, 0.15))
    assert mass.lower < 0.4 < mass.upper
    assert (rate.n_images, rate.n_patients) == (4, 4)


def test_images_of_one_patient_count_together() -> None:
    table = pl.DataFrame(
        {
            "image": [str(i) for i in range(40)],
            "patient": [f"p{i // 8}" for i in range(40)],
            "peak_hit": [i // 8 < 3 for i in range(40)],
            "mass_in_boxes": [0.1 * (i // 8) for i in range(40)],
            "box_area_share": [0.1] * 40,
        }
    )
    rate, mass, _ = localisation(table, replicates=300)
    apart, mass_apart, _ = localisation(table.drop("patient"), replicates=300)
    assert rate.upper - rate.lower > 1.5 * (apart.upper - apart.lower)
    assert mass.upper - mass.lower > 1.5 * (mass_apart.upper - mass_apart.lower)


def test_without_boxes_there_is_nothing_to_say() -> None:
    table = pl.DataFrame(
        {"image": ["a"], "peak_hit": [None], "mass_in_boxes": [None], "box_area_share": [None]}
    )
    assert localisation(table) == []


def test_one_patient_gives_figures_without_limits() -> None:
    table = pl.DataFrame(
        {
            "image": ["a", "b"],
            "patient": ["p", "p"],
            "peak_hit": [True, False],
            "mass_in_boxes": [0.2, 0.4],
            "box_area_share": [0.1, 0.1],
        }
    )
    rate, mass, area = localisation(table, replicates=50)
    assert rate.upper - rate.lower > 0.5
    assert mass.value == pytest.approx(0.3)
    assert (mass.lower, mass.upper, area.lower) == (None, None, None)
