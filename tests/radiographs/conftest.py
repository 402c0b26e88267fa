"""Small radiographs, and DICOM files made to order."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray
from pydicom.uid import ComputedRadiographyImageStorage, ExplicitVRLittleEndian, generate_uid

PATIENT_NAME, PATIENT_ID = "Zimmermann^Adelheid", "MRN-4711"


@pytest.fixture
def film() -> NDArray[np.uint8]:
    """Return an 8-bit picture of 96 x 64 (height x width) without symmetry."""
    rows, columns = np.mgrid[0:96, 0:64]
    picture = 40 + rows + columns // 2 + 60 * ((rows // 12 + columns // 9) % 2)
    return picture.astype(np.uint8)


@pytest.fixture
def write_dicom(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of CR files; keyword arguments set, replace or (None) drop elements."""

    def write(stored: NDArray[Any] | None, name: str = "film.dcm", **elements: Any) -> Path:
        file = pydicom.Dataset()
        file.file_meta = pydicom.dataset.FileMetaDataset()
        file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        file.file_meta.MediaStorageSOPClassUID = ComputedRadiographyImageStorage
        file.file_meta.MediaStorageSOPInstanceUID = generate_uid(entropy_srcs=[name])
        file.SOPClassUID, file.Modality = ComputedRadiographyImageStorage, "CR"
        file.PatientName, file.PatientID = PATIENT_NAME, PATIENT_ID
        file.PhotometricInterpretation, file.SamplesPerPixel = "MONOCHROME2", 1
        if stored is not None:
            _put_pixels(file, stored)
        for keyword, value in elements.items():
            if value is None:
                delattr(file, keyword)
            else:
                setattr(file, keyword, value)
        file.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    return write


def _put_pixels(file: pydicom.Dataset, stored: NDArray[Any]) -> None:
    bits = 8 * stored.dtype.itemsize
    file.Rows, file.Columns = stored.shape[-2:]
    file.BitsAllocated, file.BitsStored, file.HighBit = bits, bits, bits - 1
    file.PixelRepresentation = int(stored.dtype.kind == "i")
    file.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    file["PixelData"].VR = "OB" if bits == 8 else "OW"
