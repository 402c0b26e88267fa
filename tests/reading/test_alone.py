"""A detector in the place of a classifier: its best box is its answer."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image
from scipy.special import expit
from typer.testing import CliRunner

import greenstick
from greenstick.cli import app
from greenstick.errors import GreenstickError
from greenstick.models.card import CardOperatingPoint
from greenstick.models.detector_settings import DetectorAnswer
from greenstick.reading.dicom_results.marks import marks
from greenstick.reading.reader import Reader

Maker = Callable[..., Path]
#: The detector's logit is 4 times the mean gray and 3: 3.8 on the dark film, 5.8 on the bright one.
GAIN = 4.0


def answer_of(threshold: float = 0.5) -> DetectorAnswer:
    point = CardOperatingPoint(threshold=threshold, rule="youden", chosen_on="valid", n=60)
    return DetectorAnswer(
        slope=2.0,
        intercept=-9.6,
        fitted_on="valid",
        n=60,
        n_positive=30,
        operating_points=(point,),
    )


def test_the_best_box_answers_and_is_shown(make_detector: Maker, scans: Path) -> None:
    reader = greenstick.Reader(make_detector("alone", gain=GAIN, answer=answer_of()), threads=1)
    dark, bright = reader(scans / "dark.png"), reader(scans / "bright.jpg")
    assert (dark.decision, bright.decision) == ("no fracture", "fracture")
    for reading, mean in ((dark, 0.2), (bright, 0.7)):
        assert reading.best_box == pytest.approx(expit(3 + GAIN * mean), abs=2e-3)
        calibrated = expit(2.0 * (3 + GAIN * mean) - 9.6)
        assert reading.probability == pytest.approx(float(calibrated), abs=0.03)
        assert reading.threshold == 0.5
        assert reading.peak_x is None
    assert dark.boxes == ()  # though its box reaches the detector's confidence
    (box,) = bright.boxes
    assert (box.x, box.y, box.width, box.height) == (24.0, 48.0, 48.0, 48.0)
    assert bright.warnings == ()
    facts = reader.facts()
    assert (facts["detector"], facts["temperature_fitted_on"]) == ("alone", "valid")
    assert (facts["detector_slope"], facts["detector_intercept"]) == (2.0, -9.6)
    unread = reader(scans / "cut.jpg")
    assert (unread.status, unread.decision) == ("not read", None)


def test_an_answer_below_the_confidence_shows_the_surest_box(
    make_detector: Maker, scans: Path
) -> None:
    high = CardOperatingPoint(threshold=0.9999, rule="f1", chosen_on="valid", n=50)
    folder = make_detector("high", gain=GAIN, answer=answer_of(), operating_points=(high,))
    reading = Reader(folder, threads=1)(scans / "bright.jpg")
    assert reading.decision == "fracture"
    assert [box.probability for box in reading.boxes] == [reading.best_box]
    assert "the surest one is shown" in reading.warnings[-1]


def test_a_film_without_any_box_points_nowhere(make_detector: Maker, scans: Path) -> None:
    never = make_detector("never", gain=-1000.0, answer=answer_of(threshold=0.0))
    reading = Reader(never, threads=1)(scans / "bright.jpg")
    assert reading.boxes[0].class_name == "old"  # the other one does not depend on the gray
    sure = make_detector("sure", gain=GAIN, answer=answer_of())
    assert marks(Reader(sure, threads=1)(scans / "dark.png")) == []


def test_what_a_network_says_of_the_canvas_beside_a_film_is_no_answer(
    make_detector: Maker, scans: Path, tmp_path: Path
) -> None:
    pixels = np.asarray(Image.open(scans / "bright.jpg"))[:, :64]
    Image.fromarray(pixels).save(tmp_path / "narrow.png")  # columns 21 to 42 of the canvas
    beside = make_detector("beside", first=(2, 16, 18, 32), answer=answer_of(threshold=0.0))
    reading = Reader(beside, threads=1)(tmp_path / "narrow.png")
    assert reading.best_box == pytest.approx(expit(-2), abs=1e-4)
    assert reading.probability == pytest.approx(float(expit(2.0 * -2 - 9.6)), rel=1e-3)


def test_everything_is_written_as_of_any_model(
    make_detector: Maker, scans: Path, tmp_path: Path
) -> None:
    folder, out = make_detector("alone", gain=GAIN, answer=answer_of()), tmp_path / "out"
    words = ["read", str(scans), "--model", str(folder), "--threads", "1"]
    assert CliRunner().invoke(app, [*words, "-o", str(out)]).exit_code == 0
    readings = json.loads((out / "readings.json").read_text())["readings"]
    by_name = {Path(one["path"]).name: one for one in readings}
    assert len(by_name["bright.jpg"]["boxes"]) == 1
    assert by_name["dark.png"]["boxes"] == []
    outlined = {}
    for name in ("bright", "dark"):
        (path,) = (
            (out / "overlays").glob(f"{name}*.png")
            if name == "bright"
            else [out / "overlays" / by_name["dark.png"]["overlay"]]
        )
        outlined[name] = (np.asarray(Image.open(path)) == (88, 196, 255)).all(axis=-1).sum()
    assert outlined["bright"] > 300
    assert outlined["dark"] == 0
    table = tmp_path / "all.parquet"
    assert CliRunner().invoke(app, [*words, "-o", str(table)]).exit_code == 0
    rows = pl.read_parquet(table).filter(status="read")
    assert rows["probability"].null_count() == 0
    assert rows.filter(pl.col("decision") == "no fracture")["boxes"].list.len().max() == 0


def test_what_cannot_answer_is_refused_with_its_remedy(make_detector: Maker) -> None:
    with pytest.raises(GreenstickError, match="cannot tell that there is none") as caught:
        Reader(make_detector("points"))
    assert "greenstick detector calibrate" in str(caught.value.remedy)
    folder = make_detector("alone", answer=answer_of())
    with pytest.raises(GreenstickError, match="is a detector itself"):
        Reader(folder, boxes_from=folder)
    with pytest.raises(GreenstickError, match="do not run on 'onnx'"):
        Reader(folder, device="onnx")
