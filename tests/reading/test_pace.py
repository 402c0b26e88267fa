import json
from collections.abc import Callable
from pathlib import Path

import pytest

from greenstick.reading import pace
from greenstick.reading.pace import FILE, Pace, find_pace, measure_pace
from greenstick.reading.reader import Reader

Maker = Callable[..., Path]


class Machine:
    """A machine whose calls take so many milliseconds for (images, threads), by its own clock."""

    def __init__(self, milliseconds: dict[tuple[int, int], int]) -> None:
        self.now, self._milliseconds = 0.0, milliseconds

    def make(self, images: int, threads: int) -> Callable[[], None]:
        def call() -> None:
            self.now += self._milliseconds[images, threads] / 1000

        return call


@pytest.mark.parametrize(
    ("milliseconds", "expected"),
    [
        ({(1, 2): 4, (2, 2): 4, (4, 2): 8, (2, 1): 12}, Pace(2, 2)),
        ({(1, 2): 4, (2, 2): 8, (4, 2): 16, (1, 1): 4}, Pace(1, 1)),
        ({(1, 2): 8, (2, 2): 12, (4, 2): 4, (4, 1): 12}, Pace(4, 2)),
    ],
)
def test_the_quickest_is_taken(milliseconds: dict[tuple[int, int], int], expected: Pace) -> None:
    machine = Machine(milliseconds)
    assert measure_pace(machine.make, (1, 2, 4), 2, lambda: machine.now) == expected


def test_a_pace_is_measured_once(
    tmp_path: Path, make_model: Maker, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, measured = make_model() / "model.onnx", []

    def measure(*_: object) -> Pace:
        measured.append(1)
        return Pace(2, 1)

    monkeypatch.setattr(pace, "measure_pace", measure)

    def ask(digest: str) -> Pace:
        return find_pace(network, digest, 96, threads=1, device="cpu")

    assert ask("a") == ask("a") == ask("b") == Pace(2, 1)
    assert len(measured) == 2
    assert len(json.loads((tmp_path / "cache" / FILE).read_text())) == 2
    (tmp_path / "cache" / FILE).write_text("broken")
    assert ask("a") == Pace(2, 1)
    assert len(measured) == 3


@pytest.mark.parametrize("images", [1, 2, 4, 5])
@pytest.mark.parametrize("flip", [False, True])
def test_answers_do_not_depend_on_the_pace(
    images: int,
    flip: bool,
    make_model: Maker,
    scans: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, paths = make_model(flip_average=flip), sorted(scans.rglob("*.*"))
    alone = list(Reader(model, threads=1).read_many(paths))
    monkeypatch.setattr(pace, "measure_pace", lambda *_: Pace(images, 1))
    together = list(Reader(model, threads=1, tuned=True).read_many(paths))
    assert [r.path for r in together] == [r.path for r in alone]
    assert [r.reason for r in together] == [r.reason for r in alone]
    for one, other in zip(alone, together, strict=True):
        assert other.probability == pytest.approx(one.probability, abs=1e-6)
        assert (other.peak_x, other.peak_y) == (one.peak_x, one.peak_y)
