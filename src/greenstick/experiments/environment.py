"""On what machine and with which versions a run was made."""

import os
import platform
import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import torch

from greenstick import RESEARCH_USE

_PACKAGES = (
    "greenstick",
    "torch",
    "torchvision",
    "timm",
    "lightning",
    "openvino",
    "polars",
    "numpy",
)


@dataclass(frozen=True)
class Hardware:
    """What to train on, in Lightning's own words.

    Attributes
    ----------
    accelerator
        "auto", "cpu", "gpu", "mps"...
    devices
        Number of devices a node, or "auto".
    nodes
        Number of nodes.
    strategy
        "auto", "ddp"...
    """

    accelerator: str = "auto"
    devices: str = "auto"
    nodes: int = 1
    strategy: str = "auto"

    @property
    def single(self) -> bool:
        """Whether each fit may have one device."""
        return self.nodes == 1 and self.devices in ("auto", "1")

    def trainer_flags(self) -> dict[str, object]:
        """Return the flags of ``lightning.Trainer``."""
        devices = int(self.devices) if self.devices.lstrip("-").isdigit() else self.devices
        return {
            "accelerator": self.accelerator,
            "devices": devices,
            "num_nodes": self.nodes,
            "strategy": self.strategy,
        }


def is_main_process() -> bool:
    """Return whether this process writes the results: one of several does, in DDP."""
    return (
        int(os.environ.get("LOCAL_RANK", "0")) == 0 and int(os.environ.get("NODE_RANK", "0")) == 0
    )


def describe_environment(seed: int) -> dict[str, str | int]:
    """Return versions, machine and command as plain values; no name of a user or a host."""
    return {
        "research use": RESEARCH_USE,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "python": platform.python_version(),
        **{name: version(name) for name in _PACKAGES},
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count() or 1,
        "accelerator": torch.cuda.get_device_name() if torch.cuda.is_available() else "none",
        "seed": seed,
    }


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
