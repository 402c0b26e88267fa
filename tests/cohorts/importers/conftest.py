"""Small data sets in every layout."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

MakeImages = Callable[..., list[Path]]


@pytest.fixture
def images(tmp_path: Path) -> MakeImages:
    """Return a function that writes small images below ``tmp_path``."""

    def make(*names: str, size: tuple[int, int] = (200, 100)) -> list[Path]:
        paths = [tmp_path / name for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("L", size).save(path)
        return paths

    return make
