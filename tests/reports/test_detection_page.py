"""The page of a detector's boxes: what it shows is what the evidence says."""

import json
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from greenstick import RESEARCH_USE
from greenstick.cli import app
from greenstick.cohorts.cohort import make_cohort, write_cohort
from greenstick.errors import GreenstickError
from greenstick.evidence.detection import read_detection
from greenstick.reports.any_page import write_any_page

SECRET = "SECRETPATIENT"


def draw(folder: Path) -> None:
    """A cohort of gray images, every second one with a box, and boxes of some detector."""
    rng = np.random.default_rng(0)
    rows, found = [], []
    for i in range(48):
        name = f"scans/{SECRET}{i:02d}.png" if i == 46 else f"scans/{i:02d}.png"
        (folder / "scans").mkdir(exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (160, 120), np.uint8)).save(folder / name)
        x, y = rng.uniform(5, 60, 2).tolist()
        boxes = [{"x": x, "y": y, "width": 30.0, "height": 40.0, "class": "hand fracture"}]
        rows.append(
            {
                "image": name,
                "patient": f"{SECRET}{i:02d}",
                "label": i % 2,
                "boxes": boxes if i % 2 else [],
                "split": "valid" if i < 20 else "test",
                "body_part": "hand" if i % 3 else None,
            }
        )
        if i % 2 and i % 5:
            found.append((name, x + 3, y, 30.0, 40.0, 0.5 + i / 100))
        found.append((name, 60.0, 100.0, 20.0, 20.0, i / 100))
    write_cohort(make_cohort(pl.DataFrame(rows), folder), folder / "cohort.parquet")
    names = ["image", "x", "y", "width", "height", "score"]
    pl.DataFrame(found, schema=names, orient="row").write_csv(folder / "boxes.csv")


def evaluate(folder: Path, *words: str) -> None:
    arguments = ["evaluate", "boxes", "--truth", str(folder / "cohort.parquet"), "--split", "test"]
    arguments += ["--predictions", str(folder / "boxes.csv"), *words]
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("boxes")
    draw(folder)
    valid = ("--valid-predictions", str(folder / "boxes.csv"))
    evaluate(folder, "-o", str(folder / "out"), *valid, "--by", "body_part")
    return folder / "out"


@pytest.fixture(scope="module")
def html(judged: Path) -> str:
    return (judged / "report.html").read_text(encoding="utf-8")


def test_the_figures_of_both_sets_are_shown_with_their_intervals(judged: Path, html: str) -> None:
    test, valid = (
        read_detection(judged / "detection.json"),
        read_detection(judged / "detection_valid.json"),
    )
    assert (test.rows, valid.rows) == ("test", "valid")
    for name in ("mAP@0.5", "mAP@0.5:0.95", "precision", "recall", "image AUROC"):
        for evidence in (test, valid):
            one = evidence.estimate(name)
            assert f"{one.value:.3f}" in html
            assert f"{one.lower:.3f} to {one.upper:.3f}" in html
    assert "chosen on the validation rows" in html
    assert "precision and recall are apparent here" in html
    for alt in ("FROC curve", "AFROC curve", "Precision over recall", "Confusion matrix"):
        assert f'aria-label="{alt}' in html
    assert "hand fracture (14)" in html
    assert RESEARCH_USE in html


def test_a_subgroup_too_small_is_said_to_be(html: str) -> None:
    assert "Too small to say anything: body_part hand." in html
    assert re.search(r'<tr class="soft"><th scope="row">hand</th>', html)


