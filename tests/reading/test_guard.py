from pathlib import Path

import numpy as np
import pytest

from greenstick.errors import GreenstickError
from greenstick.findings import Severity
from greenstick.radiographs.opening import open_radiograph
from greenstick.radiographs.radiograph import Radiograph
from greenstick.reading.guard import guard, refusal


def film(**changes: object) -> Radiograph:
    pixels = np.tile(np.linspace(0, 1, 200, dtype=np.float32), (300, 1))
    values = {"pixels": pixels, "original_size_px": (200, 300), "decoder": "test"} | changes
    return Radiograph(**values)  # type: ignore[arg-type]


def test_a_radiograph_may_be_read() -> None:
    findings = guard(film(modality="DX"))
    assert refusal(findings) is None
    assert {f.severity for f in findings} == {Severity.PASSED, Severity.NOT_APPLICABLE}


def test_what_the_file_does_not_tell_is_not_passed() -> None:
    (modality,) = (finding for finding in guard(film()) if finding.code == "modality")
    assert modality.severity is Severity.NOT_APPLICABLE


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"is_color": True}, "color"),
        ({"modality": "CT"}, "modality"),
        ({"original_size_px": (40, 300)}, "size"),
        ({"pixels": np.full((300, 200), 0.5, np.float32)}, "blank"),
        ({"pixels": np.zeros((300, 200), np.float32)}, "blank"),
    ],
)
def test_each_refusal_has_its_code_and_a_remedy(changes: dict[str, object], code: str) -> None:
    refused = refusal(guard(film(**changes)))
    assert refused is not None
    assert refused.code == code
    assert refused.remedy


def test_a_mark_on_a_blank_film_does_not_make_it_readable() -> None:
    pixels = np.zeros((600, 600), np.float32)
    pixels[20:40, 20:60] = 1.0
    refused = refusal(guard(film(pixels=pixels, original_size_px=(600, 600))))
    assert refused is not None
    assert refused.code == "blank"


def test_every_radiograph_of_a_sample_may_be_read(fracatlas: Path) -> None:
    codes = []
    for path in sorted(fracatlas.glob("images/*.jpg"))[::60]:
        try:
            refused = refusal(guard(open_radiograph(path, at_least_px=128)))
        except GreenstickError:
            continue
        codes.append(refused.code if refused else "")
    assert len(codes) > 50
    assert set(codes) == {""}
