from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    confusion_matrix,
    f1_score,
    log_loss,
    roc_auc_score,
)

from greenstick.decision.operating_points import choose_operating_point, given_point
from greenstick.errors import GreenstickError
from greenstick.evidence.class_figures import overall
from greenstick.evidence.class_rows import to_class_rows
from greenstick.evidence.discrimination import placements
from greenstick.evidence.evidence import evaluate
from greenstick.evidence.multiclass import (
    ClassEvidence,
    evaluate_classes,
    highest,
    read_class_evidence,
    table_of_class,
    write_class_evidence,
)
from greenstick.findings import Severity

CLASSES = ["none", "spiral", "transverse"]


def drawn(n: int = 150, seed: int = 0, images_per_patient: int = 1) -> pl.DataFrame:
    """Draw images of one class each."""
    generator = np.random.default_rng(seed)
    patients = np.arange(n) // images_per_patient
    kind = generator.choice(3, n, p=[0.6, 0.25, 0.15])
    logits = generator.normal(size=(n, 3)) + generator.normal(size=(n, 3))[patients]
    logits[np.arange(n), kind] += 1.5
    scores = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    return pl.DataFrame(
        {
            "image": [f"{i}.png" for i in range(n)],
            "patient": patients.astype(str),
            "label": np.array(CLASSES)[kind],
        }
        | {f"score_{name}": scores[:, i] for i, name in enumerate(CLASSES)}
    )


def labeled(n: int = 150, seed: int = 0) -> pl.DataFrame:
    """Draw images of any of the classes."""
    generator = np.random.default_rng(seed)
    labels = generator.random((n, 3)) < [0.5, 0.3, 0.2]
    scores = 1 / (1 + np.exp(-generator.normal(size=(n, 3)) - 1.5 * labels + 1))
    columns = {"image": [f"{i}.png" for i in range(n)]}
    columns |= {f"label_{name}": labels[:, i].astype(int) for i, name in enumerate(CLASSES)}
    return pl.DataFrame(columns | {f"score_{c}": scores[:, i] for i, c in enumerate(CLASSES)})


def judged(table: pl.DataFrame, **settings: object) -> ClassEvidence:
    return evaluate_classes(table, **{"rows": "test", "replicates": 20, **settings})


def scores_of(table: pl.DataFrame) -> np.ndarray:
    return table.select(pl.selectors.starts_with("score_")).to_numpy()


def test_figures_over_classes_agree_with_scikit_learn() -> None:
    table = drawn()
    scores, truth = scores_of(table), table["label"].to_numpy()
    top = np.array(CLASSES)[scores.argmax(axis=1)]
    one_hot = truth[:, None] == np.array(CLASSES)
    found = judged(table)
    expected = {
        "AUROC macro": roc_auc_score(truth, scores, multi_class="ovr", average="macro"),
        "AUROC weighted": roc_auc_score(truth, scores, multi_class="ovr", average="weighted"),
        "average precision macro": average_precision_score(one_hot, scores, average="macro"),
        "accuracy": accuracy_score(truth, top),
        "Cohen's kappa": cohen_kappa_score(truth, top),
        "sensitivity macro": balanced_accuracy_score(truth, top),
        "F1 macro": f1_score(truth, top, average="macro"),
        "log loss": log_loss(truth, scores, labels=CLASSES),
        "Brier score": ((scores - one_hot) ** 2).sum(axis=1).mean(),
    }
    for name, value in expected.items():
        assert found.estimate(name).value == pytest.approx(value), name
    assert found.confusion is not None
    assert found.confusion.counts == confusion_matrix(truth, top, labels=CLASSES).tolist()
    for e in found.overall:
        assert e.lower <= e.value <= e.upper, e
    spiral = {e.name: e.value for e in found.answers["spiral"]}
    assert spiral["sensitivity"] == pytest.approx((top == "spiral")[truth == "spiral"].mean())
    assert spiral["PPV"] == pytest.approx((truth == "spiral")[top == "spiral"].mean())


