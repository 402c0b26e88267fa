"""A few hundred damaged files of every format; ``benchmarks/fuzz.py`` runs many thousands."""

import importlib.util
import random
from pathlib import Path
from types import ModuleType

import pytest

from greenstick.reading.preparing import Wish, prepare

WISH = Wish(96)


@pytest.fixture(scope="module")
def fuzz() -> ModuleType:
    path = Path(__file__).resolve().parents[2] / "benchmarks" / "fuzz.py"
    spec = importlib.util.spec_from_file_location("fuzz", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_seed_is_read_whole(fuzz: ModuleType, tmp_path: Path) -> None:
    for kind, (ending, content) in fuzz.seeds().items():
        path = tmp_path / f"film{ending}"
        path.write_bytes(content)
        assert not prepare(path, WISH).reason, kind


def test_damaged_files_end_in_a_reason_or_in_pixels(fuzz: ModuleType, tmp_path: Path) -> None:
    dice, whole = random.Random(7), fuzz.seeds()
    outcomes = set()
    for _ in range(400):
        kind = dice.choice(list(whole))
        ending, content = whole[kind]
        damaged, mutation = bytearray(content), dice.choice(fuzz.MUTATIONS)
        mutation(damaged, dice)
        path = tmp_path / f"film{ending}"
        path.write_bytes(damaged)
        prepared = prepare(path, WISH)
        read = prepared.canvas is not None
        assert bool(prepared.reason) is not read
        assert not fuzz.is_wrong(mutation.__name__, damaged, content, read), kind
        outcomes.add(read)
    assert outcomes == {True, False}
