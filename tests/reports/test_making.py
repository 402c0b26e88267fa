import polars as pl
import pytest

from greenstick.decision.calibration import Beta, Isotonic, Platt, Temperature
from greenstick.reports.making import calibration_origin, fitting_times


@pytest.mark.parametrize(
    ("calibration", "said"),
    [
        (Temperature(value=1.25, fitted_on="valid", n=80), ("Temperature", "1.250")),
        (
            Platt(slope=0.5, intercept=-1.0, fitted_on="valid", n=80),
            ("Platt scaling", "slope 0.500, intercept −1.000"),
        ),
        (
            Beta(a=1.0, b=2.0, c=0.5, fitted_on="valid", n=80),
            ("Beta calibration", "1.000, 2.000, 0.500"),
        ),
        (
            Isotonic(logits=[0, 1], probabilities=[0.1, 0.9], fitted_on="valid", n=80),
            ("Isotonic regression", "2 corners"),
        ),
    ],
)
def test_every_calibration_says_where_it_comes_from(calibration, said):
    origin = calibration_origin(calibration)
    assert (origin.what, origin.value) == said
    assert (origin.rows, origin.n) == ("validation rows", "80")


def test_a_fit_in_one_line():
    history = pl.DataFrame(
        {
            "model": ["net"] * 4,
            "epoch": [1, 2, 3, 4],
            "valid_auroc": [0.7, float("nan"), 0.9, 0.9],
            "seconds": [10.0, 11.0, 12.0, 13.0],
            "images_per_s": [100.0, 200.0, 300.0, None],
        }
    )
    (fit,) = fitting_times(history)
    assert (fit.name, fit.epochs, fit.kept_epoch, fit.kept_auroc) == ("net", 4, 3, 0.9)
    assert (fit.seconds, fit.images_per_s) == (46.0, 200.0)


def test_a_fit_that_kept_its_last_epoch_says_so():
    history = pl.DataFrame(
        {"epoch": [1, 2, 3], "valid_auroc": [0.7, 0.9, 0.8], "kept": [False, False, True]}
    )
    (fit,) = fitting_times(history)
    assert (fit.kept_epoch, fit.kept_auroc) == (3, 0.8)


def test_fits_are_told_apart_by_what_differs():
    history = pl.DataFrame(
        {
            "model": ["net-fold0", "net-fold1"],
            "repeat": [0, 0],
            "fold": [0, 1],
            "epoch": [1, 1],
            "valid_auroc": [None, 0.8],
        },
        schema_overrides={"valid_auroc": pl.Float64},
    )
    first, second = fitting_times(history)
    assert (first.name, second.name) == ("fold 0", "fold 1")
    assert (first.kept_epoch, first.kept_auroc, first.seconds) == (None, None, None)
    assert second.kept_epoch == 1


def test_no_history_no_fits():
    assert fitting_times(None) == []