@pytest.mark.parametrize("images_per_patient", [1, 3])
def test_intervals_agree_with_the_jackknife_by_patient(images_per_patient: int) -> None:
    table = drawn(150, images_per_patient=images_per_patient)
    rows, _ = to_class_rows(table, CLASSES, "multi-class")
    found = {e.name: e for e in overall(rows, highest(rows), level=0.95, replicates=1000, seed=0)}
    left_out: dict[str, list[float]] = {
        name: [] for name in ("AUROC macro", "AUROC weighted", "F1 macro", "Cohen's kappa")
    }
    scores, labels = rows.scores, rows.labels
    k = rows.n_patients
    for patient in range(k):
        kept = rows.patients != patient
        areas = [placements(y[kept], s[kept]).auroc for y, s in zip(labels, scores, strict=True)]
        top, truth = scores[:, kept].argmax(axis=0), labels[:, kept].argmax(axis=0)
        counts = np.histogram2d(truth, top, bins=np.arange(4))[0]
        hits, called, n = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
        chance = called @ n / n.sum() ** 2
        left_out["AUROC macro"].append(np.mean(areas))
        left_out["AUROC weighted"].append(areas @ n / n.sum())
        left_out["F1 macro"].append(np.mean(2 * hits / (called + n)))
        left_out["Cohen's kappa"].append((hits.sum() / n.sum() - chance) / (1 - chance))
    for name, values in left_out.items():
        e = found[name]
        se = np.sqrt((k - 1) / k * np.sum((np.array(values) - np.mean(values)) ** 2))
        assert (e.upper - e.lower) / (2 * 1.96) == pytest.approx(se, rel=0.12), name


def test_each_class_is_judged_like_any_two_class_scores() -> None:
    table = drawn()
    points = {"spiral": given_point(0.3)}
    found = judged(table, points=points)
    assert list(found.by_class) == CLASSES
    by_hand = table.with_columns(
        label=(pl.col("label") == "spiral").cast(pl.Int8), score=pl.col("score_spiral")
    )
    one = evaluate(by_hand, point=given_point(0.3), rows="test", replicates=20)
    assert found.by_class["spiral"] == one
    assert found.by_class["none"].operating_point is None
    assert found.by_class["none"].estimate("calibration slope").value is not None


def test_labels_that_do_not_exclude_each_other() -> None:
    table = labeled()
    scores = scores_of(table)
    labels = table.select(pl.selectors.starts_with("label_")).to_numpy()
    found = judged(table, points=dict.fromkeys(CLASSES, given_point(0.5)))
    calls = scores >= 0.5
    expected = {
        "AUROC macro": roc_auc_score(labels, scores, average="macro"),
        "AUROC weighted": roc_auc_score(labels, scores, average="weighted"),
        "average precision macro": average_precision_score(labels, scores, average="macro"),
        "all classes right": accuracy_score(labels, calls),
        "F1 macro": f1_score(labels, calls, average="macro"),
    }
    assert found.kind == "multi-label"
    for name, value in expected.items():
        assert found.estimate(name).value == pytest.approx(value), name
    assert found.confusion is None
    assert found.answers == {}
    without = judged(table.head(60))
    assert {e.name for e in without.overall} == {
        "AUROC macro",
        "AUROC weighted",
        "average precision macro",
    }


def test_an_unknown_label_leaves_the_image_out_of_its_class_alone() -> None:
    table = labeled().with_columns(
        label_spiral=pl.when(pl.int_range(pl.len()) < 40).then(None).otherwise("label_spiral")
    )
    found = judged(table)
    assert [e.n_images for e in found.by_class.values()] == [150, 110, 150]
    part = table.slice(40)
    area = roc_auc_score(part["label_spiral"], part["score_spiral"])
    assert found.by_class["spiral"].estimate("AUROC").value == pytest.approx(area)
    others = [found.by_class[c].estimate("AUROC").value for c in ("none", "transverse")]
    assert found.estimate("AUROC macro").value == pytest.approx(np.mean([area, *others]))


