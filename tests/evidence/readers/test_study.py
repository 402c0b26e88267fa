from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from greenstick.decision.operating_points import given_point
from greenstick.errors import GreenstickError
from greenstick.evidence.readers.records import ReaderStudy
from greenstick.evidence.readers.study import judge_readers, read_reader_study, write_reader_study
from greenstick.scores import read_scores

VAN_DYKE = Path(__file__).parent / "van_dyke.csv"


def drawn(
    readers: int = 3, n: int = 80, modalities: tuple[str, ...] = ("without AI", "with AI")
) -> pl.DataFrame:
    """Draw calls of 0 and 1, better with AI."""
    generator = np.random.default_rng(0)
    labels = np.arange(n) % 2
    truth = generator.normal(size=n) + 1.2 * labels
    parts = []
    for m, modality in enumerate(modalities):
        for r in range(readers):
            seen = truth + (0.9 - 0.6 * m) * generator.normal(size=n)
            parts.append(
                pl.DataFrame(
                    {
                        "image": [f"{i}.png" for i in range(n)],
                        "label": labels,
                        "reader": f"r{r}",
                        "modality": modality,
                        "score": (seen > 0.6).astype(float),
                    }
                )
            )
    return pl.concat(parts)


def model_of(table: pl.DataFrame) -> pl.DataFrame:
    generator = np.random.default_rng(9)
    images = table.select("image", "label").unique(maintain_order=True)
    logits = 2 * images["label"].to_numpy() + generator.normal(size=images.height)
    return images.with_columns(score=pl.Series(logits / 6).clip(0, 1))


@pytest.fixture(scope="module")
def study() -> ReaderStudy:
    table = drawn()
    return judge_readers(table, model=model_of(table), point=given_point(0.2))


def test_each_reader_has_the_shares_that_counting_gives(study: ReaderStudy) -> None:
    table = drawn()
    assert [(r.reader, r.modality) for r in study.results][:2] == [
        ("r0", "without AI"),
        ("r1", "without AI"),
    ]
    for result in study.results:
        mine = table.filter(reader=result.reader, modality=result.modality)
        expected = {
            "sensitivity": mine.filter(label=1)["score"].mean(),
            "specificity": 1 - mine.filter(label=0)["score"].mean(),
        }
        assert {e.name: e.value for e in result.estimates} == pytest.approx(expected)
        assert result.roc[0].sensitivity == pytest.approx(expected["sensitivity"])
        assert result.roc[0].specificity == pytest.approx(expected["specificity"])
        assert all(e.lower < e.value < e.upper for e in result.estimates)


def test_ai_is_compared_reader_by_reader_and_over_all(study: ReaderStudy) -> None:
    assert [(c.reader, c.first, c.second) for c in study.contrasts] == [
        (f"r{r}", "without AI", "with AI") for r in range(3)
    ]
    by_reader = [c.differences[0].difference for c in study.contrasts]
    random, fixed = (m for m in study.all_readers if m.figure == "sensitivity")
    gap = random.contrasts[0].difference
    assert gap.difference == pytest.approx(np.mean(by_reader))
    assert fixed.contrasts[0].difference.difference == pytest.approx(gap.difference)
    assert (random.readers, fixed.readers) == ("random", "fixed")
    assert gap.name == "sensitivity"


def test_the_reference_is_what_others_are_compared_with() -> None:
    found = judge_readers(drawn(), reference="with AI")
    assert found.modalities == ["with AI", "without AI"]
    assert {c.first for c in found.contrasts} == {"with AI"}
    with pytest.raises(GreenstickError, match="no modality 'AI'"):
        judge_readers(drawn(), reference="AI")


def test_agreement_of_each_pair_and_of_all(study: ReaderStudy) -> None:
    alone = [a for a in study.agreement if a.modality == "without AI"]
    assert [a.readers for a in alone] == [
        ["r0", "r1"],
        ["r0", "r2"],
        ["r1", "r2"],
        ["r0", "r1", "r2"],
    ]
    assert [a.estimates[0].name for a in alone] == ["Cohen's kappa"] * 3 + ["Fleiss' kappa"]


def test_the_model_stands_beside_each_reader_and_their_mean(study: ReaderStudy) -> None:
    model = study.model
    assert model is not None
    named = {e.name: e.value for e in model.estimates}
    sensitivity = model.by_reader[0].differences[0]
    assert sensitivity.second == pytest.approx(named["sensitivity"])
    first = study.results[0].estimates[0].value
    assert sensitivity.first == pytest.approx(first)
    against = model.against_readers[0].differences[0]
    mean = np.mean([r.estimates[0].value for r in study.results[:3]])
    assert against.first == pytest.approx(mean)
    assert against.difference == pytest.approx(named["sensitivity"] - mean)
    assert len(model.roc.x) == len(model.roc.y) > 100


