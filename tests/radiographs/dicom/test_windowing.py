from typing import Any

import numpy as np
import pydicom
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydicom.pixels import apply_modality_lut, apply_voi_lut

from greenstick.radiographs.dicom.windowing import show


def elements(**values: Any) -> pydicom.Dataset:
    file = pydicom.Dataset()
    file.PhotometricInterpretation = "MONOCHROME2"
    file.BitsStored, file.BitsAllocated, file.PixelRepresentation = 12, 16, 0
    for keyword, value in values.items():
        setattr(file, keyword, value)
    return file


STORED = np.arange(4096, dtype=np.uint16).reshape(64, 64)


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
def test_windows_agree_with_pydicom(function: str) -> None:
    file = elements(WindowCenter="1800", WindowWidth="900", VOILUTFunction=function)
    expected = apply_voi_lut(STORED, file) / 4095.0
    np.testing.assert_allclose(show(STORED, file), expected, atol=2e-4)


def test_the_first_of_several_windows_counts() -> None:
    one = elements(WindowCenter="1800", WindowWidth="900")
    two = elements(WindowCenter=["1800", "40"], WindowWidth=["900", "80"])
    np.testing.assert_array_equal(show(STORED, one), show(STORED, two))


def test_rescaling_comes_before_the_window() -> None:
    file = elements(RescaleSlope="2", RescaleIntercept="-1000", WindowCenter="0", WindowWidth="101")
    shown = show(STORED, file).ravel()
    assert shown[474] == 0.0
    assert shown[500] == pytest.approx(0.5, abs=0.01)
    assert shown[526] == 1.0


def test_monochrome1_is_inverted() -> None:
    plain = show(STORED, elements(WindowCenter="1800", WindowWidth="900"))
    file = elements(WindowCenter="1800", WindowWidth="900", PhotometricInterpretation="MONOCHROME1")
    np.testing.assert_allclose(show(STORED, file), 1.0 - plain, atol=1e-6)


def test_padding_is_black_and_has_no_say() -> None:
    stored = np.array([[-2000, 0, 50, 100]], dtype=np.int16)
    file = elements(PixelRepresentation=1, PixelPaddingValue=63536)  # -2000, read as unsigned
    np.testing.assert_allclose(show(stored, file), [[0.0, 0.0, 0.5, 1.0]])
    file.PhotometricInterpretation = "MONOCHROME1"
    np.testing.assert_allclose(show(stored, file), [[0.0, 1.0, 0.5, 0.0]])


def test_padding_may_be_a_range() -> None:
    stored = np.array([[0, 5, 10, 110]], dtype=np.uint16)
    file = elements(PixelPaddingValue=0, PixelPaddingRangeLimit=5)
    np.testing.assert_allclose(show(stored, file), [[0.0, 0.0, 0.0, 1.0]])


def test_a_voi_table_goes_before_the_window() -> None:
    item = pydicom.Dataset()
    item.LUTDescriptor = [4, 100, 12]
    item.add_new("LUTData", "US", [0, 1000, 3000, 4000])
    file = elements(VOILUTSequence=[item], WindowCenter="1", WindowWidth="2")
    stored = np.array([[0, 100, 101, 102, 103, 900]], dtype=np.uint16)
    np.testing.assert_allclose(show(stored, file), [[0.0, 0.0, 0.25, 0.75, 1.0, 1.0]])


@pytest.mark.parametrize(("center", "width"), [("90000", "10"), ("100", "0"), ("100", "-5")])
def test_a_window_that_shows_nothing_is_not_believed(center: str, width: str) -> None:
    shown = show(STORED, elements(WindowCenter=center, WindowWidth=width))
    np.testing.assert_allclose(shown, STORED / 4095.0, atol=1e-6)


def test_signed_values_further_apart_than_their_type_reaches() -> None:
    stored = np.array([[-20000, -10000], [5000, 30000]], dtype=np.int16)
    shown = show(stored, elements(PixelRepresentation=1))
    np.testing.assert_allclose(shown, [[0.0, 0.2], [0.5, 1.0]], atol=1e-6)


def test_a_constant_image_is_black() -> None:
    assert not show(np.full((4, 4), 77, np.uint16), elements()).any()


@pytest.mark.parametrize("bits", [10, 12, 16])
def test_a_voi_table_agrees_with_pydicom(bits: int) -> None:
    item = pydicom.Dataset()
    item.LUTDescriptor = [512, 1000, bits]
    entries = np.rint((2**bits - 1) * np.linspace(0, 1, 512) ** 0.6).astype(int)
    item.add_new("LUTData", "US", entries.tolist())
    file = elements(VOILUTSequence=[item])
    expected = apply_voi_lut(STORED, file) / (2**bits - 1)
    np.testing.assert_allclose(show(STORED, file), expected, atol=1e-5)


def test_a_modality_table_agrees_with_pydicom() -> None:
    item = pydicom.Dataset()
    item.LUTDescriptor = [4096, 0, 16]
    item.ModalityLUTType = "US"
    item.add_new(
        "LUTData", "US", np.rint(65535 * np.linspace(1, 0, 4096) ** 2).astype(int).tolist()
    )
    file = elements(ModalityLUTSequence=[item], WindowCenter="32768", WindowWidth="65536")
    expected = apply_voi_lut(apply_modality_lut(STORED, file), file) / 65535.0
    np.testing.assert_allclose(show(STORED, file), expected, atol=1e-4)


@given(
    slope=st.floats(0.25, 4.0), intercept=st.floats(-2000, 2000), center=st.floats(-500, 4500),
    width=st.floats(50, 9000), function=st.sampled_from(["LINEAR", "LINEAR_EXACT", "SIGMOID"]),
)  # fmt: skip
def test_any_rescaling_and_window_agree_with_pydicom(
    slope: float, intercept: float, center: float, width: float, function: str
) -> None:
    file = elements(
        RescaleSlope=f"{slope:.4f}", RescaleIntercept=f"{intercept:.2f}",
        WindowCenter=f"{center:.2f}", WindowWidth=f"{width:.2f}", VOILUTFunction=function,
    )  # fmt: skip
    measured = apply_modality_lut(STORED, file)
    voi = apply_voi_lut(measured, file)
    low, high = (float(slope_end) for slope_end in (measured.min(), measured.max()))
    assume(np.ptp(voi) > 0.02 * (high - low))
    # pydicom scales to the range that the stored bits can have after rescaling.
    expected = (voi - low) / (high - low)
    np.testing.assert_allclose(show(STORED, file), expected, atol=1e-3)


def test_the_presentation_shape_goes_before_the_photometric_interpretation() -> None:
    window = {"WindowCenter": "1800", "WindowWidth": "900"}
    plain = show(STORED, elements(**window))
    inverse = show(STORED, elements(PresentationLUTShape="INVERSE", **window))
    both = elements(
        PresentationLUTShape="INVERSE", PhotometricInterpretation="MONOCHROME1", **window
    )
    identity = elements(
        PresentationLUTShape="IDENTITY", PhotometricInterpretation="MONOCHROME1", **window
    )
    np.testing.assert_allclose(inverse, 1.0 - plain, atol=1e-6)
    np.testing.assert_array_equal(show(STORED, both), inverse)
    np.testing.assert_array_equal(show(STORED, identity), plain)
