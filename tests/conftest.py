"""What every test may ask for."""

import os
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is not a fault in the code.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")

# Tests run beside each other: one thread each is quicker than two fighting for a core.
os.environ.setdefault("OMP_NUM_THREADS", "1")

SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real radiographs, or skip."""
    if not (SHARED / "data").is_dir():
        pytest.skip("../shared/data is absent: real radiographs are not part of the project")
    return SHARED / "data"


@pytest.fixture(scope="session")
def fracatlas(shared_data: Path) -> Path:
    """Return FracAtlas as laid in ../shared/data, or skip."""
    return shared_data / "fracatlas"


@pytest.fixture(scope="session")
def pretrained_weights() -> Path:
    """Return the ImageNet weights for mobilenetv2_100, or skip."""
    path = SHARED / "weights" / "mobilenetv2_100.imagenet1001.safetensors"
    if not path.is_file():
        pytest.skip("../shared/weights is absent: pretrained weights are not part of the project")
    return path
