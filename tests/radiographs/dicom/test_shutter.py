from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from numpy.typing import NDArray

from greenstick.radiographs.dicom import open_dicom
from greenstick.radiographs.dicom.shutter import shutter

Writer = Callable[..., Path]
RECTANGLE = {
    "ShutterShape": "RECTANGULAR",
    "ShutterLeftVerticalEdge": 10, "ShutterRightVerticalEdge": 50,
    "ShutterUpperHorizontalEdge": 20, "ShutterLowerHorizontalEdge": 80,
}  # fmt: skip


def seen(shape: tuple[int, int] = (96, 64), **elements: Any) -> NDArray[np.bool_] | None:
    file = pydicom.Dataset()
    file.Rows, file.Columns = 96, 64
    for keyword, value in elements.items():
        setattr(file, keyword, value)
    return shutter(file, shape)


def test_a_rectangle_hides_its_edges_and_what_lies_beyond() -> None:
    mask = seen(**RECTANGLE)
    assert mask is not None
    expected = np.zeros((96, 64), bool)
    expected[20:79, 10:49] = True  # columns 11 to 49 and rows 21 to 79, counted from 1
    np.testing.assert_array_equal(mask, expected)


def test_a_circle_and_a_polygon() -> None:
    circle = seen(
        ShutterShape="CIRCULAR", CenterOfCircularShutter=[48, 32], RadiusOfCircularShutter=20
    )
    assert circle is not None
    assert circle.sum() == pytest.approx(np.pi * 20**2, rel=0.03)
    assert circle[47, 31]
    polygon = seen(
        ShutterShape="POLYGONAL", VerticesOfThePolygonalShutter=[10, 10, 10, 50, 80, 50, 80, 10]
    )
    assert polygon is not None
    assert polygon[40, 30]
    assert not polygon[5, 30]
    assert polygon.sum() == pytest.approx(70 * 40, rel=0.05)


def test_several_shapes_hide_together_and_a_reduced_picture_alike() -> None:
    both = seen(
        **RECTANGLE | {"ShutterShape": ["RECTANGULAR", "CIRCULAR"]},
        CenterOfCircularShutter=[48, 32],
        RadiusOfCircularShutter=15,
    )
    assert both is not None
    assert both.sum() == pytest.approx(np.pi * 15**2, rel=0.05)
    half = seen((48, 32), **RECTANGLE)
    assert half is not None
    assert half.mean() == pytest.approx(59 * 39 / (96 * 64), rel=0.06)


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"ShutterShape": "RECTANGULAR"},
        {"ShutterShape": "BITMAP"},
        RECTANGLE | {"ShutterRightVerticalEdge": 11},  # nothing would be left
    ],
)
def test_what_hides_nothing_or_all_is_not_believed(elements: dict[str, Any]) -> None:
    assert seen(**elements) is None


def test_what_is_hidden_is_black_and_has_no_say(write_dicom: Writer) -> None:
    stored = np.full((96, 64), 500, np.uint16)
    stored[20:79, 10:49] = np.linspace(100, 200, 39).astype(np.uint16)
    shown = open_dicom(write_dicom(stored, **RECTANGLE)).pixels
    assert shown[0].max() == 0.0
    assert (shown[40, 10], shown[40, 48]) == (0.0, 1.0)
    inverted = write_dicom(stored, PhotometricInterpretation="MONOCHROME1", **RECTANGLE)
    assert open_dicom(inverted).pixels[0].max() == 0.0
