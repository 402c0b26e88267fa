from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from greenstick import RESEARCH_USE
from greenstick.errors import GreenstickError
from greenstick.reading.dicom_results.report import DECISIONS
from greenstick.reading.dicom_results.writing import DicomWriter
from greenstick.reading.reader import Examination
from greenstick.reading.results import Decision

from .conftest import HEIGHT, MADE, PRIVATE, SPOT, WIDTH, Wrote

Maker = Callable[..., Path]
Writer = Callable[..., Wrote]
UIDS = ("SOPInstanceUID", "SeriesInstanceUID")


def opened(wrote: Wrote) -> dict[str, Dataset]:
    return {kind: pydicom.dcmread(path) for kind, path in wrote.files.items()}


def items(report: Dataset) -> list[Dataset]:
    """All content items of a report, in depth."""
    return [
        inner
        for item in report.get("ContentSequence", ())
        for inner in (item, *items(item))
    ]  # fmt: skip


def named(report: Dataset, meaning: str) -> list[Dataset]:
    return [
        item for item in items(report)
        if "ConceptNameCodeSequence" in item
        and item.ConceptNameCodeSequence[0].CodeMeaning == meaning
    ]  # fmt: skip


def number(report: Dataset, meaning: str) -> float:
    (item,) = named(report, meaning)
    return float(item.MeasuredValueSequence[0].NumericValue)


def test_results_lie_in_the_films_study_under_its_patient(make_film: Maker, write: Writer) -> None:
    film = make_film()
    source = pydicom.dcmread(film)
    results = opened(write(film))
    assert [results[kind].Modality for kind in ("sr", "sc", "pr")] == ["SR", "OT", "PR"]
    for result in results.values():
        for keyword in (
            "StudyInstanceUID", "PatientName", "PatientID", "PatientBirthDate", "PatientSex",
            "AccessionNumber", "StudyID", "StudyDate", "StudyTime", "ReferringPhysicianName",
        ):  # fmt: skip
            assert str(result[keyword].value) == str(source[keyword].value)
        assert result.SeriesInstanceUID != source.SeriesInstanceUID
        assert result.InstanceNumber == 4
        assert (result.ContentDate if "ContentDate" in result else "20260102") == "20260102"
    assert len({result[uid].value for result in results.values() for uid in UIDS}) == 6


def test_nothing_else_of_the_header_gets_out(make_film: Maker, write: Writer) -> None:
    for path in write(make_film()).files.values():
        content = path.read_bytes()
        assert not [value for value in PRIVATE.values() if value.encode() in content]


def test_reading_twice_makes_the_same_objects_and_another_model_others(
    make_film: Maker, write: Writer
) -> None:
    film = make_film()
    first = opened(write(film))
    again = opened(write(film, made=MADE + timedelta(days=3)))
    other = opened(write(film, model="other"))
    second_film = opened(write(make_film("second.dcm", SOPInstanceUID="1.2.3.4")))
    for kind, result in first.items():
        assert [result[uid].value for uid in UIDS] == [again[kind][uid].value for uid in UIDS]
        assert not {result[uid].value for uid in UIDS} & {other[kind][uid].value for uid in UIDS}
        assert result.SOPInstanceUID != second_film[kind].SOPInstanceUID
        assert result.SeriesInstanceUID == second_film[kind].SeriesInstanceUID  # same study


def test_the_report_says_finding_probability_decision_and_by_whom(
    make_film: Maker, write: Writer
) -> None:
    wrote = write(make_film())
    report = opened(wrote)["sr"]
    reading = wrote.examination.reading
    assert (report.PreliminaryFlag, report.VerificationFlag) == ("PRELIMINARY", "UNVERIFIED")
    assert number(report, "Probability of a fracture") == pytest.approx(
        reading.probability, abs=1e-5
    )
    assert number(report, "Threshold of the decision") == 0.1
    (decision,) = named(report, "Decision of the model at its threshold")
    assert decision.ConceptCodeSequence[0].CodeValue == "fracture"
    assert named(report, "Finding")[0].ConceptCodeSequence[0].CodeValue == "125605004"
    assert named(report, "Algorithm Name")[0].TextValue == "mean"
    assert f"checksum: {wrote.facts['digest']}" in [
        item.TextValue for item in named(report, "Algorithm Parameters")
    ]
    assert [item.TextValue for item in named(report, "Comment")] == [
        RESEARCH_USE,
        *reading.warnings,
    ]


def test_the_report_and_the_marks_point_at_the_spot(make_film: Maker, write: Writer) -> None:
    results = opened(write(make_film()))
    (region,) = named(results["sr"], "Image Region")
    (graphic,) = results["pr"].GraphicAnnotationSequence[0].GraphicObjectSequence
    for item in (region, graphic):
        assert item.GraphicType == "POLYLINE"
        points = np.reshape(item.GraphicData, (-1, 2))
        assert points[0] == pytest.approx(points[4])
        # A cell is 80 px of the film; the spot's edges are found to within one.
        found = (*points.min(axis=0), *points.max(axis=0))
        assert found == pytest.approx(SPOT, abs=80)
        assert points.min() >= 0
        assert (points.max(axis=0) <= (WIDTH, HEIGHT)).all()
    referred = region.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID
    shown = results["pr"].ReferencedSeriesSequence[0].ReferencedImageSequence[0]
    assert referred == shown.ReferencedSOPInstanceUID == pydicom.dcmread(make_film()).SOPInstanceUID
    assert 0.9 < number(results["sr"], "Greatest probability of the heat map within") < 1.0