def test_columns_of_one_class_go_along() -> None:
    table = labeled().with_columns(
        logit_spiral=pl.col("score_spiral").log(), decision_spiral=pl.col("score_spiral") > 0.4
    )
    one = table_of_class(table, "spiral", "multi-label")
    assert set(one.columns) == {"image", "label", "score", "logit", "decision"}
    assert judged(table).by_class["spiral"].confusion is not None


def test_a_class_without_images_is_left_out_of_the_means() -> None:
    table = drawn().filter(pl.col("label") != "spiral")
    found = judged(table)
    assert "classes-not-estimable" in {f.code for f in found.findings}
    assert found.by_class["spiral"].estimate("AUROC").value is None
    both = [found.by_class[c].estimate("AUROC").value for c in ("none", "transverse")]
    assert found.estimate("AUROC macro").value == pytest.approx(np.mean(both))


def test_scores_that_are_no_shares_are_ranked() -> None:
    table = drawn().with_columns(pl.selectors.starts_with("score_") * 2)
    found = judged(table)
    assert "scores-not-shares" in {f.code for f in found.findings}
    assert not {"log loss", "ECE of the top class"} & {e.name for e in found.overall}
    plain = judged(drawn())
    for name in ("AUROC macro", "accuracy"):
        assert found.estimate(name) == plain.estimate(name)
    with pytest.raises(GreenstickError, match="It holds: AUROC macro"):
        found.estimate("log loss")


def test_a_threshold_tuned_on_the_judged_rows_is_untrue_for_its_class() -> None:
    table = drawn()
    label = table["label"] == "spiral"
    point = choose_operating_point(label, table["score_spiral"], chosen_on="valid")
    assert judged(table, points={"spiral": point}).untrue


def test_the_evidence_survives_json(tmp_path: Path) -> None:
    found = judged(labeled(), points={"none": given_point(0.5)})
    write_class_evidence(found, tmp_path / "classes.json")
    assert read_class_evidence(tmp_path / "classes.json") == found
    (tmp_path / "other.json").write_text("{}")
    for name, what in (("other.json", "no evidence of version"), ("absent.json", "There is no")):
        with pytest.raises(GreenstickError, match=what):
            read_class_evidence(tmp_path / name)


def test_missing_rows_are_refused_or_left_out_with_a_warning() -> None:
    table = drawn().with_columns(
        score_none=pl.when(pl.int_range(pl.len()) < 3).then(None).otherwise("score_none")
    )
    with pytest.raises(GreenstickError, match="3 of 150 rows"):
        judged(table)
    found = judged(table, missing="drop")
    assert found.n_images == 147
    assert [f.severity for f in found.findings if f.code == "rows-left-out"] == [Severity.WARNING]


@pytest.mark.parametrize(
    ("spoil", "what"),
    [
        (lambda t: t.drop("score_none"), "Labels hold none"),
        (lambda t: t.drop("score_none", "score_spiral"), "two different ones"),
        (lambda t: t.drop("label"), "no column 'label'"),
        (lambda t: pl.concat([t, t]), "another row lists too"),
        (lambda t: t.with_columns(score_none=pl.lit("high")), "no numbers"),
        (lambda t: t.head(0), "no scores to judge"),
    ],
)
def test_what_cannot_be_judged_is_refused(
    spoil: Callable[[pl.DataFrame], pl.DataFrame], what: str
) -> None:
    with pytest.raises(GreenstickError, match=what):
        judged(spoil(drawn()))


def test_a_point_must_be_of_a_class() -> None:
    with pytest.raises(GreenstickError, match="'oblique', which is no class"):
        judged(drawn(), points={"oblique": given_point(0.5)})


def test_several_models_and_a_nameless_image() -> None:
    table = drawn(60)
    both = pl.concat([table.with_columns(model=pl.lit(name)) for name in ("a", "b")])
    with pytest.raises(GreenstickError, match="2 models"):
        judged(both)
    assert judged(both.filter(model="b")).model == "b"
    nameless = table.with_columns(
        image=pl.when(pl.int_range(pl.len()) == 1).then(None).otherwise("image")
    )
    assert judged(nameless).n_images == 60
