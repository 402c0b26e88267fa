"""A detector's boxes in readings: with the decision, never against it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from typer.testing import CliRunner

from greenstick.cli import app
from greenstick.decision.fusion import Fusion, apply_fusion
from greenstick.errors import GreenstickError
from greenstick.models.card import CardOperatingPoint
from greenstick.reading.boxes import BoxFinder
from greenstick.reading.fused import Fused
from greenstick.reading.preparing import Wish, prepare
from greenstick.reading.reader import Reader
from greenstick.reading.table import read_archive
from greenstick.reading.workers import Workers

Maker = Callable[..., Path]


def test_boxes_go_with_the_decision(
    make_model: Maker, scans: Path, tmp_path: Path, make_detector: Maker
) -> None:
    detector = make_detector("sure")
    alone = Reader(make_model("alone"), threads=1)
    reader = Reader(make_model("both"), threads=1, boxes_from=detector)
    dark, bright = reader(scans / "dark.png"), reader(scans / "bright.jpg")
    assert (dark.decision, bright.decision) == ("no fracture", "fracture")
    assert dark.boxes == ()
    (box,) = bright.boxes  # 192 px lie on a canvas of 64
    assert (box.x, box.y, box.width, box.height) == (24.0, 48.0, 48.0, 48.0)
    assert (box.probability, box.class_name) == (pytest.approx(0.9526, abs=1e-4), "new")
    assert bright.best_box == dark.best_box == box.probability
    assert bright.warnings == alone(scans / "bright.jpg").warnings
    assert bright.probability == alone(scans / "bright.jpg").probability
    assert alone(scans / "bright.jpg").best_box is None
    facts = reader.facts()
    assert (facts["detector"], facts["detector_confidence"]) == ("sure", 0.4)
    assert facts["digest"] != alone.facts()["digest"]


def test_a_fracture_without_a_box_says_so_and_doubt_stays(
    make_model: Maker, scans: Path, tmp_path: Path, make_detector: Maker
) -> None:
    high = CardOperatingPoint(threshold=0.99, rule="f1", chosen_on="valid", n=50)
    unsure = make_detector("unsure", operating_points=(high,))
    reading = Reader(make_model("one"), threads=1, boxes_from=unsure)(scans / "bright.jpg")
    assert (reading.decision, reading.boxes) == ("fracture", ())
    assert "No box of the detector reaches its confidence" in reading.warnings[-1]
    assert reading.peak_x is not None
    points = tuple(
        CardOperatingPoint(threshold=t, rule=rule, chosen_on="valid", n=80)
        for t, rule in ((0.4, "youden"), (0.01, "sensitivity"), (0.999, "specificity"))
    )
    sure = make_detector("sure")
    doubt = Reader(make_model("doubt", operating_points=points), threads=1, boxes_from=sure)
    said = doubt(scans / "dark.png")
    assert said.decision == "doubt"
    assert len(said.boxes) == 1


def test_a_fused_folder_reads_by_both_scores(
    make_model: Maker, scans: Path, tmp_path: Path, make_detector: Maker
) -> None:
    folder = make_model("fused")
    make_detector("fused/boxes", gain=4.0)
    fusion = Fusion(weights=(0.7, 0.6), intercept=-1.0, fitted_on="valid", n=80)
    point = CardOperatingPoint(threshold=0.5, rule="youden", chosen_on="valid", n=80)
    Fused(classifier="c", detector="d", fusion=fusion, operating_points=(point,)).write(folder)
    reader = Reader(folder, threads=1)
    plain = Reader(make_model("plain"), threads=1)
    for name in ("dark.png", "bright.jpg"):
        one, both = plain(scans / name), reader(scans / name)
        assert both.best_box is not None
        expected = apply_fusion(fusion, [one.probability], [both.best_box])[0]
        assert both.probability == pytest.approx(float(expected))
        assert both.threshold == 0.5
        assert both.decision == ("fracture" if expected >= 0.5 else "no fracture")
    assert reader.facts()["fusion_fitted_on"] == "valid"
    with pytest.raises(GreenstickError, match="brings the detector 'd'"):
        Reader(folder, boxes_from=folder / "boxes")
    (folder / "fusion.json").write_text("{}")
    with pytest.raises(GreenstickError, match="is not the fusion"):
        Reader(folder)


def test_each_network_sees_the_film_as_it_was_trained_on(scans: Path, tmp_path: Path) -> None:
    Image.open(scans / "bright.jpg").resize((900, 700)).save(tmp_path / "film.jpg")
    for small, large in ((64, 320), (320, 64), (96, 96)):
        both = prepare(tmp_path / "film.jpg", Wish(small, boxes_px=large))
        one = prepare(tmp_path / "film.jpg", Wish(small))
        other = prepare(tmp_path / "film.jpg", Wish(large))
        assert np.array_equal(both.canvas, one.canvas)
        assert np.array_equal(both.boxes_canvas, other.canvas)
        assert one.boxes_canvas is None
    workers = Workers(1)
    again = workers.prepare(tmp_path / "film.jpg", replace(Wish(96), boxes_px=96))
    workers.close()
    assert np.array_equal(again.boxes_canvas, both.boxes_canvas)


def test_a_film_is_looked_at_in_tiles_as_the_card_says(
    scans: Path, tmp_path: Path, make_detector: Maker
) -> None:
    whole = make_detector("whole", canvas_px=128)
    tiled = make_detector("tiled", canvas_px=128, tile_px=64)
    canvas = prepare(scans / "bright.jpg", Wish(128)).canvas
    assert canvas is not None
    one = BoxFinder(whole, threads=1)(canvas, (128, 128))
    many = BoxFinder(tiled, threads=1)(canvas, (128, 128))
    assert [(box.x, box.y) for box in one.boxes] == [(8.0, 16.0)]
    corners = {(box.x, box.y) for box in many.boxes}
    assert corners == {(8.0 + x, 16.0 + y) for x in (0, 32, 64) for y in (0, 32, 64)}


def test_everything_written_has_the_boxes(
    make_model: Maker, scans: Path, tmp_path: Path, make_detector: Maker
) -> None:
    detector, model, out = make_detector("sure"), make_model(), tmp_path / "out"
    words = ["read", str(scans), "--model", str(model), "--boxes-from", str(detector)]
    result = CliRunner().invoke(app, [*words, "-o", str(out), "--threads", "1"])
    assert result.exit_code == 0, result.output
    readings = json.loads((out / "readings.json").read_text())["readings"]
    by_name = {Path(one["path"]).name: one for one in readings}
    assert [box["class_name"] for box in by_name["bright.jpg"]["boxes"]] == ["new"]
    assert by_name["dark.png"]["boxes"] == []
    table = pl.read_csv(out / "readings.csv")
    text = table.filter(pl.col("path").str.ends_with("bright.jpg"))["boxes"][0]
    assert text == "24.0 48.0 48.0 48.0 0.9526 new"
    picture = np.asarray(Image.open(out / "overlays" / "bright.png"))
    assert ((picture == (88, 196, 255)).all(axis=-1)).sum() > 300  # the outline
    read_archive([scans], model, tmp_path / "all.parquet", boxes_from=detector, threads=1)
    found = pl.read_parquet(tmp_path / "all.parquet").filter(pl.col("path").str.contains("bright"))
    assert found["boxes"][0][0]["class_name"] == "new"
    assert found["best_box"][0] == pytest.approx(0.9526)


def test_what_is_no_detector_is_refused(
    make_model: Maker, tmp_path: Path, make_detector: Maker
) -> None:
    model = make_model()
    with pytest.raises(GreenstickError, match="There is no detector in"):
        Reader(model, boxes_from=tmp_path / "absent")
    with pytest.raises(GreenstickError, match="is not the card of a detector"):
        Reader(model, boxes_from=model)
    without = make_detector("without", operating_points=())
    with pytest.raises(GreenstickError, match="has no confidence"):
        Reader(model, boxes_from=without)


def test_a_table_of_an_earlier_version_is_gone_on_with(
    make_model: Maker, scans: Path, tmp_path: Path
) -> None:
    model, table = make_model(), tmp_path / "all.parquet"
    read_archive([scans / "bright.jpg"], model, table, threads=1)
    old = pl.read_parquet(table).drop("best_box")
    sides = [pl.element().struct.field(n) for n in ("x", "y", "width", "height", "probability")]
    old.with_columns(pl.col("boxes").list.eval(pl.struct(sides))).write_parquet(table)
    summary = read_archive([scans / "bright.jpg", scans / "dark.png"], model, table, threads=1)
    assert (summary.files, summary.new) == (2, 1)


def test_a_hot_part_of_a_film_without_a_fracture_has_no_box(
    make_model: Maker, scans: Path, tmp_path: Path
) -> None:
    pixels = np.asarray(Image.open(scans / "dark.png")).copy()
    pixels[:48, :48] = np.clip(pixels[:48, :48].astype(int) + 150, 0, 255)  # one cell of sixteen
    Image.fromarray(pixels).save(tmp_path / "hot.png")
    (examined,) = Reader(make_model(), threads=1).examine([tmp_path / "hot.png"])
    reading, heat = examined.reading, examined.heat
    assert reading.decision == "no fracture"
    assert heat is not None
    assert reading.threshold is not None
    assert heat.probabilities.max() > reading.threshold
    assert reading.boxes == ()
    low = CardOperatingPoint(threshold=0.05, rule="youden", chosen_on="valid", n=80)
    called = Reader(make_model("low", operating_points=(low,)), threads=1)(tmp_path / "hot.png")
    assert called.decision == "fracture"
    assert len(called.boxes) > 0
