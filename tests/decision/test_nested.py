import numpy as np
import polars as pl
import pytest
from scipy.optimize import minimize_scalar

from greenstick.decision.nested import fit_inside
from greenstick.errors import GreenstickError


def inner(n: int = 200, seed: int = 0) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(n) % 4 == 0).astype(np.int8)
    return pl.DataFrame(
        {
            "image": [f"{i}.png" for i in range(n)],
            "label": labels,
            "logit": 3 * (labels - 0.5) + 2 * generator.normal(size=n),
            "inner_fold": np.arange(n) % 5,
        }
    )


def test_both_come_from_the_pooled_inner_scores() -> None:
    table = inner()
    temperature, point = fit_inside(table, rule="youden", fold=2, repeat=1)
    logits, labels = table["logit"].to_numpy(), table["label"].to_numpy() == 1

    def loss(t: float) -> float:
        p = 1 / (1 + np.exp(-logits / t))
        return float(-np.log(np.where(labels, p, 1 - p)).mean())

    best = minimize_scalar(loss, bounds=(0.1, 10), method="bounded").x
    assert temperature.value == pytest.approx(best, rel=1e-3)
    scores = 1 / (1 + np.exp(-logits / temperature.value))
    youden = [(scores[labels] >= t).mean() - (scores[~labels] >= t).mean() for t in scores]
    reached = (scores[labels] >= point.threshold).mean()
    assert reached - (scores[~labels] >= point.threshold).mean() == pytest.approx(max(youden))


def test_both_say_where_they_come_from() -> None:
    temperature, point = fit_inside(inner(), rule="sensitivity", target=0.9, fold=2, repeat=1)
    assert point.chosen_on == temperature.fitted_on == "inner folds of repeat 1, fold 2"
    assert (point.fold, point.repeat, point.n, point.target) == (2, 1, 200, 0.9)
    assert point.fingerprint
    assert temperature.fingerprint
    assert fit_inside(inner())[1].chosen_on == "inner folds"


@pytest.mark.parametrize(
    ("table", "what"),
    [
        (inner().vstack(inner()), "several inner scores"),
        (inner().with_columns(inner_fold=pl.lit(0)), "single inner fold"),
        (inner().with_columns(inner_fold=pl.lit(None, pl.Int64)), "no inner fold"),
        (inner().with_columns(label=pl.lit(1)), "one class"),
        (inner().drop("inner_fold"), "inner_fold"),
    ],
)
def test_what_is_not_nested_is_refused(table: pl.DataFrame, what: str) -> None:
    with pytest.raises(GreenstickError, match=what):
        fit_inside(table)
