"""From a cohort to a detector, and from a detector to boxes that are judged."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from greenstick.cli import app
from greenstick.cohorts.cohort import make_cohort, read_cohort, write_cohort
from greenstick.errors import GreenstickError
from greenstick.experiments.detecting import (
    DEFAULTS,
    detector_recipe,
    find_in_cohort,
    train_detector,
)
from greenstick.models.detector_settings import DetectorSettings, read_detector_card
from greenstick.training.recipe import Augmentation

N = 48


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cohort's file: a bright square is a fracture, and one image in four has none."""
    folder = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(1)
    boxes = []
    for index in range(N):
        pixels = rng.integers(0, 60, (96, 120), dtype=np.uint8)
        x, y = (int(v) for v in rng.integers(4, 50, 2))
        if index % 4:
            pixels[y : y + 32, x : x + 36] = 240
        box = {"x": x, "y": y, "width": 36, "height": 32, "class": None}
        boxes.append([box] if index % 4 else [])
        Image.fromarray(pixels).save(folder / f"{index}.png")
    table = pl.DataFrame(
        {
            "image": [f"{i}.png" for i in range(N)],
            "label": [int(i % 4 > 0) for i in range(N)],
            "boxes": boxes,
            "split": ["train"] * 32 + ["valid"] * 8 + ["test"] * 8,
        }
    )
    write_cohort(make_cohort(table, folder), folder / "cohort.parquet")
    return folder / "cohort.parquet"


@pytest.fixture(scope="module")
def trained(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("runs") / "boxes"
    recipe = detector_recipe({"canvas_px": "64", "epochs": "7", "batch_size": "8", "lr": "0.008"})
    mild = Augmentation(rotate_degrees=0, scale=0.05, exposure=0.1, noise=0.0)
    recipe = recipe.model_copy(
        update={"precision": "32", "ema_decay": 0.8, "augmentation": mild, "flip_average": False}
    )
    settings = DetectorSettings(backbone="test_efficientnet", weights="none", width=16, depth=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GREENSTICK_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
        flags = {"accelerator": "cpu"}
        train_detector(read_cohort(squares), folder, settings, recipe, trainer_flags=flags)
    return folder


def test_recipes_are_set_by_name() -> None:
    recipe = detector_recipe({"epochs": "3", "augmentation.flip_vertical": "true"})
    assert recipe.epochs == 3
    assert recipe.augmentation.flip_vertical
    assert recipe.canvas_px == DEFAULTS["canvas_px"]
    with pytest.raises(GreenstickError, match="Recipe setting 'speed'"):
        detector_recipe({"speed": "9"})


def test_the_card_tells_confidence_and_data(trained: Path) -> None:
    card = read_detector_card(trained)
    (point,) = card.operating_points
    assert (point.rule, point.chosen_on, point.n) == ("f1", "valid", 8)
    assert 0 < point.threshold < 1
    assert (card.training_data.n_images, card.training_data.n_positive) == (32, 24)
    assert (trained / "model.onnx").is_file()


def test_boxes_of_test_images_are_found_and_judged(
    trained: Path, squares: Path, tmp_path: Path
) -> None:
    found = tmp_path / "boxes.csv"
    words = ["detector", "find", str(squares), "--model", str(trained), "--split", "test"]
    assert CliRunner().invoke(app, [*words, "-o", str(found)]).exit_code == 0
    assert set(pl.read_csv(found)["image"]) <= {f"{i}.png" for i in range(40, 48)}
    words = ["evaluate", "boxes", "--truth", str(squares), "--split", "test"]
    words += ["--predictions", str(found), "-o", str(tmp_path)]
    assert CliRunner().invoke(app, words).exit_code == 0
    evidence = json.loads((tmp_path / "detection.json").read_text(encoding="utf-8"))
    assert evidence["average_precision"][0]["value"] > 0.3
    assert (evidence["n_images"], evidence["n_fractured"]) == (8, 6)


def test_a_missing_split_or_a_broken_file_is_refused(
    trained: Path, squares: Path, tmp_path: Path
) -> None:
    cohort = read_cohort(squares)
    with pytest.raises(GreenstickError, match="no images of split 'later'"):
        find_in_cohort(trained, cohort, split="later")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    broken = make_cohort(pl.DataFrame({"image": ["broken.png"], "label": [0]}), tmp_path)
    with pytest.raises(GreenstickError, match=r"1 images cannot be read, first broken\.png"):
        find_in_cohort(trained, broken)
