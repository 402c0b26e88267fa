"""Detectors of other libraries go through the same training, and say whose they are."""

from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from greenstick.cli import app
from greenstick.cohorts.cohort import make_cohort, write_cohort
from greenstick.experiments import detecting
from greenstick.models.detector_backends import backend_of
from greenstick.models.detector_checkpoint import load_detector, save_detector
from greenstick.models.detector_settings import read_detector_card

SETTINGS = {
    "canvas_px": 64,
    "epochs": 1,
    "batch_size": 4,
    "precision": 32,
    "augmentation.rotate_degrees": 0,
}


def needs(package: str) -> None:
    if find_spec(package) is None:  # ultralytics is imported with care, or not at all
        pytest.skip(f"{package}, an extra, is not installed")


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(1)
    for index in range(12):
        pixels = rng.integers(0, 60, (64, 64), dtype=np.uint8)
        pixels[10:30, index : index + 20] = 240 if index % 4 else 30
        Image.fromarray(pixels).save(folder / f"{index}.png")
    boxes = [
        [{"x": i, "y": 10, "width": 20, "height": 20, "class": None}] if i % 4 else []
        for i in range(12)
    ]
    table = pl.DataFrame(
        {
            "image": [f"{i}.png" for i in range(12)],
            "label": [int(i % 4 > 0) for i in range(12)],
            "boxes": boxes,
            "split": ["train"] * 8 + ["valid"] * 4,
        },
        schema_overrides={
            "boxes": pl.List(
                pl.Struct(
                    {
                        "x": pl.Float64,
                        "y": pl.Float64,
                        "width": pl.Float64,
                        "height": pl.Float64,
                        "class": pl.String,
                    }
                )
            )
        },
    )
    write_cohort(make_cohort(table, folder), folder / "cohort.parquet")
    return folder / "cohort.parquet"


@pytest.mark.parametrize("backbone", ["yolov8n", "dfine_test", "rtdetr_test"])
def test_it_is_trained_and_says_whose_it_is(
    backbone: str, squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backend = backend_of(backbone)
    needs(backend.package)
    monkeypatch.setenv("GREENSTICK_CACHE", str(tmp_path / "cache"))
    # Exports, and what looks at films by them, have tests of their own.
    monkeypatch.setattr(detecting, "save_detector", partial(save_detector, onnx=False))
    monkeypatch.setattr(detecting, "note_familiar", lambda *_, **__: None)
    words = ["detector", "train", str(squares), "-o", str(tmp_path / "boxes")]
    words += ["--backbone", backbone, "--weights", "none"]
    for name, value in SETTINGS.items():
        words += ["--set", f"{name}={value}"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert ("AGPL-3.0" in result.output) == (backend.extra == "yolo")
    card = read_detector_card(tmp_path / "boxes")
    assert card.license == backend.license
    assert (card.flip_average, card.merge_iou) == ((False, 1.0) if backend.sets else (True, 0.5))
    model, _ = load_detector(tmp_path / "boxes")
    assert model.origin == "from scratch"


def test_weights_that_are_pickles_are_refused_in_a_line(squares: Path, tmp_path: Path) -> None:
    needs("ultralytics")
    (tmp_path / "n.pt").write_bytes(b"\x80\x04.")
    words = ["detector", "train", str(squares), "-o", str(tmp_path / "boxes")]
    words += ["--backbone", "yolov8n", "--weights", str(tmp_path / "n.pt")]
    result = CliRunner().invoke(app, [*words, "--set", "canvas_px=64"])
    assert result.exit_code == 1
    assert "n.pt is no safetensors file" in str(result.exception)


@pytest.mark.parametrize("backbone", ["yolov8n", "dfine_test"])
def test_a_side_that_is_no_multiple_of_32_is_refused(
    backbone: str, squares: Path, tmp_path: Path
) -> None:
    needs(backend_of(backbone).package)
    words = ["detector", "train", str(squares), "-o", str(tmp_path), "--backbone", backbone]
    result = CliRunner().invoke(app, [*words, "--set", "canvas_px=72"])
    assert result.exit_code == 1
    assert "recipe.canvas_px = 72" in str(result.exception)
