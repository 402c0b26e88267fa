"""'greenstick evaluate boxes' as a user meets it."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from greenstick.cli import app, main
from greenstick.errors import GreenstickError


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    truth = {
        "images": [{"id": i, "file_name": f"{i}.png"} for i in range(20)],
        "annotations": [
            {"id": i, "image_id": i, "category_id": 0, "bbox": [10, 10, 20, 20]} for i in range(12)
        ],
        "categories": [{"id": 0, "name": "fracture"}],
    }
    found = [
        {"image_id": i, "category_id": 0, "bbox": [11, 10, 20, 20], "score": 0.05 + i / 20}
        for i in range(4, 18)
    ]
    for name, content in (("truth.json", truth), ("found.json", found)):
        (tmp_path / name).write_text(json.dumps(content), encoding="utf-8")
    return tmp_path / "truth.json", tmp_path / "found.json"


def run(*words: str | Path) -> str:
    result = CliRunner().invoke(app, ["evaluate", "boxes", *map(str, words)])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0
    return result.output


def test_a_detectors_figures_are_printed_and_written(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    truth, found = files
    out = tmp_path / "out"
    words = ("--truth", truth, "--predictions", found, "-o", out)
    printed = run(*words, "--confidence", "0.4")
    assert "mAP@0.5 " in printed
    assert "20 images of 20 patients, 12 of them" in " ".join(printed.split())
    evidence = json.loads((out / "detection.json").read_text(encoding="utf-8"))
    assert evidence["confidence"]["threshold"] == 0.4
    assert json.loads(run(*words, "--json"))["average_precision"][0]["name"] == "mAP@0.5"


def test_a_confidence_chosen_on_the_same_images_is_told(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    truth, found = files
    words = ("--truth", truth, "--predictions", found, "-o", tmp_path)
    printed = run(*words, "--valid-truth", truth, "--valid-predictions", found)
    assert "chosen on the very images" in " ".join(printed.split())
    with pytest.raises(GreenstickError, match="nothing to choose the confidence on"):
        run(*words, "--rule", "sensitivity", "--target", "0.8")
    with pytest.raises(GreenstickError, match="given, and to be chosen too"):
        run(*words, "--confidence", "0.3", "--valid-truth", truth, "--valid-predictions", found)
    with pytest.raises(GreenstickError, match="nan is no confidence"):
        run(*words, "--confidence", "nan")
    with pytest.raises(GreenstickError, match=r"no folder .*nowhere of images"):
        run(*words, "--images", tmp_path / "nowhere")
    with pytest.raises(GreenstickError, match="no rule 'best'"):
        run(*words, "--valid-truth", truth, "--valid-predictions", found, "--rule", "best")


def test_a_file_in_the_place_of_the_folder_is_told_on_one_line(
    files: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    truth, found = files
    words = ["--truth", str(truth), "--predictions", str(found), "-o", str(found)]
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setattr("sys.argv", ["greenstick", "evaluate", "boxes", *words])
    with pytest.raises(SystemExit):
        main()
    said = capsys.readouterr().err
    assert "there is a file where a folder is wanted" in said
    assert "Traceback" not in said
