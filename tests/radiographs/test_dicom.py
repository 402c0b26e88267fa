import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.radiographs import dicom
from greenstick.radiographs.dicom import open_dicom

Film = NDArray[np.uint8]
Writer = Callable[..., Path]


def test_real_radiographs_look_alike_in_every_transfer_syntax(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "radiographs"
    for series in ("RG1", "RG3"):
        images = {p.stem: open_dicom(p).pixels for p in sorted(folder.glob(f"{series}*.dcm"))}
        reference = next(iter(images.values()))
        assert len(images) == {"RG1": 2, "RG3": 7}[series]
        for name, pixels in images.items():
            assert np.abs(pixels - reference).mean() < 0.005, name


def test_lossless_transfer_syntaxes_are_equal_and_bone_is_bright(shared_data: Path) -> None:
    folder = shared_data / "dicom" / "radiographs"
    tibia = open_dicom(folder / "RG3_JPLL.dcm")
    for name in ("RG3_J2KR", "RG3_JLSL", "RG3_RLE"):
        np.testing.assert_array_equal(open_dicom(folder / f"{name}.dcm").pixels, tibia.pixels)
    assert tibia.original_size_px == (1760, 1760)
    assert (tibia.body_part, tibia.view, tibia.modality) == ("EXTREMITY", "AP", "CR")
    # The shaft of the tibia (row 400, columns 820 to 940) against the air beside the leg.
    assert tibia.pixels[400, 820:940].mean() > 0.5 > 0.2 > tibia.pixels[400, 480:580].mean()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("CT1_J2KI", "modality is CT"),
        ("MR1_J2KI", "modality is MR"),
        ("NM1_J2KI", "modality is NM"),
        ("US1_J2KI", "modality is US"),
        ("XA1_J2KI", "modality is XA"),
        ("VL1_J2KI", "pixels are color"),
        ("badVR", "modality is RTDOSE"),
        ("rtplan_truncated", "modality is RTPLAN"),
        ("test-SR", "modality is SR"),
    ],
)
def test_what_is_no_radiograph_is_refused_for_its_own_reason(
    name: str, reason: str, shared_data: Path
) -> None:
    with pytest.raises(GreenstickError, match=reason):
        open_dicom(shared_data / "dicom" / "not_radiographs" / f"{name}.dcm")


def test_what_the_file_says_is_kept(film: Film, write_dicom: Writer) -> None:
    path = write_dicom(
        film,
        PixelSpacing=["0.2", "0.1"],
        BodyPartExamined="HAND",
        ViewPosition="PA",
        ImageLaterality="L",
    )
    radiograph = open_dicom(path)
    assert radiograph.spacing_mm == (0.2, 0.1)
    assert (radiograph.body_part, radiograph.view, radiograph.laterality) == ("HAND", "PA", "L")
    assert (radiograph.modality, radiograph.patient) == ("CR", "MRN-4711")


def test_spacing_at_the_detector_is_the_second_choice(film: Film, write_dicom: Writer) -> None:
    path = write_dicom(film, PixelSpacing=["0", "0"], ImagerPixelSpacing=["0.15", "0.15"])
    assert open_dicom(path).spacing_mm == (0.15, 0.15)


@pytest.mark.parametrize(
    ("elements", "reason"),
    [
        ({"NumberOfFrames": "3"}, "holds 3 frames"),
        ({"PhotometricInterpretation": "PALETTE COLOR"}, "pixels are color"),
        ({"Modality": "MG"}, "modality is MG"),
        ({"Modality": None}, "modality is unknown"),
        ({"PixelData": None}, "holds no pixels"),
        ({"Rows": 60000, "Columns": 60000}, "million pixels"),
        ({"Rows": 500}, "does not decode to its last row"),
        ({"BitsAllocated": 12}, "does not decode to its last row"),
    ],
)
def test_each_refusal_has_its_reason_and_names_nobody(
    elements: dict[str, Any], reason: str, film: Film, write_dicom: Writer
) -> None:
    with pytest.raises(GreenstickError, match=reason) as refusal:
        open_dicom(write_dicom(film, **elements))
    assert "Zimmermann" not in str(refusal.value)
    assert "4711" not in str(refusal.value)


def test_a_name_in_the_wrong_element_is_not_told(film: Film, write_dicom: Writer) -> None:
    with pytest.raises(GreenstickError) as refusal:
        open_dicom(write_dicom(film, Modality="ZIMMERMANN"))
    assert "ZIMMERMANN" not in str(refusal.value)


def test_pydicom_says_nothing_of_its_own(
    film: Film, write_dicom: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    path = write_dicom(film)
    content = path.read_bytes().replace(b"Zimmermann^Adelheid", b"Zimm\xffrmann^Adelhei\xff")
    path.write_bytes(content)
    with caplog.at_level(logging.DEBUG):
        open_dicom(path)
    assert not caplog.records


def test_sixteen_bit_signed_and_twelve_bit_values(film: Film, write_dicom: Writer) -> None:
    signed = film.astype(np.int16) * 16 - 2048
    pixels = open_dicom(write_dicom(signed, "signed.dcm")).pixels
    stored = film.astype(np.uint16) * 16
    twelve = open_dicom(write_dicom(stored, BitsStored=12, HighBit=11)).pixels
    expected = (film - float(film.min())) / float(np.ptp(film))
    np.testing.assert_allclose(pixels, expected, atol=1e-6)
    np.testing.assert_allclose(twelve, expected, atol=1e-6)


def test_a_file_without_preamble_opens(film: Film, write_dicom: Writer) -> None:
    path = write_dicom(film)
    path.write_bytes(path.read_bytes()[132:])
    assert open_dicom(path).original_size_px == (64, 96)


def test_the_limit_of_pixels_comes_before_decoding(
    film: Film, write_dicom: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dicom, "MAX_PIXELS", 10)
    with pytest.raises(GreenstickError, match="million pixels"):
        open_dicom(write_dicom(film))
