from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from PIL import Image

from greenstick.errors import GreenstickError
from greenstick.reading.dicom_results.source import read_source

Maker = Callable[..., Path]


def test_the_patient_is_apart_from_what_libraries_see(make_film: Maker) -> None:
    source = read_source(make_film())
    assert str(source.identity.PatientName) == "Dóe^Jane"
    assert (source.identity.PatientID, source.identity.StudyTime) == ("P-0815", "1230")
    assert not source.image.PatientName
    assert "P-0815" not in str(source.image)
    assert source.number == 4


def test_names_in_any_alphabet_are_kept(make_film: Maker) -> None:
    name = "Yamada^Tarou=山田^太郎=やまだ^たろう"
    film = make_film(
        SpecificCharacterSet=["", "ISO 2022 IR 87"], PatientName=name, InstitutionName=None
    )
    assert str(read_source(film).identity.PatientName) == name


@pytest.mark.parametrize("keyword", ["SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
@pytest.mark.parametrize("value", ["", "1.2.x"])
def test_without_a_uid_there_is_nothing_to_refer_to(
    keyword: str, value: str, make_film: Maker
) -> None:
    film = make_film()
    _rewrite(film, **{keyword: value})
    with pytest.raises(GreenstickError, match=keyword):
        read_source(film)


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("PatientID", "7" * 65),
        ("PatientID", ["P-1", "P-2"]),
        ("PatientName", "A^B^C^D^E^F^G=x=y=z"),
    ],
)
def test_no_result_goes_to_a_patient_that_is_guessed(
    keyword: str, value: str | list[str], make_film: Maker
) -> None:
    film = make_film()
    _rewrite(film, **{keyword: value})
    with pytest.raises(GreenstickError, match=f"{keyword} breaks the standard") as caught:
        read_source(film)
    assert "777" not in str(caught.value)


def test_other_values_that_break_the_standard_become_unknown(make_film: Maker) -> None:
    film = make_film()
    _rewrite(film, PatientSex="female", StudyDate="24.12.2025", PatientBirthDate="2015-02-03")
    identity = read_source(film).identity
    assert (identity.PatientSex, identity.StudyDate, identity.PatientBirthDate) == ("", "", "")
    assert identity.AccessionNumber == "A-1"


def test_an_unreadable_instance_number_is_one(make_film: Maker) -> None:
    assert read_source(make_film(InstanceNumber=None)).number == 1
    film = make_film()
    _rewrite(film, InstanceNumber=-3)
    assert read_source(film).number == 1


def test_what_is_no_dicom_says_so(tmp_path: Path) -> None:
    Image.new("L", (60, 60)).save(tmp_path / "film.png")
    with pytest.raises(GreenstickError, match="no DICOM"):
        read_source(tmp_path / "film.png")


def _rewrite(film: Path, **values: object) -> None:
    """Store values that pydicom would refuse to write or read."""
    with pydicom.config.disable_value_validation():
        file = pydicom.dcmread(film)
        for keyword, value in values.items():
            setattr(file, keyword, value)
        file.save_as(film)
