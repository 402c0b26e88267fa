"""From a cohort to a detector, and from a detector to boxes that are judged."""

import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from greenstick.cli import app
from greenstick.cohorts.cohort import make_cohort, read_cohort, write_cohort
from greenstick.cohorts.pixels import open_pixel_store
from greenstick.errors import GreenstickError
from greenstick.experiments.detecting import (
    DEFAULTS,
    box_classes,
    detector_recipe,
    taught,
    tile_side,
    train_detector,
)
from greenstick.experiments.familiarity import note_familiar
from greenstick.experiments.finding import (
    calibrate_detector,
    decode,
    find_in_cohort,
    write_boxes,
)
from greenstick.models.card import CardOperatingPoint
from greenstick.models.detector import build_detector
from greenstick.models.detector_checkpoint import save_detector
from greenstick.models.detector_settings import (
    DetectorCard,
    DetectorSettings,
    manner_of,
    read_detector_card,
)
from greenstick.models.familiar import FAMILIAR, read_familiar
from greenstick.reading.boxes import BoxFinder
from greenstick.reading.reader import Reader
from greenstick.training.find import find_boxes
from greenstick.training.recipe import Augmentation

N = 48
TINY = DetectorSettings(backbone="test_efficientnet", weights="none", width=16, depth=1)