def test_a_detector_s_boxes_are_told_as_its_own(
    make_film: Maker, write: Writer, make_detector: Callable[..., Path]
) -> None:
    wrote = write(make_film(), boxes_from=make_detector())
    report = opened(wrote)["sr"]
    (region,) = named(report, "Image Region")
    # 240 by 320 px lie 48 px wide on a canvas of 64; the box begins at its left edge.
    left, top = np.reshape(region.GraphicData, (-1, 2)).min(axis=0)
    assert (left, top) == (0.0, 80.0)
    assert number(report, "Score that the detector gives to the region") > 0.9
    assert not named(report, "Greatest probability of the heat map within")
    said = [item.TextValue for item in named(report, "Algorithm Parameters")]
    assert "boxes of two boxes from 0.4, chosen on valid" in said
    assert "Region 1 (new)" in [i.TextValue for i in named(report, "Tracking Identifier")]


def test_without_a_fracture_nothing_is_asserted_or_pointed_at(
    make_film: Maker, write: Writer
) -> None:
    results = opened(write(make_film(), threshold=0.9))
    (decision,) = named(results["sr"], "Decision of the model at its threshold")
    assert decision.ConceptCodeSequence[0].CodeValue == "no-fracture"
    assert not named(results["sr"], "Finding")
    assert not named(results["sr"], "Image Region")
    (annotation,) = results["pr"].GraphicAnnotationSequence
    assert "GraphicObjectSequence" not in annotation
    assert "no fracture" in annotation.TextObjectSequence[0].UnformattedTextValue


def test_a_model_without_a_threshold_decides_nothing(make_film: Maker, write: Writer) -> None:
    wrote = write(make_film(), threshold=None)
    report = opened(wrote)["sr"]
    assert not named(report, "Decision of the model at its threshold")
    assert not named(report, "Finding")
    (peak,) = named(report, "Image Region")
    reading = wrote.examination.reading
    assert peak.GraphicType == "POINT"
    assert peak.GraphicData == pytest.approx([reading.peak_x, reading.peak_y], abs=0.01)


def test_warnings_doubt_and_spread_get_out(make_film: Maker, write: Writer, tmp_path: Path) -> None:
    wrote = write(make_film())
    reading = replace(
        wrote.examination.reading, decision="doubt", low=0.1, high=0.3, warnings=("It is strange.",)
    )
    writer = DicomWriter(tmp_path / "again", wrote.facts, ("sr", "pr"))
    names = writer.write(Examination(reading), wrote.picture, "film", made=MADE)
    report, state = (pydicom.dcmread(tmp_path / "again" / name) for name in names)
    comments = [item.TextValue for item in named(report, "Comment")]
    assert comments == [RESEARCH_USE, "It is strange."]
    assert number(report, "Probability, a deviation of the ensemble below") == 0.1
    assert number(report, "Probability, a deviation of the ensemble above") == 0.3
    (decision,) = named(report, "Decision of the model at its threshold")
    assert decision.ConceptCodeSequence[0].CodeValue == "doubt"
    assert not named(report, "Finding")
    text = state.GraphicAnnotationSequence[0].TextObjectSequence[0].UnformattedTextValue
    assert "doubt" in text
    assert "Warning: It is strange." in text


def test_each_decision_has_a_code() -> None:
    assert set(DECISIONS) == set(get_args(Decision))


def test_the_capture_is_the_picture(make_film: Maker, write: Writer) -> None:
    lossy: dict[str, Any] = {
        "LossyImageCompression": "01",
        "LossyImageCompressionRatio": "12.5",
        "LossyImageCompressionMethod": "ISO_10918_1",
        "ImageLaterality": "L",
        "BurnedInAnnotation": "YES",
    }
    wrote = write(make_film(**lossy))
    capture = opened(wrote)["sc"]
    assert np.array_equal(capture.pixel_array, np.asarray(wrote.picture))
    assert {keyword: str(capture[keyword].value) for keyword in lossy} == lossy
    assert capture.SourceImageSequence[0].ReferencedSOPInstanceUID


def test_the_film_shows_as_before(make_film: Maker, write: Writer) -> None:
    dark = opened(write(make_film()))["pr"]
    assert dark.PresentationLUTShape == "INVERSE"  # MONOCHROME1
    (window,) = dark.SoftcopyVOILUTSequence
    assert (window.WindowCenter, window.WindowWidth) == (2048, 4096)
    bright = make_film(
        "b.dcm", PhotometricInterpretation="MONOCHROME2", RescaleSlope="2", RescaleIntercept="-5",
        RescaleType="US", WindowCenter=None, WindowWidth=None,
    )  # fmt: skip
    state = opened(write(bright))["pr"]
    assert (state.PresentationLUTShape, state.RescaleSlope) == ("IDENTITY", 2)
    assert "SoftcopyVOILUTSequence" not in state
    assert (
        RESEARCH_USE in state.GraphicAnnotationSequence[0].TextObjectSequence[0][0x00700006].value
    )


def test_what_was_not_read_gets_no_result(make_film: Maker, write: Writer, tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="not read"):
        write(make_film(Modality="CT"))
    Image.effect_noise((90, 90), 60).save(tmp_path / "film.png")
    with pytest.raises(GreenstickError, match="no DICOM"):
        write(tmp_path / "film.png")
    assert not (tmp_path / "dicom").exists()


def test_a_header_that_allows_no_result_is_told_without_its_values(
    make_film: Maker, write: Writer
) -> None:
    with pytest.raises(GreenstickError, match="does not allow") as caught:
        write(make_film(VOILUTFunction="JANE"))
    assert "JANE" not in str(caught.value)
