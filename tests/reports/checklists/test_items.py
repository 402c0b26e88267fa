import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from greenstick.decision.operating_points import given_point
from greenstick.evidence.evidence import evaluate, read_evidence, write_evidence
from greenstick.reports.checklists.items import ANSWERS, LISTS, fill, read_checklist
from greenstick.reports.contents import read_contents
from greenstick.reports.page import write_report


@pytest.fixture(scope="module")
def run(draw_run, tmp_path_factory) -> Path:
    return draw_run(tmp_path_factory.mktemp("runs") / "one", patients=80)


def filled(run: Path) -> dict[str, dict[str, object]]:
    contents = read_contents(run)
    return {
        name: {one.item.number: one.answer for one in fill(read_checklist(name), contents)}
        for name in LISTS
    }


def test_the_lists_are_whole():
    claim, tripod = (read_checklist(name) for name in LISTS)
    assert [item.number for item in claim.items] == [str(n) for n in range(1, 45)]
    numbers = [item.number for item in tripod.items]
    assert len(numbers) == len(set(numbers)) == 52
    whole = {int(number.rstrip("abcdefg")) for number in numbers}
    assert whole == set(range(1, 28))
    assert "Tejani" in claim.source
    assert "Collins" in tripod.source


def test_every_answer_is_asked_for_and_every_asked_one_exists():
    items = [item for name in LISTS for item in read_checklist(name).items]
    assert {item.answer for item in items} - {None} == set(ANSWERS)
    assert not any(item.rest for item in items if item.answer is None)


def test_every_answered_item_has_text_and_files_that_are_there(run):
    there = {file.name for file in run.rglob("*")} | {"models/"}
    answers = [answer for one in filled(run).values() for answer in one.values() if answer]
    assert len(answers) > 40
    for answer in answers:
        assert len(answer.text) > 5
        assert "None" not in answer.text
        assert answer.files
        assert set(answer.files) <= there


def test_answers_say_what_the_files_hold(run):
    claim = filled(run)["claim"]
    evidence = read_evidence(run / "evidence.json")
    area, found = evidence.estimate("AUROC"), evidence.estimate("sensitivity")
    assert f"AUROC {area.value:.3f} (95% {area.lower:.3f} to {area.upper:.3f})" in claim["37"].text
    assert f"sensitivity {found.value:.3f}" in claim["38"].text
    told = evidence.confusion
    assert f"{told.fn} missed, {told.fp} false alarms" in claim["39"].text
    assert "torch 2.14.1" in claim["23"].text
    assert claim["20"].text == "By patient: none has images on two sides of a split."
    splits = pl.read_parquet(run / "splits.parquet").filter(split="test").height
    assert f"Test: {splits} images" in claim["36"].text.replace("test:", "Test:")
    assert "6 copies of another image; 3 that do not decode fully" in claim["8"].text


@pytest.mark.parametrize(
    ("missing", "number"),
    [
        ("environment.json", "23"),
        ("splits.parquet", "19"),
        ("splits.parquet", "35"),
        ("audit.json", "8"),
        ("history.parquet", "26"),
        ("overlays.parquet", "39"),
        ("explanations.parquet", "31"),
    ],
)
def test_what_a_missing_file_would_answer_is_for_the_author(run, tmp_path, missing, number):
    fresh = shutil.copytree(run, tmp_path / "fresh")
    assert filled(fresh)["claim"][number] is not None
    (fresh / missing).unlink()
    assert filled(fresh)["claim"][number] is None


def test_scores_from_elsewhere_answer_only_what_scores_can(tmp_path):
    label = np.array([0, 1] * 30)
    score = np.linspace(0.1, 0.9, 60)
    table = pl.DataFrame({"image": [f"{i}" for i in range(60)], "label": label, "score": score})
    table.write_parquet(tmp_path / "scores.parquet")
    evidence = evaluate(table, point=given_point(0.5), rows="test", replicates=20)
    write_evidence(evidence, tmp_path / "evidence.json")
    claim = filled(tmp_path)["claim"]
    answered = {number for number, answer in claim.items() if answer}
    assert {"21", "28", "29", "37", "38"} <= answered
    assert not answered & {"7", "8", "9", "19", "20", "22", "23", "24", "25", "35", "43"}


def test_the_page_lies_beside_the_report_and_names_no_patient(run):
    write_report(run)
    html = (run / "checklist.html").read_text(encoding="utf-8")
    assert html.count('<span class="author">for the author</span>') > 20
    assert "SECRET" not in html
    assert "Research use only" in html
    assert 'href="report.html"' in html
    assert 'href="checklist.html"' in (run / "report.html").read_text(encoding="utf-8")