@pytest.fixture(scope="module")
def squares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a cohort's file: a square is a fracture, and one image in four has none.

    Bright ones are new, those of a middle gray are old.
    """
    folder = tmp_path_factory.mktemp("squares")
    rng = np.random.default_rng(1)
    boxes = []
    for index in range(N):
        pixels = rng.integers(0, 60, (96, 120), dtype=np.uint8)
        x, y = (int(v) for v in rng.integers(4, 50, 2))
        new = index % 4 != 3
        if index % 4:
            pixels[y : y + 32, x : x + 36] = 240 if new else 130
        kind = "new" if new else "old"
        box = {"x": x, "y": y, "width": 36, "height": 32, "class": kind}
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
    folder = tmp_path_factory.mktemp("runs") / "boxes"
    return train_on(squares, folder, epochs=7)


@pytest.fixture(scope="module")
def of_two_classes(squares: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "classes"
    classes = box_classes(read_cohort(squares), "by-box")
    return train_on(squares, folder, epochs=6, classes=classes)


def train_on(
    cohort: Path, folder: Path, *, epochs: int, classes: tuple[str, ...] = ("fracture",)
) -> Path:
    torch.set_num_threads(1)
    recipe = detector_recipe({"canvas_px": "64", "batch_size": "8", "lr": "0.008"})
    mild = Augmentation(rotate_degrees=0, scale=0.05, exposure=0.05, noise=0.0)
    changed = {"precision": "32", "ema_decay": 0.8, "augmentation": mild, "flip_average": False}
    recipe = recipe.model_copy(update={**changed, "epochs": epochs, "rare_below": 0.5})
    settings = TINY.model_copy(update={"classes": classes})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GREENSTICK_CACHE", str(folder.parent / "cache"))
        flags = {"accelerator": "cpu"}
        train_detector(read_cohort(cohort), folder, settings, recipe, trainer_flags=flags)
    return folder


def test_another_detector_is_not_replaced_unasked(trained: Path, squares: Path) -> None:
    before = (trained / "model.safetensors").read_bytes()
    with pytest.raises(GreenstickError, match="holds a detector of other settings"):
        train_on(squares, trained, epochs=8)
    assert (trained / "model.safetensors").read_bytes() == before
    train_on(squares, trained, epochs=7)  # the same one is there already
    assert (trained / "model.safetensors").read_bytes() == before


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
    words += ["--predictions", str(found), "--any-class", "-o", str(tmp_path)]
    assert CliRunner().invoke(app, words).exit_code == 0
    evidence = json.loads((tmp_path / "detection.json").read_text(encoding="utf-8"))
    assert evidence["average_precision"][0]["value"] > 0.3
    assert (evidence["n_images"], evidence["n_fractured"]) == (8, 6)


def test_a_detector_answers_once_it_is_held_against_images_without_a_fracture(
    trained: Path, squares: Path, tmp_path: Path
) -> None:
    assert read_detector_card(trained).answer is None  # two such images are too few
    alone = tmp_path / "alone"
    shutil.copytree(trained, alone)
    with pytest.raises(GreenstickError, match="6 show a fracture and 2 none"):
        calibrate_detector(read_cohort(squares), alone)
    with pytest.raises(GreenstickError, match="trained on the images of 'train'"):
        calibrate_detector(read_cohort(squares), alone, split="train")
    cohort, everything = read_cohort(squares), squares.parent / "all.parquet"
    more = cohort.with_table(cohort.table.with_columns(split=pl.lit("test")))
    write_cohort(more, everything)
    words = ["detector", "calibrate", str(everything), "--model", str(alone), "--split", "test"]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    assert "fitted on 48 images of 'test', 36 with a fracture" in " ".join(result.output.split())
    answer = read_detector_card(alone).answer
    assert answer is not None
    assert (answer.fitted_on, answer.n, answer.n_positive) == ("test", 48, 36)
    reader = Reader(alone, threads=1)
    found = [reader(path) for path in more.paths()[:16]]
    right = [(one.decision == "fracture") == (n % 4 > 0) for n, one in enumerate(found)]
    assert sum(right) >= 12
    assert all(one.boxes == () for one in found if one.decision == "no fracture")
    assert all(one.boxes for one in found if one.decision == "fracture")


def test_what_looks_strange_to_a_detector_is_said_or_refused(
    trained: Path, squares: Path, tmp_path: Path
) -> None:
    alone, cohort = tmp_path / "alone", read_cohort(squares)
    shutil.copytree(trained, alone)
    assert not (alone / FAMILIAR).exists()  # eight images to hold it against are too few
    more = cohort.with_table(cohort.table.with_columns(split=pl.lit("all")))
    calibrate_detector(more, alone, split="all")
    keys, store = decode(more, 64), open_pixel_store(canvas_px=64)
    note_familiar(alone, store, keys[:32], keys[32:])
    reader = Reader(alone, threads=1)
    assert reader.facts()["familiar_chosen_on"] == "valid"
    known = [reader(path) for path in more.paths()]
    assert sum("does not look like" in note for one in known for note in one.warnings) <= 2
    stripes = np.zeros((96, 120), np.uint8) + np.uint8(250) * (np.arange(120) // 4 % 2 == 0)
    Image.fromarray(stripes.astype(np.uint8)).save(tmp_path / "stripes.png")
    strange = reader(tmp_path / "stripes.png")
    assert any("look" in note for note in (*strange.warnings, strange.reason))
    note_familiar(alone, store, keys[:32], keys[40:])
    assert not (alone / FAMILIAR).exists()


def test_the_look_of_tiles_is_learned_as_it_is_read(squares: Path, tmp_path: Path) -> None:
    card = DetectorCard(name="tiles", detector=TINY, canvas_px=128, tile_px=64)
    point = CardOperatingPoint(threshold=0.5, rule="f1", chosen_on="valid", n=8)
    card = card.model_copy(update={"operating_points": (point,)})
    save_detector(tmp_path, build_detector(TINY).eval(), card)
    cohort, store = read_cohort(squares), open_pixel_store(canvas_px=128)
    keys = decode(cohort, 128)
    note_familiar(tmp_path, store, keys, keys, seen_px=card.seen_px)
    known = read_familiar(tmp_path)
    assert known is not None
    finder = BoxFinder(tmp_path)
    looks = [finder.find(store.gather([key])[0], (120, 96))[1] for key in keys]
    distances = known.distance(np.concatenate(looks))
    assert np.quantile(distances, 0.99) == pytest.approx(1, abs=0.01)


def test_several_classes_are_found_and_judged_each(
    of_two_classes: Path, squares: Path, tmp_path: Path
) -> None:
    assert read_detector_card(of_two_classes).detector.classes == ("new", "old")
    found = find_in_cohort(of_two_classes, read_cohort(squares), split="valid")
    assert set(found["class"]) == {"new", "old"}
    write_boxes(found, tmp_path / "boxes.parquet")
    words = ["evaluate", "boxes", "--truth", str(squares), "--split", "valid"]
    words += ["--predictions", str(tmp_path / "boxes.parquet"), "-o", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    evidence = json.loads((tmp_path / "detection.json").read_text(encoding="utf-8"))
    by_name = {one["name"]: one["value"] for one in evidence["average_precision"]}
    assert by_name["mAP@0.5"] > 0.3
    assert [one["name"] for one in evidence["by_class"]] == ["new", "old"]


def test_classes_are_taken_from_boxes_or_named(squares: Path) -> None:
    cohort = read_cohort(squares)
    assert box_classes(cohort, "one") == ("fracture",)
    assert box_classes(cohort, "old, new") == ("old", "new")
    for wanted in ("old", "left,right"):
        with pytest.raises(GreenstickError, match="apart; their classes are: new, old"):
            box_classes(cohort, wanted)


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


def test_what_cannot_be_used_is_refused_before_the_work(squares: Path, tmp_path: Path) -> None:
    cohort = read_cohort(squares)
    assert set(taught(cohort).table["split"]) == {"train", "valid"}
    with pytest.raises(GreenstickError, match="no images of split 'valid'"):
        taught(cohort.with_table(cohort.table.filter(pl.col("split") != "valid")))
    for name in ("boxes.json", "boxes", "."):
        words = ["detector", "find", str(squares), "--model", "nowhere", "-o", str(tmp_path / name)]
        refused = CliRunner().invoke(app, words).exception
        assert isinstance(refused, GreenstickError)
        assert refused.message.startswith("Boxes are not written to")


def test_a_detector_of_crops_finds_by_tiles(squares: Path, tmp_path: Path) -> None:
    assert tile_side(detector_recipe({"canvas_px": "128", "crop_px": "64"})) == 64
    assert tile_side(detector_recipe({"canvas_px": "128", "crop_px": "96"})) == 0
    assert tile_side(detector_recipe({"canvas_px": "128"})) == 0
    model = build_detector(TINY)
    card = DetectorCard(name="tiles", detector=TINY, canvas_px=128, tile_px=64)
    save_detector(tmp_path, model, card)
    cohort = read_cohort(squares)
    compiled = find_in_cohort(tmp_path, cohort, split="test")
    store = open_pixel_store(canvas_px=128)
    test = cohort.with_table(cohort.table.filter(split="test"))
    by_torch = find_boxes(model, store, decode(test, 128), manner_of(card))
    first = compiled.group_by("image", maintain_order=True).first()
    np.testing.assert_allclose(first["score"], [one.scores[0] for one in by_torch], rtol=1e-3)
    whole = find_in_cohort(tmp_path, cohort, split="test", tile_px=0)
    assert not np.allclose(compiled["score"][:5], whole["score"][:5], rtol=1e-4)
    with pytest.raises(GreenstickError, match="cannot look at tiles of 50 px"):
        find_in_cohort(tmp_path, cohort, tile_px=50)