def test_ordinal_ratings_have_areas_and_no_calls_unless_told() -> None:
    table = read_scores(VAN_DYKE)
    found = judge_readers(table)
    assert (found.binary, found.call_from) == (False, None)
    assert {e.name for r in found.results for e in r.estimates} == {"AUROC"}
    assert {f.code for f in found.findings} >= {"no-call", "read-by-all"}
    assert {e.name for a in found.agreement for e in a.estimates} == {
        "Cohen's kappa",
        "weighted kappa",
        "Fleiss' kappa",
    }
    called = judge_readers(table, call_from=3)
    assert [e.name for e in called.results[0].estimates] == ["AUROC", "sensitivity", "specificity"]
    at_three = next(p for p in called.results[0].roc if p.threshold == 3)
    assert at_three.sensitivity == pytest.approx(called.results[0].estimates[1].value)


def test_an_image_that_one_reader_skipped_counts_for_the_others() -> None:
    found = judge_readers(drawn().slice(1))
    assert "images-not-read-by-all" in {f.code for f in found.findings}
    assert [r.estimates[1].n_images for r in found.results[:2]] == [39, 40]
    assert found.all_readers[0].means[0].n_images == 40  # the skipped one has no fracture
    assert found.all_readers[2].means[0].n_images == 39


def test_a_single_reader_without_modality_is_judged_too() -> None:
    table = drawn(readers=1, modalities=("x",)).drop("modality")
    found = judge_readers(table.rename({"image": "case"}))
    assert found.modalities == ["unaided"]
    assert [m.readers for m in found.all_readers] == ["fixed", "fixed"]
    assert not found.contrasts
    assert not found.agreement


def test_several_images_of_a_patient_widen_the_intervals() -> None:
    table = drawn()
    number = pl.col("image").str.strip_suffix(".png").cast(pl.Int64)
    copied = pl.concat(
        [
            table.with_columns(image=pl.format("{}-{}", "image", pl.lit(k)), patient=number)
            for k in range(4)
        ]
    )
    plain, often = judge_readers(table), judge_readers(copied)
    for one, many in zip(plain.all_readers, often.all_readers, strict=True):
        a, b = one.contrasts[0].difference, many.contrasts[0].difference
        assert b.difference == pytest.approx(a.difference)
        assert (b.lower, b.upper) == pytest.approx((a.lower, a.upper))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda t: t.drop("reader"), "no column 'reader'"),
        (lambda t: pl.concat([t, t.head(1)]), "another row lists too"),
        (
            lambda t: pl.concat([t.head(1).with_columns(label=1 - pl.col("label")), t[1:]]),
            "disagree on",
        ),
        (lambda t: t.with_columns(label=pl.lit(1)), "one class"),
        (lambda t: t.filter((pl.col("reader") != "r1") | (pl.col("label") == 1)), "r1 rated"),
        (lambda t: t.with_columns(pl.col("reader").replace("r1", None)), "name no reader"),
    ],
)
def test_what_is_no_reader_study_is_refused(
    change: Callable[[pl.DataFrame], pl.DataFrame], what: str
) -> None:
    with pytest.raises(GreenstickError, match=what):
        judge_readers(change(drawn()))


def test_a_model_must_have_scored_what_readers_read() -> None:
    table = drawn()
    model = model_of(table)
    with pytest.raises(GreenstickError, match="model has 79"):
        judge_readers(table, model=model.slice(1))
    with pytest.raises(GreenstickError, match="disagree on the label"):
        judge_readers(table, model=model.with_columns(label=1 - pl.col("label")))


def test_a_study_survives_json(study: ReaderStudy, tmp_path: Path) -> None:
    write_reader_study(study, tmp_path / "readers.json")
    assert read_reader_study(tmp_path / "readers.json") == study
    (tmp_path / "other.json").write_text("{}")
    with pytest.raises(GreenstickError, match="no reader study"):
        read_reader_study(tmp_path / "other.json")
    assert not study.untrue


@pytest.mark.parametrize("positives", [1, 6])
def test_whole_numbers_and_a_single_fracture_are_judged(positives: int, tmp_path: Path) -> None:
    generator = np.random.default_rng(2)
    rows = [
        {"image": f"{i}", "label": int(i < positives), "reader": f"r{r}", "modality": m, "score": s}
        for m in ("without", "with")
        for r in range(3)
        for i, s in enumerate(generator.integers(1, 6, 20).tolist())
    ]
    study = judge_readers(pl.DataFrame(rows), call_from=3)
    write_reader_study(study, tmp_path / "readers.json")
    assert read_reader_study(tmp_path / "readers.json") == study


def test_a_rating_that_nobody_gives_is_no_limit() -> None:
    table = read_scores(VAN_DYKE)
    assert "one-call-only" in [f.code for f in judge_readers(table, call_from=9).findings]
    assert "one-call-only" not in [f.code for f in judge_readers(table, call_from=3).findings]