def test_the_page_is_whole_in_itself_and_names_no_patient(html: str) -> None:
    class Sources(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            for name, value in attrs:
                if name in ("src", "href"):
                    assert str(value).startswith(("data:", "#"))

    Sources().feed(html)
    assert SECRET not in html


def test_best_middle_and_worst_cases_are_pictures(judged: Path, html: str) -> None:
    assert html.count('src="data:image/webp') == 16
    listed = pl.read_parquet(judged / "box_overlays.parquet")
    assert listed["kind"].unique().sort().to_list() == ["best", "false alarm", "median", "worst"]
    assert not listed["image"].str.contains(SECRET).any()
    assert all((judged / "box_overlays" / file).is_file() for file in listed["file"])
    best, worst = (listed.filter(kind=kind) for kind in ("best", "worst"))
    assert (best["found"] == 1).all()
    assert (worst["missed"] == 1).any()
    assert "ordered by F1" in html


def test_without_images_or_confidence_the_page_says_so(tmp_path: Path) -> None:
    draw(tmp_path)
    for image in (tmp_path / "scans").iterdir():
        image.unlink()
    evaluate(tmp_path, "-o", str(tmp_path / "out"))
    html = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "The image could not be opened." in html
    assert "No confidence was given" in html
    assert "No column was named to judge by" in html
    (tmp_path / "out" / "box_overlays.parquet").unlink()
    html = write_any_page(tmp_path / "out").read_text(encoding="utf-8")
    assert "No images were given with the boxes" in html


def test_what_makes_figures_untrue_stands_in_red_above_them(judged: Path, tmp_path: Path) -> None:
    values = json.loads((judged / "detection.json").read_text(encoding="utf-8"))
    values["findings"].append(
        {"code": "x", "severity": "error", "message": "Chosen here.", "rows": [], "remedy": ""}
    )
    (tmp_path / "detection.json").write_text(json.dumps(values), encoding="utf-8")
    html = write_any_page(tmp_path).read_text(encoding="utf-8")
    assert html.index("cannot be believed") < html.index('class="headline"')


def test_images_of_a_coco_file_are_found_in_the_folder_that_is_given(tmp_path: Path) -> None:
    draw(tmp_path)
    content = {
        "images": [{"id": i, "file_name": f"far/away/{i:02d}.png"} for i in range(4)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 0, "bbox": [10, 10, 30, 30]} for i in (1, 2)
        ],
        "categories": [{"id": 0, "name": "fracture"}],
    }
    found = [
        {"image_id": i, "category_id": 0, "bbox": [12, 10, 30, 30], "score": 0.5} for i in (1, 3)
    ]
    (tmp_path / "truth.json").write_text(json.dumps(content), encoding="utf-8")
    (tmp_path / "found.json").write_text(json.dumps(found), encoding="utf-8")
    words = ["--truth", tmp_path / "truth.json", "--predictions", tmp_path / "found.json"]
    words += ["--images", tmp_path / "scans", "-o", tmp_path]
    result = CliRunner().invoke(
        app, ["evaluate", "boxes", *map(str, words)], catch_exceptions=False
    )
    assert result.exit_code == 0
    listed = pl.read_parquet(tmp_path / "box_overlays.parquet")
    assert dict(listed.select("image", "kind").rows()) == {
        "02.png": "worst",
        "01.png": "best",
        "03.png": "false alarm",
    }
    assert listed["file"].null_count() == 0


def test_a_run_links_to_boxes_and_shows_those_of_its_heat_maps(
    draw_run: Callable[..., Path], judged: Path, tmp_path: Path
) -> None:
    run = draw_run(tmp_path / "run", patients=40, pictures=1, replicates=20)
    for name in ("detection.json", "heat_boxes.json"):
        shutil.copy(judged / "detection.json", run / name)
    html = write_any_page(run).read_text(encoding="utf-8")
    assert 'href="detection.html"' in html
    assert 'href="report.html"' in (run / "detection.html").read_text(encoding="utf-8")
    assert "Boxes of the heat map" in html
    rough = read_detection(run / "heat_boxes.json").estimate("mAP@0.3")
    assert f"{rough.value:.3f}" in html


def test_an_unknown_column_and_a_damaged_file_are_refused(judged: Path, tmp_path: Path) -> None:
    draw(tmp_path)
    with pytest.raises(GreenstickError, match="no column 'bodypart'"):
        evaluate(tmp_path, "-o", str(tmp_path), "--by", "bodypart")
    (tmp_path / "detection.json").write_text("{}", encoding="utf-8")
    with pytest.raises(GreenstickError, match="no evidence on boxes"):
        write_any_page(tmp_path)
