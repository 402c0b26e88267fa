import numpy as np
import polars as pl
import pytest
from sklearn.metrics import accuracy_score, roc_auc_score

from greenstick.errors import GreenstickError
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.multiclass import one_against_rest
from greenstick.evidence.rows import to_rows

CLASSES = ["none", "spiral", "transverse"]


def drawn(n: int = 240, seed: int = 0, images_per_patient: int = 1) -> pl.DataFrame:
    generator = np.random.default_rng(seed)
    patients = np.arange(n) // images_per_patient
    kind = generator.choice(3, n, p=[0.6, 0.25, 0.15])
    logits = generator.normal(size=(n, 3)) + generator.normal(size=(n, 3))[patients]
    logits[np.arange(n), kind] += 1.5
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return pl.DataFrame(
        {"patient": patients.astype(str), "label": np.array(CLASSES)[kind]}
        | {f"score_{name}": scores[:, i] for i, name in enumerate(CLASSES)}
    )


def test_areas_agree_with_scikit_learn() -> None:
    table = drawn()
    scores = table.select(pl.selectors.starts_with("score_")).to_numpy()
    found = {e.name: e for e in one_against_rest(table)}
    for average in ("macro", "weighted"):
        theirs = roc_auc_score(table["label"], scores, multi_class="ovr", average=average)
        assert found[f"AUROC {average}"].value == pytest.approx(theirs)
    top = np.array(CLASSES)[scores.argmax(axis=1)]
    assert found["accuracy"].value == accuracy_score(table["label"], top)
    for e in found.values():
        assert e.lower < e.value < e.upper


@pytest.mark.parametrize("images_per_patient", [1, 3])
def test_intervals_agree_with_the_jackknife_by_patient(images_per_patient: int) -> None:
    table = drawn(images_per_patient=images_per_patient)
    found = {e.name: e for e in one_against_rest(table)}
    patients = table["patient"].unique()
    left_out = {"AUROC macro": [], "AUROC weighted": []}
    for patient in patients:
        for e in one_against_rest(table.filter(pl.col("patient") != patient)):
            if e.name in left_out:
                left_out[e.name].append(e.value)
    k = len(patients)
    for name, values in left_out.items():
        e = found[name]
        se = np.sqrt((k - 1) / k * np.sum((np.array(values) - np.mean(values)) ** 2))
        assert (e.upper - e.lower) / (2 * 1.96) == pytest.approx(se, rel=0.05)


def test_two_classes_are_the_usual_auroc() -> None:
    table = drawn().filter(pl.col("label") != "spiral").drop("score_spiral")
    one = table.with_columns(
        label=pl.col("label") == "transverse", score=pl.col("score_transverse")
    )
    assert one_against_rest(table)[1].value == auroc(to_rows(one)).value


@pytest.mark.parametrize(
    "spoil",
    [
        lambda t: t.drop("score_none"),
        lambda t: t.filter(label="none"),
        lambda t: t.with_columns(score_none=pl.lit(None, dtype=pl.Float64)),
        lambda t: t.with_columns(score_none=pl.lit(float("nan"))),
        lambda t: t.select("label"),
        lambda t: t.drop("label"),
    ],
)
def test_what_cannot_be_judged_is_refused(spoil: object) -> None:
    with pytest.raises(GreenstickError):
        one_against_rest(spoil(drawn()))  # type: ignore[operator]
