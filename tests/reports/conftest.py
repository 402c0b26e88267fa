"""A plausible run folder, drawn from a binormal model, for what reads run folders."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageDraw

from greenstick.cohorts.cohort import make_cohort, write_cohort
from greenstick.decision.calibration import fit_temperature
from greenstick.decision.operating_points import choose_operating_point
from greenstick.evidence.evidence import evaluate, write_evidence
from greenstick.evidence.localisation import localisation

DrawRun = Callable[..., Path]
PARTS = ("hand", "leg", "hip", "shoulder")
SETTINGS = """\
name = "Hands & legs <first>" # shown on the report
cohort = "cohort.parquet"
seed = 7

[split]
method = "holdout"

[recipe]
epochs = 12 # times through the training images
"""


@pytest.fixture(scope="session")
def draw_run() -> DrawRun:
    """Return a function that draws a run folder."""
    return drawn_run


def drawn_run(
    run: Path,
    *,
    patients: int = 300,
    folds: int = 1,
    separation: float = 2.0,
    boxes: bool = True,
    chosen_on: str = "valid",
    pictures: int = 6,
    replicates: int = 100,
    seed: int = 0,
) -> Path:
    """Draw a finished run folder and return it."""
    run.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    table = _cohort(rng, patients, boxes=boxes)
    write_cohort(make_cohort(table, run), run / "cohort.parquet")
    splits = _splits(rng, table, folds)
    splits.write_parquet(run / "splits.parquet")
    (run / "experiment.toml").write_text(SETTINGS)
    _write_sides(rng, run, table, folds)
    _write_results(rng, run, table, splits, separation, chosen_on, pictures, replicates)
    return run


def _cohort(rng: np.random.Generator, patients: int, *, boxes: bool) -> pl.DataFrame:
    of_patient = np.repeat(np.arange(patients), rng.integers(1, 4, patients))
    n = len(of_patient)
    labels = (rng.random(n) < 0.3).astype(np.int8)
    one = {"x": 10.0, "y": 20.0, "width": 30.0, "height": 40.0, "class": "fracture"}
    return pl.DataFrame(
        {
            "image": [f"images/IMG{i:05d}.png" for i in range(n)],
            "patient": [f"SECRET-{p:04d}" for p in of_patient],
            "label": labels,
            "boxes": [([one] if label else []) if boxes else None for label in labels],
            "body_part": rng.choice(PARTS, n, p=[0.45, 0.4, 0.11, 0.04]),
        },
        schema_overrides={"boxes": pl.List(pl.Struct(dict.fromkeys(one, pl.Float64)))}
        if not boxes
        else None,
    )


def _splits(rng: np.random.Generator, table: pl.DataFrame, folds: int) -> pl.DataFrame:
    names = table["patient"].unique(maintain_order=True)
    place = dict(zip(names, rng.permutation(len(names)), strict=True))
    twentieth = table["patient"].replace_strict(place, return_dtype=pl.Int64) % 20
    parts = []
    for fold in range(folds):
        width = 20 // max(folds, 5)
        turned = (twentieth - fold * width) % 20
        split = pl.select(
            pl.when(turned < width).then(pl.lit("test"))
            .when(turned < width + 2).then(pl.lit("valid"))
            .otherwise(pl.lit("train"))
        ).to_series()  # fmt: skip
        parts.append(
            table.select("image").with_columns(
                repeat=pl.lit(0, pl.Int32), fold=pl.lit(fold, pl.Int32), split=split
            )
        )
    return pl.concat(parts)


def _write_sides(rng: np.random.Generator, run: Path, table: pl.DataFrame, folds: int) -> None:
    reasons = [f"copy: a copy of images/IMG{i:05d}.png (row {i}), which stays." for i in range(6)]
    reasons += ["undecodable: the last 40 rows are missing."] * 3
    images = [f"images/BAD{i}.png" for i in range(9)]
    pl.DataFrame({"image": images, "reason": reasons}).write_parquet(run / "dropped.parquet")
    audit = {
        "findings": [
            _finding("missing-file", "passed", "Every listed file is there."),
            _finding(
                "undecodable",
                "error",
                "3 files do not decode to the last pixel.",
                "Fetch the files again, or drop the rows.",
            ),
            _finding("exact-copy-within-patient", "warning", "6 images are copies.", "Drop them."),
            _finding("fracture-without-boxes", "note", "12 fractures have no box."),
            _finding("patient-across-splits", "not applicable", "The cohort has no split."),
        ]
    }
    (run / "audit.json").write_text(json.dumps(audit))
    environment = {
        "greenstick": "0.1.0",
        "torch": "2.14.1",
        "command": "greenstick experiment run e.toml -o runs/x",
        "processor": "A processor of some kind @ 2.10GHz",
        "cores": 2,
        "seconds of training": 412.3,
    }
    (run / "environment.json").write_text(json.dumps(environment))
    epochs = np.arange(12)
    fits = [
        pl.DataFrame(
            {
                "model": f"fold-{fold}",
                "repeat": pl.Series([0] * 12, dtype=pl.Int32),
                "fold": pl.Series([fold] * 12, dtype=pl.Int32),
                "epoch": epochs,
                "train_loss": 0.25 + 0.4 * np.exp(-epochs / 4) + rng.normal(0, 0.008, 12),
                "valid_loss": 0.33 + 0.3 * np.exp(-epochs / 3) + rng.normal(0, 0.02, 12),
                "valid_auroc": 0.9 - 0.3 * np.exp(-epochs / 3) + rng.normal(0, 0.01, 12),
                "lr": 1e-3,
                "images_per_s": rng.normal(210, 5, 12),
                "seconds": rng.normal(17, 0.5, 12),
            }
        )
        for fold in range(folds)
    ]
    pl.concat(fits).write_parquet(run / "history.parquet")
    for fold in range(folds):
        model = run / "models" / f"fold-{fold}"
        model.mkdir(parents=True)
        card = {
            "name": f"fold-{fold}",
            "classifier": {"backbone": "mobilenetv2_100"},
            "weights_origin": "mobilenetv2_100.imagenet1001.safetensors",
            "training_data": {"n_images": table.height // 2},
        }
        (model / "card.json").write_text(json.dumps(card))


def _finding(code: str, severity: str, message: str, remedy: str = "") -> dict[str, object]:
    return {
        "code": code,
        "severity": severity,
        "message": message,
        "rows": [1, 2, 3],
        "remedy": remedy,
    }


def _write_results(
    rng: np.random.Generator,
    run: Path,
    table: pl.DataFrame,
    splits: pl.DataFrame,
    separation: float,
    chosen_on: str,
    pictures: int,
    replicates: int,
) -> None:
    rows = splits.filter(pl.col("split") != "train").join(table.drop("boxes"), on="image")
    label = rows["label"].to_numpy()
    logit = 0.8 * (rng.normal(0, 1.6, len(rows)) + separation * 1.6 * label - 2.2)
    rows = rows.with_columns(logit=logit, model=pl.lit("experiment"))
    valid = rows.filter(split="valid")
    temperature = fit_temperature(valid["logit"], valid["label"], fitted_on="valid")
    rows = rows.with_columns(score=temperature.apply(rows["logit"]))
    points = []
    for (fold,), part in rows.filter(split="valid").group_by("fold", maintain_order=True):
        points.append(
            choose_operating_point(
                part["label"], part["score"], chosen_on=chosen_on, fold=int(str(fold))
            )
        )
    rows.write_parquet(run / "scores.parquet")
    test = rows.filter(split="test")
    explanations = _explanations(rng, test)
    explanations.write_parquet(run / "explanations.parquet")
    evidence = evaluate(
        test,
        point=points if len(points) > 1 else points[0].model_copy(update={"fold": None}),
        calibration=temperature,
        rows="test",
        replicates=replicates,
        subgroups=["body_part"],
    )
    if "boxes" in table.columns and table["boxes"].null_count() == 0:
        measured = explanations.join(table.select("image", "patient"), on="image")
        evidence = evidence.with_localisation(localisation(measured, replicates=replicates))
    write_evidence(evidence, run / "evidence.json")
    _write_pictures(rng, run, test, points[0].threshold, pictures)


def _explanations(rng: np.random.Generator, test: pl.DataFrame) -> pl.DataFrame:
    boxed = test["label"] == 1
    n = len(test)
    return test.select("image", "repeat", "fold", "model").with_columns(
        peak_x=pl.Series(rng.uniform(0, 300, n)),
        peak_y=pl.Series(rng.uniform(0, 300, n)),
        peak_hit=pl.when(boxed).then(pl.Series(rng.random(n) < 0.7)),
        mass_in_boxes=pl.when(boxed).then(pl.Series(rng.beta(4, 6, n))),
        box_area_share=pl.when(boxed).then(pl.Series(rng.beta(2, 40, n))),
    )


def _write_pictures(
    rng: np.random.Generator, run: Path, test: pl.DataFrame, threshold: float, most: int
) -> None:
    (run / "overlays").mkdir()
    kinds = (
        ("false negative", 1, False, False),
        ("false positive", 0, True, True),
        ("true positive", 1, True, True),
        ("true negative", 0, False, False),
    )
    rows = []
    for kind, label, called, highest_first in kinds:
        chosen = test.filter(
            (pl.col("label") == label) & ((pl.col("score") >= threshold) == called)
        )
        chosen = chosen.sort("score", descending=highest_first).head(most)
        for image, score in chosen.select("image", "score").iter_rows():
            file = f"{Path(image).stem}.png"
            _picture(rng, run / "overlays" / file)
            rows.append(
                {"image": image, "file": file, "kind": kind, "score": score, "label": label}
            )
    schema = {"image": pl.String, "file": pl.String, "kind": pl.String, "score": pl.Float64}
    pl.DataFrame(rows, schema={**schema, "label": pl.Int8}).write_parquet(run / "overlays.parquet")


def _picture(rng: np.random.Generator, path: Path) -> None:
    image = Image.new("RGB", (240, int(rng.integers(200, 360))), "black")
    draw = ImageDraw.Draw(image)
    draw.rectangle((90, 0, 150, image.height), fill=(170, 170, 170))
    y = int(rng.integers(60, 160))
    draw.ellipse((80, y, 160, y + 60), outline=(255, 140, 0), width=4)
    image.save(path)
