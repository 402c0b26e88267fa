"""A classifier and a detector fused from the command line, and read with."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
import polars as pl
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from greenstick.cli import app
from greenstick.cohorts.cohort import make_cohort, read_cohort, write_cohort
from greenstick.decision.fusion import apply_fusion, fit_fusion
from greenstick.errors import GreenstickError
from greenstick.experiments.fusing import fuse_models
from greenstick.models.card import Card, CardOperatingPoint
from greenstick.models.checkpoint import save_checkpoint
from greenstick.models.classifier import build_classifier
from greenstick.models.settings import ClassifierSettings
from greenstick.openvino_core import openvino_core
from greenstick.reading.fused import Fused
from greenstick.reading.reader import Reader

N = 24


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run's model; the run was trained on images 0 to 7."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    run = tmp_path_factory.mktemp("run")
    settings = ClassifierSettings(backbone="test_efficientnet", weights="none")
    points = (("youden", 0.5), ("sensitivity", 0.4), ("specificity", 0.6))
    card = Card(
        name="small",
        classifier=settings,
        canvas_px=64,
        operating_points=tuple(
            CardOperatingPoint(threshold=value, rule=rule, chosen_on="valid", n=8)
            for rule, value in points
        ),
    )
    return save_checkpoint(run / "models" / "small", build_classifier(settings), card)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Return a cohort whose fractures are brighter films."""
    rng = np.random.default_rng(0)
    for i in range(N):
        level = 0.25 + 0.3 * (i % 2) + 0.2 * rng.random()
        pixels = np.clip(level + rng.normal(0, 0.08, (96, 96)), 0, 1)
        Image.fromarray(np.rint(255 * pixels).astype(np.uint8)).save(tmp_path / f"{i}.png")
    table = pl.DataFrame(
        {
            "image": [f"{i}.png" for i in range(N)],
            "label": [i % 2 for i in range(N)],
            "split": ["train"] * 8 + ["valid"] * 8 + ["test"] * 8,
        }
    )
    write_cohort(make_cohort(table, tmp_path), tmp_path / "split.parquet")
    return tmp_path / "split.parquet"


def test_both_scores_become_one(
    classifier: Path, films: Path, make_detector: Callable[..., Path], tmp_path: Path
) -> None:
    detector, out = make_detector(gain=9.0), tmp_path / "fused"
    words = ["detector", "fuse", str(films), "--classifier", str(classifier.parent.parent)]
    result = CliRunner().invoke(app, [*words, "--detector", str(detector), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert "only 4 images are of the rarer label" in result.output
    reader = Reader(classifier, boxes_from=detector, threads=1)
    apart = [reader(films.parent / f"{i}.png") for i in range(N)]
    first = np.array([one.probability for one in apart], float)
    second = np.array([one.best_box for one in apart], float)
    labels = np.arange(N) % 2
    fused = Fused.read(out)
    assert fused is not None
    names = [f"{i}.png" for i in range(8, 16)]
    assert fused.fusion == fit_fusion(
        labels[8:16], first[8:16], second[8:16], fitted_on="valid", images=names
    )
    both = apply_fusion(fused.fusion, first, second)
    together = Reader(out, threads=1)
    film = together(films.parent / "20.png")
    assert film.probability == pytest.approx(both[20])
    assert together.facts()["detector"] == "two boxes"
    scores = pl.read_parquet(out / "scores.parquet")
    assert set(scores["image"]) == {f"{i}.png" for i in range(16, N)}
    said = scores.filter(model="fused").sort("image")["score"].to_numpy()
    np.testing.assert_allclose(said, both[[int(n) for n in sorted(map(str, range(16, N)))]])
    # The doubtful pair of thresholds keeps what the classifier's reached on validation.
    rules = {point.rule: point for point in fused.operating_points}
    before, after = first[8:16] >= 0.4, both[8:16] >= rules["sensitivity"].threshold
    ill = labels[8:16] == 1
    assert after[ill].mean() >= before[ill].mean()
    assert {point.chosen_on for point in rules.values()} == {"valid"}
    words = ["compare", str(out / "scores.parquet"), "-o", str(tmp_path / "compared")]
    assert CliRunner().invoke(app, words).exit_code == 0


def test_an_exported_detector_is_fused_and_what_was_there_goes(
    classifier: Path, films: Path, make_detector: Callable[..., Path], tmp_path: Path
) -> None:
    detector, out = make_detector(gain=9.0), tmp_path / "fused"
    fuse_models(read_cohort(films), classifier, detector, out, threads=1)
    (out / "familiar.safetensors").write_bytes(b"of an earlier classifier")
    plain = Reader(classifier, boxes_from=detector, threads=1)(films.parent / "20.png")
    network = openvino_core().read_model(detector / "model.onnx")
    openvino.save_model(network, detector / "model.xml", compress_to_fp16=False)
    (detector / "model.onnx").unlink()
    fuse_models(read_cohort(films), classifier, detector, out, threads=1)
    again = Reader(out, threads=1)(films.parent / "20.png")
    assert again.best_box == pytest.approx(plain.best_box, abs=1e-3)


def test_images_that_were_trained_on_are_refused(
    classifier: Path, films: Path, make_detector: Callable[..., Path], tmp_path: Path
) -> None:
    images = [str(films.parent / f"{i}.png") for i in range(10)]
    taught = pl.DataFrame({"image": images, "split": ["train"] * 10})
    splits = classifier.parent.parent / "splits.parquet"
    taught.write_parquet(splits)
    try:
        with pytest.raises(GreenstickError, match="trained on 2 of the 16 validation and test"):
            fuse_models(read_cohort(films), classifier, make_detector(), tmp_path / "fused")
    finally:
        splits.unlink()


def test_a_split_of_one_class_and_a_model_s_own_folder_are_refused(
    classifier: Path, films: Path, make_detector: Callable[..., Path], tmp_path: Path
) -> None:
    cohort = read_cohort(films)
    one = cohort.with_table(
        cohort.table.filter((pl.col("label") == 0) | (pl.col("split") != "test"))
    )
    detector = make_detector()
    with pytest.raises(GreenstickError, match="The split 'test' needs images with and without"):
        fuse_models(one, classifier, detector, tmp_path / "fused")
    with pytest.raises(GreenstickError, match="holds one of the two models"):
        fuse_models(cohort, classifier, detector, detector)


def test_copies_of_validation_images_in_the_test_split_are_refused(
    classifier: Path, films: Path, make_detector: Callable[..., Path], tmp_path: Path
) -> None:
    for i in range(8, 12):
        (films.parent / f"{i + 8}.png").write_bytes((films.parent / f"{i}.png").read_bytes())
    with pytest.raises(GreenstickError, match="'valid' are in the split 'test' too"):
        fuse_models(read_cohort(films), classifier, make_detector(), tmp_path / "fused")
