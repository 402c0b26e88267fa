"""Looking at a part of each image: from a cohort's columns, or where a detector finds it."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import polars as pl
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from greenstick.cohorts.cohort import Cohort, make_cohort, read_cohort, write_cohort
from greenstick.errors import GreenstickError
from greenstick.evidence.evidence import read_evidence
from greenstick.experiments.exporting import export_model
from greenstick.experiments.regions import (
    region_findings,
    unseen_fractures,
    with_regions,
    without_unseen,
)
from greenstick.experiments.run_folder import RunFolder
from greenstick.experiments.sections import RegionSection
from greenstick.models.card import CardOperatingPoint, read_card, write_card
from greenstick.models.detector_settings import DetectorCard, DetectorSettings
from greenstick.reading.archive import read_paths
from greenstick.reading.reader import Reader
from greenstick.reading.table import read_archive

SEEN_PX = 32
CELLS = sum((SEEN_PX // stride) ** 2 for stride in (8, 16, 32))
MODEL: dict[str, Any] = {"recipe": {"epochs": 2}, "evidence": {"overlays": 8, "subgroups": []}}


def draw(number: int) -> tuple[np.ndarray[Any, Any], tuple[int, int], int]:
    """Return a film with a bright square limb; on every second a spot in it; and where it lies."""
    rng = np.random.default_rng(number)
    pixels = rng.normal(30, 6, (160, 120))
    x, y = (int(v) for v in rng.integers(4, 50, 2))
    pixels[y : y + 60, x : x + 60] += 60
    label = number % 2
    if label:
        pixels[y + 20 : y + 32, x + 24 : x + 36] += 110
    return pixels.clip(0, 255).astype(np.uint8), (x, y), label


@pytest.fixture(scope="module")
def limbs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the file of a cohort whose columns tell where the limb is."""
    folder = tmp_path_factory.mktemp("limbs")
    rows = []
    for number in range(48):
        pixels, (x, y), label = draw(number)
        Image.fromarray(pixels).save(folder / f"{number:02d}.png")
        box = {"x": x + 24.0, "y": y + 20.0, "width": 12.0, "height": 12.0}
        rows.append(
            {
                "image": f"{number:02d}.png",
                "label": label,
                "boxes": [box] if label else [],
                "region_x": float(x),
                "region_y": float(y),
                "region_width": 60.0,
                "region_height": 60.0,
            }
        )
    write_cohort(make_cohort(pl.DataFrame(rows), folder), folder / "cohort.parquet")
    return folder / "cohort.parquet"


def make_detector(folder: Path, *, sure_above: float = 0.05, classes: int = 1) -> Path:
    """Write a detector of one box, (25 %, 25 %) to (75 %, 75 %), on films brighter than that."""
    folder.mkdir(parents=True)
    side = SEEN_PX
    boxes = np.full((1, CELLS, 4), [0.25 * side, 0.25 * side, 0.75 * side, 0.75 * side], np.float32)
    which = np.full((1, CELLS, 1), -20.0, np.float32)
    which[0, 0, 0] = 0.0
    numbers = {"boxes_": boxes, "which": which, "sure": np.float32([sure_above]),
               "times": np.float32([100.0]), "axes": np.int64([2, 3]),
               "rest": np.zeros((1, 1, classes), np.float32)}  # fmt: skip
    numbers["rest"][..., 1:] = -20.0
    nodes = [
        helper.make_node("ReduceMean", ["images", "axes"], ["mean"], keepdims=0),
        helper.make_node("Sub", ["mean", "sure"], ["above"]),
        helper.make_node("Mul", ["above", "times"], ["many"]),
        helper.make_node("Add", ["many", "which"], ["one"]),
        helper.make_node("Add", ["one", "rest"], ["logits"]),
        helper.make_node("Identity", ["boxes_"], ["boxes"]),
    ]
    outputs = [
        helper.make_tensor_value_info("boxes", TensorProto.FLOAT, [1, CELLS, 4]),
        helper.make_tensor_value_info("logits", TensorProto.FLOAT, [1, CELLS, classes]),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 1, side, side])
    constants = [numpy_helper.from_array(value, name) for name, value in numbers.items()]
    graph = helper.make_graph(nodes, "one box", [images], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, folder / "model.onnx")
    point = CardOperatingPoint(threshold=0.5, rule="youden", chosen_on="valid", n=9)
    names = ("limb", "marker")[:classes]
    write_card(
        folder,
        DetectorCard(name="limb finder", detector=DetectorSettings(classes=names),
                     canvas_px=side, operating_points=(point,)),
    )  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def by_cohort(
    experiment_on: Any, run: Any, limbs: Path, tmp_path_factory: pytest.TempPathFactory
) -> RunFolder:
    folder = tmp_path_factory.mktemp("runs")
    detector = make_detector(folder / "detector")
    region = {"source": "cohort", "margin": 0.1, "detector": str(detector)}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GREENSTICK_CACHE", str(folder / "cache"))
        run(experiment_on(limbs, region=region, **MODEL), folder / "a")
    return RunFolder(folder / "a")


