import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, roc_auc_score

from greenstick import RESEARCH_USE
from greenstick.decision.operating_points import given_point
from greenstick.errors import GreenstickError
from greenstick.evidence.evidence import evaluate, read_evidence, write_evidence
from greenstick.reports.page import write_report

VOID = {"meta", "link", "img", "input", "br", "hr"}


class Page(HTMLParser):
    """What a browser would see: tags, ids, links, text; and whether every tag is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        assert self._open == [], f"left open: {self._open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


def report_of(run: Path) -> Page:
    return Page(write_report(run).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(draw_run, tmp_path_factory) -> Path:
    return draw_run(tmp_path_factory.mktemp("runs") / "one")


@pytest.fixture
def fresh(run, tmp_path) -> Path:
    """Return a copy of the run that a test may break."""
    return shutil.copytree(run, tmp_path / "fresh", ignore=shutil.ignore_patterns("report.html"))


@pytest.fixture(scope="module")
def page(run) -> Page:
    return report_of(run)


def test_page_needs_no_network_and_refuses_any(run):
    html = write_report(run).read_text(encoding="utf-8")
    page = Page(html)
    links = [value or "" for _, attrs in page.tags for key, value in attrs.items()
             if key in {"src", "href", "xlink:href", "srcset", "action"}]  # fmt: skip
    assert links
    outer = {link.split(":")[0] for link in links if not link.startswith("#")}
    assert outer == {"data", "checklist.html"}
    assert "://" not in html
    assert "@import" not in html
    assert "url(" not in html.replace("url(#", "")
    policy = [one["content"] for one in page.all("meta") if "http-equiv" in one]
    assert policy[0].startswith("default-src 'none'; img-src data:")
    assert not any("src" in one for one in page.all("script"))


def test_ids_are_unique_and_every_inner_link_has_a_target(page):
    ids = Counter(attrs["id"] for _, attrs in page.tags if "id" in attrs)
    assert [name for name, n in ids.items() if n > 1] == []
    inner = {
        value[1:]
        for _, attrs in page.tags
        for key, value in attrs.items()
        if key in {"href", "xlink:href"} and value and value.startswith("#")
    }
    clips = {attrs["clip-path"][5:-1] for _, attrs in page.tags if "clip-path" in attrs}
    assert clips
    assert inner | clips <= set(ids)


def test_every_picture_says_in_words_what_it_shows(run, page):
    assert len(page.all("img")) == pl.read_parquet(run / "overlays.parquet").height > 12
    assert all(attrs["alt"] for attrs in page.all("img"))
    figures = [attrs for attrs in page.all("svg") if attrs.get("role") == "img"]
    assert len(figures) >= 7
    assert all(attrs["aria-label"] and attrs["viewbox"] for attrs in figures)
    assert all(attrs.get("aria-hidden") for attrs in page.all("svg") if "role" not in attrs)


def test_numbers_are_those_of_an_independent_computation(run, page):
    test = pl.read_parquet(run / "scores.parquet").filter(split="test")
    label, score = test["label"].to_numpy(), test["score"].to_numpy()
    assert f"AUROC {roc_auc_score(label, score):.3f}" in page.text
    assert f"Average precision {average_precision_score(label, score):.3f}" in page.text
    point = read_evidence(run / "evidence.json").operating_point
    found = int(((score >= point.threshold) & (label == 1)).sum())
    cleared = int(((score < point.threshold) & (label == 0)).sum())
    assert f"{found} of {label.sum()} radiographs with a fracture found." in page.text
    assert f"{cleared} of {(label == 0).sum()} radiographs without one cleared." in page.text
    assert f"{100 * found / label.sum():.1f}%" in page.text
    patients = test["patient"].n_unique()
    assert f"{len(test)} radiographs of {patients} patients" in page.text


def test_research_use_is_said_at_the_top_and_at_the_end_and_on_paper(run, page):
    assert page.text.count(RESEARCH_USE) >= 3


def test_no_patient_is_named(run):
    html = write_report(run).read_text(encoding="utf-8")
    assert "SECRET" not in html
    assert "IMG0" in html


def test_markup_in_names_is_shown_and_not_obeyed(page):
    assert page.all("first") == []
    assert "Hands & legs <first>" in page.text


def test_same_run_gives_the_same_page(run):
    once = write_report(run).read_bytes()
    assert write_report(run).read_bytes() == once
    assert list(run.glob("*.part")) == []


def test_settings_environment_and_provenance_are_shown(page):
    assert "epochs = 12 # times through the training images" in page.text
    assert "seconds of training 412.3" in page.text
    assert "youden validation rows" in page.text
    assert "started from mobilenetv2_100.imagenet1001.safetensors" in page.text


def test_a_threshold_chosen_on_test_rows_is_told_in_red_before_the_numbers(draw_run, tmp_path):
    run = draw_run(tmp_path / "bad", chosen_on="test")
    html = write_report(run).read_text(encoding="utf-8")
    assert html.index('class="grave"') < html.index('class="headline"')
    assert "threshold-chosen-on-evaluated-rows" in Page(html).text
    assert "No patient among them was trained or tuned on" not in html


def test_a_good_run_has_nothing_in_red_above_the_numbers(page):
    assert not any(attrs.get("class") == "grave" for _, attrs in page.tags)
    assert "No patient among them was trained or tuned on." in page.text


def test_a_patient_on_two_sides_is_told_in_red(fresh):
    table = pl.read_parquet(fresh / "cohort.parquet")
    several = table.filter(pl.col("patient").is_duplicated()).head(1)["patient"][0]
    images = table.filter(patient=several)["image"].to_list()
    side = pl.when(pl.col("image") == images[0]).then(pl.lit("train"))
    side = side.when(pl.col("image") == images[1]).then(pl.lit("test")).otherwise("split")
    splits = pl.read_parquet(fresh / "splits.parquet").with_columns(split=side)
    splits.write_parquet(fresh / "splits.parquet")
    text = report_of(fresh).text
    assert "1 patient with images on two sides of a split." in text
    assert "No patient is on two sides" not in text


def test_every_fold_has_its_row_and_the_pooled_numbers_lead(draw_run, tmp_path):
    run = draw_run(tmp_path / "folds", folds=5)
    page = report_of(run)
    test = pl.read_parquet(run / "scores.parquet").filter(split="test")
    assert f"AUROC {roc_auc_score(test['label'], test['score']):.3f}" in page.text
    for (fold,), part in test.group_by("fold"):
        area = roc_auc_score(part["label"], part["score"])
        assert f"{fold} {len(part)} {part['label'].sum()} {area:.3f}" in page.text
    assert "Threshold (fold 3)" in page.text
    assert "the first of 5" in page.text


def test_what_is_missing_is_said(draw_run, tmp_path):
    run = draw_run(tmp_path / "bare", boxes=False, pictures=0)
    for name in ("audit.json", "environment.json", "history.parquet", "overlays.parquet"):
        (run / name).unlink()
    text = report_of(run).text
    assert "No boxes in this cohort, so where the model looks was not measured." in text
    assert "This run keeps no audit" in text
    assert "This run keeps no record of its environment." in text
    assert "This run keeps no training history" in text
    assert "This run keeps no pictures of single cases." in text


def test_scores_from_elsewhere_get_a_page_too(tmp_path):
    rng = np.random.default_rng(1)
    label = rng.integers(0, 2, 200)
    scores = pl.DataFrame(
        {
            "image": [f"{i}.png" for i in range(200)],
            "label": label,
            "score": 3 * label + rng.normal(0, 2, 200),
        }
    )
    scores = scores.with_columns(split=pl.lit(2), model=pl.lit(7))  # numbers, not names
    scores.write_parquet(tmp_path / "scores.parquet")
    evidence = evaluate(scores, point=given_point(1.5), rows="2", replicates=100)
    write_evidence(evidence, tmp_path / "evidence.json")
    text = report_of(tmp_path).text
    assert "These scores are no probabilities, so calibration was not measured." in text
    assert "it judges scores that were made elsewhere" in text
    assert tmp_path.name in text


def test_rows_of_one_class_get_a_page_without_curves(tmp_path):
    scores = pl.DataFrame(
        {"image": list("abcdef"), "label": [0] * 6, "score": [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]}
    )
    scores.write_parquet(tmp_path / "scores.parquet")
    write_evidence(evaluate(scores, rows="all", replicates=100), tmp_path / "evidence.json")
    text = report_of(tmp_path).text
    assert "These rows hold only one class, so ranking could not be measured." in text
    assert "No operating point was given" in text


def test_many_large_overlays_stay_within_three_megabytes(draw_run, tmp_path):
    run = draw_run(tmp_path / "large", patients=900, pictures=30, separation=1.0)
    noise = np.random.default_rng(0).integers(0, 255, (900, 900, 3), dtype=np.uint8)
    files = list((run / "overlays").glob("*.png"))
    Image.fromarray(noise).save(files[0], compress_level=0)
    for file in files[1:]:
        file.write_bytes(files[0].read_bytes())
    assert len(report_of(run).all("img")) == 36
    assert (run / "report.html").stat().st_size < 3_000_000


def test_a_lost_picture_is_said_and_the_rest_shown(fresh):
    files = sorted((fresh / "overlays").glob("*.png"))
    files[0].unlink()
    files[1].write_bytes(b"no picture")
    page = report_of(fresh)
    assert len(page.all("img")) == len(files) - 2
    assert page.text.count("The picture is missing from the run folder.") == 2


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(GreenstickError, match="is no run folder"):
        write_report(tmp_path)
    with pytest.raises(GreenstickError, match="There is no run folder"):
        write_report(tmp_path / "absent")


def test_an_unfinished_run_is_refused(fresh):
    (fresh / "evidence.json").unlink()
    with pytest.raises(GreenstickError, match="is not finished") as caught:
        write_report(fresh)
    assert "greenstick experiment run" in caught.value.remedy
    assert not (fresh / "report.html").exists()


@pytest.mark.parametrize(
    "name",
    [
        "scores.parquet",
        "splits.parquet",
        "history.parquet",
        "overlays.parquet",
        "audit.json",
        "environment.json",
        "experiment.toml",
        "models/fold-0/card.json",
        "evidence.json",
    ],
)
def test_a_damaged_file_is_named(fresh, name):
    (fresh / name).write_bytes(b"\x00 not what it was")
    with pytest.raises(GreenstickError, match=Path(name).name):
        write_report(fresh)


def test_a_table_without_its_column_is_named(fresh):
    pl.read_parquet(fresh / "history.parquet").drop("valid_auroc").write_parquet(
        fresh / "history.parquet"
    )
    with pytest.raises(GreenstickError, match="valid_auroc"):
        write_report(fresh)
    (fresh / "history.parquet").unlink()
    (fresh / "scores.parquet").unlink()
    with pytest.raises(GreenstickError, match=r"scores\.parquet is missing"):
        write_report(fresh)


def test_unnamed_patients_are_said_and_not_counted(fresh):
    for name in ("cohort", "scores"):
        table = pl.read_parquet(fresh / f"{name}.parquet")
        patient = pl.lit(None, dtype=pl.String)
        table.with_columns(patient=patient).write_parquet(fresh / f"{name}.parquet")
    text = report_of(fresh).text
    assert "No patients are named" in text
    assert "No patient among them was trained" not in text
    assert "it is not known whether a patient is on two sides" in text


def test_what_calibration_is_made_of_is_said(run, page):
    evidence = read_evidence(run / "evidence.json")
    assert f"Brier score {evidence.brier_parts.brier:.3f} = reliability" in page.text
    assert f"p = {evidence.tests[0].p_value:.3f}" in page.text
    assert f"Temperature ({evidence.calibrator.value:.3f})" in page.text


def test_optimism_and_the_spread_of_thresholds_are_shown(draw_run, tmp_path):
    run = draw_run(tmp_path / "folds", folds=5)
    evidence = read_evidence(run / "evidence.json")
    text = report_of(run).text
    (one,) = (one for one in evidence.optimism if one.name == "sensitivity")
    gap = f"{one.apparent - one.nested:+.3f}".replace("-", "−")
    assert f"Sensitivity {one.nested:.3f} {one.apparent:.3f} {gap}" in text
    chosen = np.array([point.threshold for point in evidence.operating_points])
    said = ", ".join(f"{v:.3f}" for v in (chosen.min(), np.median(chosen), chosen.max()))
    assert f"Lowest, median, highest {said}" in text
    assert f"Standard deviation {chosen.std(ddof=1):.3f}" in text


def test_net_benefit_is_drawn_where_scores_are_probabilities(run, page):
    assert "Net benefit" in page.text
    labels = [attrs["aria-label"] for attrs in page.all("svg") if "aria-label" in attrs]
    assert any(label.startswith("Decision curve: the model is above") for label in labels)


def test_subgroups_too_small_to_say_anything_are_named(run, page):
    evidence = read_evidence(run / "evidence.json")
    small = [one.value for one in evidence.subgroups if one.too_small]
    large = [one.value for one in evidence.subgroups if not one.too_small]
    assert small
    assert large
    said = ", ".join(f"body part {value}" for value in small)
    assert f"Too small to say anything: {said}." in page.text
    (drawn,) = (a["aria-label"] for a in page.all("svg") if "body part" in a.get("aria-label", ""))
    assert all(value in drawn for value in [*small, *large])
    for one in evidence.subgroups:
        for e in one.estimates:
            if e.value is not None:
                assert f"{e.value:.3f} {e.lower:.3f} to {e.upper:.3f}" in page.text


def test_stated_prevalence_and_partial_auroc_have_their_line(tmp_path):
    rng = np.random.default_rng(3)
    label = rng.integers(0, 2, 120)
    score = 1 / (1 + np.exp(-(2 * label - 1 + rng.normal(0, 1, 120))))
    table = pl.DataFrame({"image": [f"{i}" for i in range(120)], "label": label, "score": score})
    evidence = evaluate(
        table, point=given_point(0.5), rows="test", prevalence=0.05, specificities=(0.8, 1.0),
        replicates=50,
    )  # fmt: skip
    table.write_parquet(tmp_path / "scores.parquet")
    write_evidence(evidence, tmp_path / "evidence.json")
    text = report_of(tmp_path).text
    ppv = evidence.estimate("PPV at prevalence 0.05")
    assert f"PPV at prevalence 0.05 {ppv.value:.3f} {ppv.lower:.3f} to {ppv.upper:.3f}" in text
    partial = next(one for one in evidence.discrimination if one.name.startswith("partial"))
    assert f"{partial.name[0].upper()}{partial.name[1:]}: {partial.value:.3f}" in text
