from pathlib import Path

import numpy as np
import pytest

from greenstick.errors import GreenstickError
from greenstick.findings import Severity
from greenstick.models.familiar import learn_familiar
from greenstick.radiographs.opening import open_radiograph
from greenstick.radiographs.radiograph import Radiograph
from greenstick.reading.guard import Wanted, guard, is_familiar, refusal, warnings_of


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


def noisy(low: float = 0.0, high: float = 1.0) -> np.ndarray:
    dice = np.random.default_rng(1)
    return dice.uniform(low, high, (300, 200)).astype(np.float32)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"pixels": np.maximum(noisy(), (noisy() < 0.6).astype(np.float32))}, "exposure"),
        ({"pixels": noisy(0.0, 0.2)}, "exposure"),
        ({"pixels": np.round(noisy() * 9) / np.float32(9)}, "levels"),
        ({"original_size_px": (60, 90)}, "resolution"),
        ({"body_part": "CHEST"}, "body-part"),
    ],
)
def test_what_is_odd_is_warned_of_and_read(changes: dict[str, object], code: str) -> None:
    findings = guard(film(**changes), Wanted(canvas_px=384))
    assert refusal(findings) is None
    assert [f.code for f in findings if f.severity is Severity.WARNING] == [code] or (
        code == "resolution"
    )
    assert warnings_of(findings)


def test_an_inverted_film_is_warned_of() -> None:
    rows, columns = np.mgrid[-150:150, -100:100]
    limb = np.exp(-((columns / 30.0) ** 2)).astype(np.float32) * 0.8 + noisy(0.0, 0.05)
    for pixels, inverted in ((limb, False), (1.0 - limb, True)):
        messages = warnings_of(guard(film(pixels=np.clip(pixels, 0, 1).astype(np.float32))))
        assert any("inverted" in message for message in messages) is inverted
    assert rows.shape == limb.shape


def test_modalities_by_choice_pass_where_they_are_chosen() -> None:
    assert refusal(guard(film(modality="RF"), Wanted(accept=("RF",)))) is None
    refused = refusal(guard(film(modality="RF")))
    assert refused is not None
    assert refused.code == "modality"


def test_a_strange_look_is_warned_of_and_a_stranger_one_not_read() -> None:
    dice = np.random.default_rng(0)
    known = learn_familiar(
        dice.normal(size=(300, 8)), dice.normal(size=(300, 8)), chosen_on="valid"
    )
    ordinary = np.zeros(8, np.float32)
    severities = [is_familiar(known, ordinary + step).severity for step in (0.0, 4.0, 40.0)] + [
        is_familiar(None, ordinary).severity,
        is_familiar(known, None).severity,
    ]
    assert severities == [
        Severity.PASSED, Severity.WARNING, Severity.ERROR,
        Severity.NOT_APPLICABLE, Severity.NOT_APPLICABLE,
    ]  # fmt: skip


def test_white_beyond_the_collimated_field_is_told() -> None:
    pixels = film().pixels.copy()
    pixels[:, :40] = pixels[:, -40:] = 0.97
    (told,) = (f for f in guard(film(pixels=pixels)) if f.code == "field")
    assert told.severity is Severity.WARNING
    assert "40 %" in told.message
    pixels[:, :40] = 0.0  # one side of them black: a fifth is left
    assert not [f for f in guard(film(pixels=pixels)) if f.message == told.message]


def test_a_real_film_without_its_shutter_is_told_and_others_are_not(shared_data: Path) -> None:
    def warned(name: str) -> bool:
        radiograph = open_radiograph(shared_data / name, at_least_px=448)
        return any("collimated" in warning for warning in warnings_of(guard(radiograph)))

    assert warned("dicom/radiographs/RG3_J2KI.dcm")
    assert not warned("dicom/radiographs/RG1_J2KI.dcm")
    assert not warned("fracatlas/images/IMG0000002.jpg")
