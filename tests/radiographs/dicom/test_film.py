import logging
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from greenstick.errors import GreenstickError
from greenstick.radiographs.dicom import film as opening
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
    assert (tibia.orientation, tibia.laterality) == (("R", "F"), "R")
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


TWO, ONE, ZERO = ["0.2", "0.2"], ["0.1", "0.1"], ["0", "0"]


@pytest.mark.parametrize(
    ("elements", "spacing", "at"),
    [
        ({"PixelSpacing": ZERO, "ImagerPixelSpacing": TWO}, (0.2, 0.2), "detector"),
        ({"PixelSpacing": TWO, "ImagerPixelSpacing": TWO}, (0.2, 0.2), "detector"),
        ({"PixelSpacing": ONE, "ImagerPixelSpacing": TWO}, (0.1, 0.1), "body"),
        ({"PixelSpacing": ONE, "PixelSpacingCalibrationType": "FIDUCIAL"}, (0.1, 0.1), "body"),
        ({"PixelSpacing": ONE}, (0.1, 0.1), "unstated"),
        ({"NominalScannedPixelSpacing": ONE}, (0.1, 0.1), "film"),
        ({"PixelSpacing": ZERO}, None, None),
        ({}, None, None),
    ],
)
def test_spacing_comes_from_the_right_element(
    elements: dict[str, Any],
    spacing: tuple[float, float] | None,
    at: str | None,
    film: Film,
    write_dicom: Writer,
) -> None:
    radiograph = open_dicom(write_dicom(film, **elements))
    assert (radiograph.spacing_mm, radiograph.spacing_at) == (spacing, at)


def test_orientation_side_and_coded_parts(film: Film, write_dicom: Writer) -> None:
    code = pydicom.Dataset()
    code.CodeValue, code.CodingSchemeDesignator, code.CodeMeaning = "1", "SCT", "Wrist joint"
    radiograph = open_dicom(
        write_dicom(
            film, PatientOrientation=["L", "FP"], Laterality="R", AnatomicRegionSequence=[code]
        )
    )
    assert radiograph.orientation == ("L", "FP")
    assert (radiograph.laterality, radiograph.body_part) == ("R", "WRIST JOINT")
    odd = open_dicom(write_dicom(film, PatientOrientation=["ZIMMERMANN", "F"], Laterality="LEFT"))
    assert (odd.orientation, odd.laterality) == (None, None)


@pytest.mark.parametrize(
    ("elements", "codes"),
    [
        ({"BurnedInAnnotation": "YES"}, ["burned-in-annotation"]),
        ({"BurnedInAnnotation": "NO"}, []),
        ({"PresentationIntentType": "FOR PROCESSING"}, ["for-processing"]),
        ({"PresentationLUTShape": "INVERSE"}, ["polarity"]),
        ({"PhotometricInterpretation": "MONOCHROME1", "PresentationLUTShape": "INVERSE"}, []),
    ],
)
def test_remarks_on_the_pixels(
    elements: dict[str, Any], codes: list[str], film: Film, write_dicom: Writer
) -> None:
    remarks = open_dicom(write_dicom(film, **elements)).remarks
    assert [remark.code for remark in remarks] == codes
    assert all(remark.remedy for remark in remarks)


def test_other_projections_are_read_by_choice_alone(film: Film, write_dicom: Writer) -> None:
    still = write_dicom(film, Modality="XA")
    with pytest.raises(GreenstickError, match="--accept-modality XA"):
        open_dicom(still)
    assert open_dicom(still, accept=["XA"]).modality == "XA"
    with pytest.raises(GreenstickError, match="modality is CT"):
        open_dicom(write_dicom(film, Modality="CT"), accept=["XA"])


def deflated(content: bytes, *, level: int = 6) -> bytes:
    """Deflate what follows the file meta information, which says so."""
    meta_end = 144 + int.from_bytes(content[140:144], "little")
    meta = content[:meta_end].replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.1.99")
    meta = meta.replace(b"UI\x14\x001.2.840.10008.1.2.1.99", b"UI\x16\x001.2.840.10008.1.2.1.99")
    grown = len(meta) - 144
    packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = packer.compress(content[meta_end:]) + packer.flush()
    return meta[:140] + grown.to_bytes(4, "little") + meta[144:] + data


def test_a_deflated_file_opens_and_a_cut_one_does_not(film: Film, write_dicom: Writer) -> None:
    path = write_dicom(film)
    plain, content = open_dicom(path), deflated(path.read_bytes())
    path.write_bytes(content)
    np.testing.assert_array_equal(open_dicom(path).pixels, plain.pixels)
    path.write_bytes(content[:-40])
    with pytest.raises(GreenstickError, match="does not decode"):
        open_dicom(path)


def test_a_deflated_bomb_is_left_packed(
    film: Film, write_dicom: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenstick.radiographs.dicom.file._MOST_INFLATED", 2_000_000)
    path = write_dicom(film)
    bomb = path.read_bytes() + b"\x09\x00\x01\x00OB\0\0" + (2**25).to_bytes(4, "little")
    path.write_bytes(deflated(bomb + bytes(2**25)))
    assert path.stat().st_size < 50_000
    with pytest.raises(GreenstickError, match="EOFError"):
        open_dicom(path)


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
    monkeypatch.setattr(opening, "MAX_PIXELS", 10)
    with pytest.raises(GreenstickError, match="million pixels"):
        open_dicom(write_dicom(film))
