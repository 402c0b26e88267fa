import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.special import expit

from greenstick.errors import GreenstickError
from greenstick.models.card import Card, CardCalibration, CardOperatingPoint
from greenstick.models.checkpoint import load_checkpoint, save_checkpoint
from greenstick.models.classifier import build_classifier
from greenstick.models.settings import ClassifierSettings
from greenstick.radiographs.canvas import fit
from greenstick.radiographs.opening import open_radiograph
from greenstick.reading.reader import Reader, find_model

Maker = Callable[..., Path]


def expected(path: Path, *, temperature: float = 1.5) -> float:
    mean = fit(open_radiograph(path, at_least_px=96), 96)[0].mean() / 255.0
    return float(expit((12.0 * mean - 5.0) / temperature))


def test_a_reading_is_the_calibrated_probability_and_its_decision(
    make_model: Maker, scans: Path
) -> None:
    reader = Reader(make_model(), threads=1)
    dark, bright = reader(scans / "dark.png"), reader(scans / "bright.jpg")
    assert dark.probability == pytest.approx(expected(scans / "dark.png"), abs=1e-5)
    assert bright.probability == pytest.approx(expected(scans / "bright.jpg"), abs=1e-5)
    assert (dark.decision, bright.decision) == ("no fracture", "fracture")
    assert (dark.status, dark.threshold, dark.model) == ("read", 0.4, "mean")
    assert (dark.width, dark.height) == (192, 192)
    assert dark.seconds > 0


def test_flip_average_and_classes_do_not_change_a_symmetric_answer(
    make_model: Maker, scans: Path
) -> None:
    two = ClassifierSettings(weights="none", classes=("normal", "fracture"))
    plain = Reader(make_model("plain"), threads=1)(scans / "dark.png")
    flipped = Reader(make_model("flipped", flip_average=True), threads=1)(scans / "dark.png")
    softmax = Reader(make_model("softmax", classifier=two), threads=1)(scans / "dark.png")
    assert flipped.probability == pytest.approx(plain.probability, abs=1e-5)
    assert (flipped.peak_x, flipped.peak_y) != (None, None)
    # The softmax of (-z, z) is the sigmoid of 2 z.
    assert softmax.probability == pytest.approx(
        expected(scans / "dark.png", temperature=0.75), abs=1e-5
    )


def test_of_any_classes_the_fracture_has_its_own_temperature_and_threshold(
    make_model: Maker, scans: Path
) -> None:
    reader = Reader(
        make_model(
            classifier=ClassifierSettings(
                weights="none", classes=("metal", "fracture"), outputs="any-of"
            ),
            calibration=CardCalibration(temperatures=(9.0, 0.75), fitted_on="valid", n=80),
            operating_points=tuple(
                CardOperatingPoint(
                    threshold=threshold, class_name=name, rule="youden", chosen_on="valid", n=80
                )
                for name, threshold in (("metal", 0.9), ("fracture", 0.3))
            ),
        ),
        threads=1,
    )
    dark = reader(scans / "dark.png")
    assert dark.probability == pytest.approx(
        expected(scans / "dark.png", temperature=0.75), abs=1e-5
    )
    assert dark.threshold == 0.3
    assert reader.facts()["temperature"] == 0.75


@pytest.mark.parametrize("flip", [False, True])
def test_the_peak_is_where_the_film_is_brightest(
    flip: bool, make_model: Maker, tmp_path: Path
) -> None:
    pixels = np.random.default_rng(2).integers(0, 60, (200, 400), dtype=np.uint8)
    pixels[20:70, 300:350] = 255
    Image.fromarray(pixels).save(tmp_path / "film.png")
    # With flip averaging, the mirror's map must be turned back, or there are two peaks.
    reading = Reader(make_model(flip_average=flip), threads=1)(tmp_path / "film.png")
    assert (reading.peak_x, reading.peak_y) == (
        pytest.approx(325, abs=50),
        pytest.approx(45, abs=50),
    )


def test_without_threshold_there_is_no_decision_and_without_calibration_none(
    make_model: Maker, scans: Path
) -> None:
    folder = make_model(operating_points=(), calibration=None)
    reading = Reader(folder, threads=1)(scans / "bright.jpg")
    assert reading.decision is None
    assert reading.threshold is None
    raw = expected(scans / "bright.jpg", temperature=1.0)
    assert reading.probability == pytest.approx(raw, abs=1e-5)


