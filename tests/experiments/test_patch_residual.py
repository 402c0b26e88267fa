"""A patch residual network through the experiment file, beside the plain one."""

from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from PIL import Image

from greenstick.cohorts.cohort import read_cohort, write_cohort
from greenstick.cohorts.pixels import open_pixel_store
from greenstick.errors import GreenstickError
from greenstick.evidence.comparisons import read_comparisons
from greenstick.evidence.detection import read_detection
from greenstick.experiments import restoring
from greenstick.experiments.experiment import Experiment, with_settings
from greenstick.experiments.exporting import export_model
from greenstick.experiments.folds import take_fractures
from greenstick.experiments.jobs import Job, JobSettings
from greenstick.experiments.pixels import Pixels
from greenstick.experiments.run_folder import RunFolder
from greenstick.models.card import read_card
from greenstick.models.patch_restorer import restore
from greenstick.models.patch_settings import RestorerSettings
from greenstick.reading.reader import Reader
from greenstick.reports.contents import read_contents

SETTINGS: dict[str, Any] = {
    "model": {
        "head": "cells",
        "pooling": "highest",
        "restorer": {"patch_px": 8, "width": 8, "scales": [1]},
    },
    "restoring": {"steps": 4, "batch": 4, "crop_px": 32, "check_every": 2},
    "evidence": {"overlays": 2},
    "recipe": {"epochs": 1, "loss": "cells", "positive_weight": 3.0},
    "peers": {
        "memory": {"features": 40, "seen": 400},
        "departures": {"steps": 3, "images": 8, "batch": 2},
    },
    "variants": {
        "plain": {"model.restorer": "none", "labels.fracture_share": 0.5},
        "memory": {"model.peer": "memory"},
        "departures": {"model.peer": "departures"},
    },
}


