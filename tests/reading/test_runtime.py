from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from greenstick.errors import GreenstickError
from greenstick.reading.runtime import Runtime


@pytest.mark.parametrize("batch", [1, 2])
def test_the_network_is_computed_as_written(batch: int, make_model: Callable[..., Path]) -> None:
    run = Runtime(make_model() / "model.onnx", 96, batch=batch, threads=1)
    images = np.random.default_rng(1).random((batch, 1, 96, 96), dtype=np.float32)
    output = run(images)
    cells = images.reshape(batch, 1, 4, 24, 4, 24).mean(axis=(3, 5)) * 12.0 - 5.0
    np.testing.assert_allclose(output.maps, cells, atol=1e-4)
    np.testing.assert_allclose(output.logits, cells.mean(axis=(2, 3)), atol=1e-4)


def test_outputs_are_not_overwritten_by_the_next_call(make_model: Callable[..., Path]) -> None:
    run = Runtime(make_model() / "model.onnx", 96, threads=1)
    first = run(np.zeros((1, 1, 96, 96), np.float32))
    run(np.ones((1, 1, 96, 96), np.float32))
    assert first.logits[0, 0] == pytest.approx(-5.0)


def test_a_missing_or_broken_network_says_so(tmp_path: Path) -> None:
    with pytest.raises(GreenstickError, match="There is no network"):
        Runtime(tmp_path / "model.onnx", 96)
    (tmp_path / "model.onnx").write_bytes(b"not a network")
    with pytest.raises(GreenstickError, match="no network that can be run"):
        Runtime(tmp_path / "model.onnx", 96)
