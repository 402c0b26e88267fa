"""A DICOM film with everything a hospital's header may hold, and a model that sees its spot."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

from greenstick.explanation.overlay import overlay
from greenstick.models.card import CardOperatingPoint
from greenstick.reading.dicom_results.kinds import KINDS
from greenstick.reading.dicom_results.writing import DicomWriter
from greenstick.reading.reader import Examination, Reader

MADE = datetime(2026, 1, 2, 3, 4, 5)
WIDTH, HEIGHT = 240, 320
#: The bright spot: left, top, right, bottom.
SPOT = (60, 80, 180, 200)
#: In a hospital's header, and none of a result's business.
PRIVATE = {
    "InstitutionName": "St. Elsewhere",
    "InstitutionAddress": "12 Hidden Lane",
    "OtherPatientIDs": "ALSO-KNOWN-AS",
    "PatientAddress": "34 Secret Street",
    "PatientTelephoneNumbers": "0555-123",
    "OperatorsName": "Operator^Olive",
    "PerformingPhysicianName": "Performer^Pete",
    "PatientComments": "talks a lot",
    "StationName": "ROOM-9",
    "DeviceSerialNumber": "SN-4711",
    "StudyDescription": "Wrist of Jane",
    "SeriesDescription": "AP for Jane",
    "PatientMotherBirthName": "Maiden",
}


def film_header(**changes: object) -> Dataset:
    """Return a CR image of MONOCHROME1 with a dark (that is, bright) spot, and changed elements."""
    file = Dataset()
    file.SOPClassUID = ComputedRadiographyImageStorage
    for keyword in ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID"):
        setattr(file, keyword, generate_uid(entropy_srcs=[keyword]))
    file.SpecificCharacterSet = "ISO_IR 100"
    file.PatientName, file.PatientID, file.PatientBirthDate = "Dóe^Jane", "P-0815", "20150203"
    file.PatientSex, file.AccessionNumber, file.StudyID = "F", "A-1", "S-1"
    file.StudyDate, file.StudyTime, file.ReferringPhysicianName = "20251224", "1230", "House^Greg"
    file.Modality, file.InstanceNumber, file.BodyPartExamined = "CR", 4, "WRIST"
    file.Rows, file.Columns, file.SamplesPerPixel = HEIGHT, WIDTH, 1
    file.PhotometricInterpretation, file.PixelRepresentation = "MONOCHROME1", 0
    file.BitsAllocated, file.BitsStored, file.HighBit = 16, 12, 11
    file.WindowCenter, file.WindowWidth = 2048, 4096
    for keyword, value in (PRIVATE | changes).items():
        setattr(file, keyword, value)
    rng = np.random.default_rng(5)
    pixels = rng.integers(3500, 4000, (HEIGHT, WIDTH)).astype("<u2")
    left, top, right, bottom = SPOT
    pixels[top:bottom, left:right] = 100
    file.PixelData = pixels.tobytes()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return file


@pytest.fixture
def make_film(tmp_path: Path) -> Callable[..., Path]:
    """Return a maker of film files; keyword arguments replace elements, None deletes them."""

    def make(name: str = "film.dcm", **changes: object) -> Path:
        file = film_header(**{key: value for key, value in changes.items() if value is not None})
        for keyword in (key for key, value in changes.items() if value is None):
            delattr(file, keyword)
        file.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return make


@dataclass(frozen=True)
class Wrote:
    """What a writer made of a film."""

    examination: Examination
    picture: Image.Image
    files: dict[str, Path]
    facts: dict[str, object]


@pytest.fixture
def write(make_model: Callable[..., Path], tmp_path: Path) -> Callable[..., Wrote]:
    """Return a function that reads a film with a model and writes all results."""
    models: dict[str, Path] = {}

    def run(
        film: Path,
        *,
        model: str = "mean",
        made: datetime = MADE,
        threshold: float | None = 0.1,
        boxes_from: Path | None = None,
    ) -> Wrote:
        if model not in models:
            models[model] = make_model(model, operating_points=_points(threshold))
        reader = Reader(models[model], threads=1, boxes_from=boxes_from)
        (seen,) = reader.examine([film])
        shown = np.zeros((8, 8), np.float32) if seen.pixels is None else seen.pixels
        picture = overlay(shown, seen.heat, score=seen.reading.probability)
        writer = DicomWriter(tmp_path / "dicom", reader.facts(), KINDS)
        names = writer.write(seen, picture, film.stem, made=made)
        files = {kind: tmp_path / "dicom" / name for kind, name in zip(KINDS, names, strict=True)}
        return Wrote(seen, picture, files, reader.facts())

    return run


def _points(threshold: float | None) -> tuple[CardOperatingPoint, ...]:
    if threshold is None:
        return ()
    return (CardOperatingPoint(threshold=threshold, rule="youden", chosen_on="valid", n=80),)
