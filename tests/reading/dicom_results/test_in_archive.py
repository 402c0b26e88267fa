import json
from collections.abc import Callable
from pathlib import Path

from greenstick.reading.archive import read_paths
from greenstick.reading.results import read_json

Maker = Callable[..., Path]


def test_each_dicom_film_that_was_read_gets_the_results_that_were_asked_for(
    make_film: Maker, make_model: Maker, scans: Path, tmp_path: Path
) -> None:
    make_film().rename(scans / "film.dcm")
    make_film("ct.dcm", Modality="CT").rename(scans / "ct.dcm")
    output = tmp_path / "out"
    rows = read_paths([scans], make_model(), output, dicom=("sr", "pr"), overlays=False, threads=2)
    row = {Path(reading.path).name: reading for reading in rows}
    assert row["film.dcm"].dicom == "film.sr.dcm film.pr.dcm"
    assert "no DICOM" in row["bright.jpg"].no_dicom
    assert (row["ct.dcm"].status, row["ct.dcm"].dicom, row["ct.dcm"].no_dicom) == (
        "not read",
        "",
        "",
    )
    assert sorted(path.name for path in (output / "dicom").iterdir()) == [
        "film.pr.dcm",
        "film.sr.dcm",
    ]
    assert not (output / "overlays").exists()
    assert read_json(output / "readings.json").readings == rows


def test_a_call_that_goes_on_makes_the_results_that_are_missing(
    make_film: Maker, make_model: Maker, tmp_path: Path
) -> None:
    film, model, output = make_film(), make_model(), tmp_path / "out"
    read_paths([film], model, output, dicom=("sr",), threads=1)
    document = json.loads((output / "readings.json").read_text())
    for kinds, is_new in ((("sr",), False), (("sr", "sc"), True)):
        document["complete"] = False
        (output / "readings.json").write_text(json.dumps(document))
        (output / "dicom" / "film.sr.dcm").unlink(missing_ok=True)
        (reading,) = read_paths([film], model, output, dicom=kinds, threads=1)
        assert (output / "dicom" / "film.sr.dcm").exists() is is_new
    assert reading.dicom == "film.sr.dcm film.sc.dcm"