def test_one_reading_each_in_order_and_a_cut_file_stops_nothing(
    make_model: Maker, scans: Path
) -> None:
    names = ["dark.png", "cut.jpg", "none.png", "notes.txt", "bright.jpg"] * 5
    readings = list(Reader(make_model(), threads=2).read_many(scans / name for name in names))
    assert [Path(reading.path).name for reading in readings] == names
    for reading in readings:
        read = Path(reading.path).name in ("dark.png", "bright.jpg")
        assert reading.status == ("read" if read else "not read")
        assert (reading.probability is not None) is read
        assert (reading.decision is not None) is read
        assert bool(reading.reason) is not read
    assert "does not decode to its last row" in readings[1].reason


def test_files_are_not_opened_long_before_they_are_read(make_model: Maker, scans: Path) -> None:
    taken = []

    def endless() -> Iterator[Path]:
        for number in itertools.count():
            taken.append(number)
            yield scans / "dark.png"

    readings = Reader(make_model(), threads=2).read_many(endless())
    assert [next(readings).status for _ in range(3)] == ["read"] * 3
    assert len(taken) <= 3 + 2 * 2


def test_what_is_no_radiograph_is_not_read(make_model: Maker, shared_data: Path) -> None:
    reader = Reader(make_model(), threads=1)
    others = sorted((shared_data / "dicom" / "not_radiographs").glob("*.dcm"))
    readings = list(reader.read_many(others))
    assert len(readings) == 9
    assert {reading.status for reading in readings} == {"not read"}
    assert all("not a radiograph" in reading.reason for reading in readings)


def test_the_guard_speaks(make_model: Maker, tmp_path: Path) -> None:
    Image.new("L", (300, 300), 77).save(tmp_path / "blank.png")
    reading = Reader(make_model(), threads=1)(tmp_path / "blank.png")
    assert reading.status == "not read"
    assert "blank" in reading.reason


def test_models_are_found_in_run_folders(make_model: Maker, tmp_path: Path) -> None:
    make_model("run/models/fold-0")
    assert find_model(tmp_path / "run").name == "fold-0"
    assert Reader(tmp_path / "run", threads=1).facts()["threshold_chosen_on"] == "valid"
    make_model("run/models/fold-1")
    with pytest.raises(GreenstickError, match="holds 2 models"):
        find_model(tmp_path / "run")
    with pytest.raises(GreenstickError, match="There is no model"):
        find_model(tmp_path / "elsewhere")


def test_classes_without_a_fracture_are_refused(make_model: Maker) -> None:
    odd = ClassifierSettings(weights="none", classes=("left", "right"))
    with pytest.raises(GreenstickError, match="not whether there is one"):
        Reader(make_model(classifier=odd))


def test_equal_digests_only_for_equal_models(make_model: Maker) -> None:
    folder = make_model("a/mean")
    one, again = Reader(folder), Reader(folder)
    other = Reader(make_model("c/mean", flip_average=True))
    assert one.digest == again.digest != other.digest


@pytest.fixture(scope="module")
def torch_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = build_classifier(ClassifierSettings(backbone="resnet10t", weights="none"))
    for weights in model.head.parameters():
        if weights.ndim > 1:
            torch.nn.init.normal_(weights, std=0.3)
    card = Card(
        name="torch",
        classifier=model.settings,
        canvas_px=64,
        flip_average=True,
        calibration=CardCalibration(temperature=2.0, fitted_on="valid", n=10),
    )
    return save_checkpoint(tmp_path_factory.mktemp("torch"), model.eval(), card)


def test_reading_equals_the_trained_network(torch_model: Path, fracatlas: Path) -> None:
    model, card = load_checkpoint(torch_model)
    reader = Reader(torch_model, threads=1)
    for path in sorted(fracatlas.glob("images/IMG000010*.jpg"))[:6]:
        canvas = fit(open_radiograph(path, at_least_px=64), 64)[0]
        image = torch.from_numpy(canvas / np.float32(255.0))[None, None]
        with torch.inference_mode():
            plain, mirrored = model(image), model(image.flip(3))
        logit = float((plain.logits + mirrored.logits)[0, 0] / 2)
        assert reader(path).probability == pytest.approx(expit(logit / card.temperature), abs=1e-4)
        (examination,) = reader.examine([path])
        assert examination.heat is not None
        maps = ((plain.maps + mirrored.maps.flip(3)) / 2)[0, 0].numpy() / card.temperature
        np.testing.assert_allclose(examination.heat.logits, maps, atol=2e-4)