def test_the_network_sees_the_limb_alone(by_cohort: RunFolder) -> None:
    table = by_cohort.table("cohort")
    # The mean side 60 and a tenth at each edge: 72 px about the limb's middle, within the film.
    for row in table.iter_rows(named=True):
        left = min(max(round(row["region_x"] + 30 - 36), 0), 120 - 72)
        top = min(max(round(row["region_y"] + 30 - 36), 0), 160 - 72)
        assert row["looked_at"] == {"x": left, "y": top, "width": 72, "height": 72}
    explained = by_cohort.table("explanations").join(table, on="image")
    for row in explained.iter_rows(named=True):
        seen = row["looked_at"]
        assert seen["x"] <= row["peak_x"] <= seen["x"] + 72
        assert seen["y"] <= row["peak_y"] <= seen["y"] + 72
    codes = {finding.code for finding in read_evidence(by_cohort / "evidence.json").findings}
    assert "region" in codes
    assert any((by_cohort / "overlays").iterdir())


def test_a_reader_finds_the_region_first(by_cohort: RunFolder, tmp_path: Path) -> None:
    folder = by_cohort.model("test_resnet")
    card = read_card(folder)
    assert card.region is not None
    assert (card.region.source, card.region.detector) == ("cohort", "limb finder")
    Image.fromarray(draw(1)[0]).save(tmp_path / "film.png")
    Image.fromarray((draw(1)[0] // 12 + 1).astype(np.uint8)).save(tmp_path / "dark.png")
    bright, dark = Reader(folder, threads=1).read_many(
        [tmp_path / "film.png", tmp_path / "dark.png"]
    )
    # The film is 96 of 128 canvas px wide: a box of half the canvas, 80 px with its margins 96.
    assert bright.region is not None
    side = round(80 * 1.2)
    assert (bright.region.width, bright.region.height) == (side, side)
    assert abs(bright.region.x + side / 2 - 60) <= 1
    assert abs(bright.region.y + side / 2 - 80) <= 1
    assert any("nothing is said of what lies outside" in line for line in bright.warnings)
    assert bright.region.x <= (bright.peak_x or 0) <= bright.region.x + side
    assert (dark.status, dark.decision) == ("not read", None)
    assert "not found" in dark.reason
    cut = Image.open(tmp_path / "film.png").crop((12, 32, 108, 128))
    cut.save(tmp_path / "cut.png")
    alone = Reader(folder, threads=1, region_from="image")(tmp_path / "cut.png")
    assert alone.probability == pytest.approx(bright.probability, abs=1e-3)
    assert alone.model_digest != bright.model_digest


def test_the_other_ways_of_reading_say_the_same(by_cohort: RunFolder, tmp_path: Path) -> None:
    folder = by_cohort.model("test_resnet")
    films = tmp_path / "films"
    films.mkdir()
    Image.fromarray(draw(3)[0]).save(films / "film.png")
    one = Reader(folder, threads=1)(films / "film.png")
    (isolated,) = read_paths([films], folder, tmp_path / "out", threads=1)
    assert (isolated.region, isolated.probability) == (one.region, one.probability)
    with Image.open(tmp_path / "out" / "overlays" / isolated.overlay) as picture:
        assert picture.height > 300
    read_archive([films], folder, tmp_path / "all.parquet", threads=1)
    assert one.region is not None
    row = pl.read_parquet(tmp_path / "all.parquet").row(0, named=True)
    assert (row["region"]["x"], row["region"]["width"]) == (one.region.x, one.region.width)
    exported = export_model(by_cohort.path, "onnx", tmp_path / "exported")
    assert Reader(exported.path.parent, threads=1)(films / "film.png").region == one.region


def test_a_detector_says_where_and_a_film_without_a_region_is_left_out(
    limbs: Path, tmp_path: Path
) -> None:
    table = read_cohort(limbs).table.head(3)
    for number, name in enumerate(table["image"]):
        pixels = draw(number)[0]
        film = pixels // 12 + 1 if number == 0 else pixels
        Image.fromarray(film.astype(np.uint8)).save(tmp_path / name)
    detector = make_detector(tmp_path / "detector", classes=2)
    region = RegionSection(source="detector", detector=str(detector), class_name="limb")
    kept, lost = with_regions(make_cohort(table, tmp_path), region)
    assert lost["reason"].to_list() == ["no-region: the detector finds nothing; label 0"]
    assert kept.table["image"].to_list() == ["01.png", "02.png"]
    # A box of half the canvas is 80 px on the film, 96 with its margins, about the film's middle.
    assert kept.table["looked_at"][0] == {"x": 12, "y": 32, "width": 96, "height": 96}
    splits = kept.table.select("image", split=pl.lit("train"))
    _, finding = region_findings(region, kept, splits, lost)
    assert "1 images, 0 of them with a fracture, have no region" in finding.message
    whole = region.model_copy(update={"unfound": "whole image"})
    kept, lost = with_regions(make_cohort(table, tmp_path), whole)
    assert lost.is_empty()
    assert kept.table["looked_at"][0] == {"x": 0, "y": 0, "width": 120, "height": 160}


def cohort_of(limbs: Path, **columns: Any) -> Cohort:
    cohort = read_cohort(limbs)
    return cohort.with_table(cohort.table.with_columns(**columns))


def test_what_the_cohort_lacks_is_told(limbs: Path) -> None:
    told = RegionSection(source="cohort")
    cohort = read_cohort(limbs)
    lacking = cohort.with_table(cohort.table.drop("region_x"))
    with pytest.raises(GreenstickError, match="no column 'region_x'"):
        with_regions(lacking, told)
    with pytest.raises(GreenstickError, match="no number"):
        with_regions(cohort_of(limbs, region_x=pl.lit("left")), told)
    with pytest.raises(GreenstickError, match="None of the 48 images"):
        with_regions(cohort_of(limbs, region_x=pl.lit(5000.0)), told)
    first = pl.col("image") == "00.png"
    outside = pl.when(first).then(-90.0).otherwise("region_x")
    kept, lost = with_regions(cohort_of(limbs, region_x=outside), told)
    assert lost["image"].to_list() == ["00.png"]
    assert "no box within the image" in lost["reason"][0]
    assert len(kept) == 47
    whole = told.model_copy(update={"unfound": "whole image"})
    kept, lost = with_regions(cohort_of(limbs, region_x=outside), whole)
    assert lost.is_empty()
    assert kept.table["looked_at"][0] == {"x": 0, "y": 0, "width": 120, "height": 160}
    with pytest.raises(ValueError, match=r"needs region\.detector"):
        RegionSection(source="detector")
    with pytest.raises(GreenstickError, match="no detector in"):
        with_regions(read_cohort(limbs), RegionSection(source="detector", detector="nowhere"))


def test_a_class_that_the_detector_lacks_is_told(limbs: Path, tmp_path: Path) -> None:
    detector = make_detector(tmp_path / "detector", classes=2)
    region = RegionSection(source="detector", detector=str(detector), class_name="knee")
    with pytest.raises(GreenstickError, match="knows no class 'knee'"):
        with_regions(read_cohort(limbs), region)


def test_a_fracture_that_is_not_looked_at_is_judged_and_not_learned(limbs: Path) -> None:
    settings = RegionSection(source="cohort", margin=0.0)
    broken = pl.col("image").is_in(["01.png", "03.png"])
    small = pl.when(broken).then(8.0).otherwise(60.0)
    told = cohort_of(limbs, region_width=small, region_height=small)
    cohort, _ = with_regions(told, settings)
    assert unseen_fractures(cohort).to_list() == ["01.png", "03.png"]
    sides = ["train", "test"] * 24
    splits = cohort.table.select("image").with_columns(
        split=pl.when(pl.col("image") == "03.png").then(pl.lit("train")).otherwise(
            pl.Series(sides)))  # fmt: skip
    kept = without_unseen(splits, cohort)
    assert set(splits["image"]) - set(kept["image"]) == {"03.png"}
    dropped = pl.DataFrame(schema={"image": pl.String, "reason": pl.String})
    codes = {one.code: one for one in region_findings(settings, cohort, splits, dropped)}
    assert "1 of them are test images" in codes["fracture-outside-region"].message


def test_a_model_of_whole_images_takes_no_region(by_cohort: RunFolder, tmp_path: Path) -> None:
    folder = by_cohort.model("test_resnet")
    card = read_card(folder)
    (tmp_path / "model.onnx").write_bytes((folder / "model.onnx").read_bytes())
    write_card(tmp_path, card.model_copy(update={"region": None}))
    with pytest.raises(GreenstickError, match="looks at whole images"):
        Reader(tmp_path, region_from="image")
    assert card.region is not None
    alone = card.region.model_copy(update={"detector": ""})
    write_card(tmp_path, card.model_copy(update={"region": alone}))
    with pytest.raises(GreenstickError, match="brings no detector"):
        Reader(tmp_path)