@pytest.fixture(scope="module")
def finished(
    experiment_on: Any, run: Any, spots: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GREENSTICK_CACHE", str(folder / "cache"))
        run(experiment_on(spots, **SETTINGS), folder / "a")
    return RunFolder(folder / "a")


def test_the_model_restores_and_says_where(finished: RunFolder, spots: Path) -> None:
    card = read_card(finished.model("test_resnet"))
    assert card.classifier.restorer == RestorerSettings(patch_px=8, width=8, scales=(1,))
    assert {point.rule for point in card.operating_points} >= {"youden"}
    explained = finished.table("explanations")
    assert explained.filter(pl.col("peak_hit").is_not_null()).height > 0
    reading = Reader(finished.model("test_resnet"), threads=1)(spots.parent / "001.png")
    assert reading.decision in ("fracture", "no fracture")


def test_a_variant_is_compared_with_it(finished: RunFolder) -> None:
    assert read_card(finished.model("plain")).classifier.restorer is None
    found = read_comparisons(finished / "comparison.json")
    pairs = [(pair.first, pair.second) for pair in found.pairs]
    assert ("test_resnet", "plain") in pairs
    assert ("memory", "departures") in pairs
    trained = {
        name: read_card(finished.model(name)).training_data for name in ("test_resnet", "plain")
    }
    assert trained["plain"].n_positive < trained["test_resnet"].n_positive
    healthy = {name: of.n_images - of.n_positive for name, of in trained.items()}
    assert healthy["plain"] == healthy["test_resnet"]


def test_boxes_of_each_network_are_judged_by_one_prior_of_their_size(finished: RunFolder) -> None:
    first, plain = (
        read_detection(finished / "evidence" / f"{name}.heat_boxes.json")
        for name in ("test_resnet", "plain")
    )
    assert first == read_detection(finished / "heat_boxes.json")
    assert (first.model, plain.model) == ("test_resnet", "plain")
    assert first.n_images == plain.n_images
    limits = [read_card(finished.model(name)).box_limits for name in ("test_resnet", "plain")]
    assert None not in limits
    assert set(read_contents(finished.path).evidences) == {"test_resnet", *SETTINGS["variants"]}


@pytest.mark.parametrize("name", ["memory", "departures"])
def test_a_model_of_healthy_images_alone_is_judged_beside_it(
    finished: RunFolder, spots: Path, name: str
) -> None:
    card = read_card(finished.model(name))
    assert card.training_data.n_positive == 0
    assert card.calibration is not None
    assert card.calibration.fitted_on == "valid"
    test = finished.table("scores").filter(split="test", model=name)
    others = finished.table("scores").filter(split="test", model="test_resnet")
    assert test["image"].to_list() == others["image"].to_list()
    # A reader says of a test film what the evidence rests on.
    image, score = test.select("image", "score").row(0)
    reading = Reader(finished.model(name), threads=1)(finished.path / image)
    assert reading.probability == pytest.approx(score, abs=2e-3)
    assert (finished / "evidence" / f"{name}.json").is_file()
    costs = finished.table("models").filter(model=name)
    assert costs["train_seconds"][0] > 0.0
    with pytest.raises(GreenstickError, match="healthy images alone"):
        export_model(finished.model(name), "onnx", spots.parent / "exported")


def test_a_peer_that_cannot_be_is_refused(experiment_on: Any, spots: Path) -> None:
    with pytest.raises(GreenstickError, match=r"set model\.restorer too"):
        experiment_on(spots, model={"peer": "departures"})
    with pytest.raises(GreenstickError, match="one class"):
        experiment_on(spots, model={"peer": "memory", "classes": ["fracture", "no fracture"]})


def test_a_restorer_that_is_there_is_not_trained_again(
    experiment_on: Any, spots: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cohort = read_cohort(spots)
    store = open_pixel_store(canvas_px=64)
    keys = dict(zip(cohort.table["image"], store.add(cohort.paths()).keys, strict=True))
    pixels = Pixels(store, keys)
    experiment = experiment_on(spots, **SETTINGS)
    rows = cohort.table[:40], cohort.table[40:]
    trained = restoring.restorer_for(_job(experiment), *rows, pixels)
    assert trained is not None
    monkeypatch.setattr(restoring, "fit_restorer", None)
    changed = with_settings(experiment, {"recipe.lr": 0.1, "model.backbone": "test_efficientnet"})
    again = restoring.restorer_for(_job(changed), *rows, pixels)
    assert again is not None
    image = torch.rand(1, 1, 64, 64)
    assert torch.equal(restore(again, image), restore(trained, image))
    other = with_settings(experiment, {"restoring.steps": 5})
    with pytest.raises(TypeError):  # it would be trained, were it not for the patch
        restoring.restorer_for(_job(other), *rows, pixels)


def _job(experiment: Experiment) -> Job:
    settings = JobSettings(
        name="one",
        model=experiment.model.classifier(experiment.model.backbone),
        recipe=experiment.recipe,
        restoring=experiment.restoring,
        seed=0,
        keep="nothing",
    )
    return Job(settings, pl.DataFrame())


def test_networks_with_fewer_fractures_share_the_restorer(experiment_on: Any, spots: Path) -> None:
    cohort = read_cohort(spots)
    images = cohort.table.select("image", split=pl.lit("train"))
    settings = _job(experiment_on(spots, **SETTINGS)).settings
    few = take_fractures(images, cohort, 0.25, seed=0)
    assert few.height < images.height
    (shared,) = restoring.restorer_jobs([Job(settings, images), Job(settings, few)], cohort)
    assert set(shared.images["image"]) == set(cohort.table.filter(label=0)["image"])


def test_one_restorer_is_trained_for_all_that_share_it(finished: RunFolder) -> None:
    (folder,) = (finished / "restorers").iterdir()
    assert pl.read_parquet(folder / "history.parquet")["step"].to_list() == [2, 4]
    with Image.open(folder / "restored.png") as sheet:
        assert sheet.size == (4 * 32, 8 * 32)
    codes = {finding.code for finding in restoring.restored_findings(finished)}
    assert codes <= {"restorer-learned", "mode-collapse", "divergence"}


def test_fewer_fractures_leave_the_healthy_and_the_test_rows(spots: Path) -> None:
    cohort = read_cohort(spots)
    sides = ["train", "train", "valid", "test"]
    images = cohort.table.select("image").with_columns(
        split=pl.Series([sides[number // 2 % 4] for number in range(len(cohort))])
    )
    labels = cohort.table.select("image", "label")
    half, quarter = (
        take_fractures(images, cohort, share, seed=1).join(labels, on="image")
        for share in (0.5, 0.25)
    )
    whole = images.join(labels, on="image")
    assert half.filter(label=0).equals(whole.filter(label=0))
    assert half.filter(split="test").equals(whole.filter(split="test"))
    assert set(quarter["image"]) < set(half["image"])
    broken = whole.filter((pl.col("label") == 1) & (pl.col("split") == "train"))
    left = half.filter((pl.col("label") == 1) & (pl.col("split") == "train"))
    assert 0.3 < left.height / broken.height < 0.7


def test_without_healthy_images_there_is_a_remedy(
    experiment_on: Any, run: Any, spots: Path, tmp_path: Path
) -> None:
    cohort = read_cohort(spots)
    number = pl.int_range(pl.len())
    split = pl.when(number < 30).then(pl.lit("train")).when(number < 45).then(
        pl.lit("valid")).otherwise(pl.lit("test"))  # fmt: skip
    broken = pl.when((split == "train") & (pl.col("label") == 0)).then(None)
    table = cohort.table.with_columns(split=split).with_columns(
        split=broken.otherwise(pl.col("split"))
    )
    write_cohort(cohort.with_table(table.drop_nulls("split")), spots.parent / "broken.parquet")
    settings = {**SETTINGS, "variants": {}, "split": {"method": "column"}}
    with pytest.raises(GreenstickError, match="no healthy images"):
        run(experiment_on(spots.parent / "broken.parquet", **settings), tmp_path / "run")


@pytest.mark.parametrize(
    ("variants", "reason"),
    [
        ({"small": {"recipe.canvas_px": 32}}, "cannot change recipe.canvas_px"),
        ({"a b": {"recipe.lr": 1e-3}}, "letters, digits"),
        ({"test_resnet": {"recipe.lr": 1e-3}}, "name of a backbone"),
        ({"odd": {"recipe.lr": -1.0}}, "greater than 0"),
    ],
)
def test_a_variant_that_cannot_be_is_refused(
    experiment_on: Any, spots: Path, variants: dict[str, object], reason: str
) -> None:
    with pytest.raises(GreenstickError, match=reason):
        experiment_on(spots, **{**SETTINGS, "variants": variants})
