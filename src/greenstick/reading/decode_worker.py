"""A process that prepares files and may be lost: ``python -m greenstick.reading.decode_worker``.

Requests come in as lines of JSON; an answer is a line of JSON, and the bytes that it tells of.
There is no pickle: what a file made of this process must not reach the one that asks.
"""

import contextlib
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from greenstick.radiographs.canvas import place
from greenstick.radiographs.region import Region
from greenstick.reading.preparing import Prepared, Wish, prepare

with contextlib.suppress(ImportError):  # Windows has no such limits
    import resource

ARRAYS = ("canvas", "picture", "boxes_canvas")


def write_request(stream: BinaryIO, path: Path, wish: Wish) -> None:
    """Ask for a file."""
    stream.write(json.dumps({"path": str(path), **asdict(wish)}).encode() + b"\n")
    stream.flush()


def read_answer(stream: BinaryIO, path: Path, wish: Wish) -> Prepared:
    """Read what became of it.

    Raises
    ------
    EOFError
        Where the process has ended.
    """
    said = json.loads(_line(stream))
    arrays: dict[str, Any] = {}
    for name in ARRAYS:
        shape = tuple(int(side) for side in said.pop(name))
        if shape:
            data = stream.read(int(np.prod(shape)))
            arrays[name] = np.frombuffer(data, np.uint8).reshape(shape)
    size = said.pop("size_px")
    placement = place((int(size[0]), int(size[1])), wish.canvas_px, wish.region) if size else None
    said["warnings"] = tuple(said["warnings"])
    return Prepared(path=path, placement=placement, **arrays, **said)


def _line(stream: BinaryIO) -> bytes:
    line = stream.readline()
    if not line.endswith(b"\n"):
        raise EOFError
    return line


def _write_answer(stream: BinaryIO, prepared: Prepared) -> None:
    arrays = [getattr(prepared, name) for name in ARRAYS]
    said = {
        "reason": prepared.reason,
        "warnings": prepared.warnings,
        "checksum": prepared.checksum,
        "decoder": prepared.decoder,
        "seconds": prepared.seconds,
        "size_px": prepared.placement.original_size_px if prepared.placement else None,
        **{
            name: () if array is None else array.shape
            for name, array in zip(ARRAYS, arrays, strict=True)
        },
    }
    stream.write(json.dumps(said).encode() + b"\n")
    for array in arrays:
        if array is not None:
            stream.write(np.ascontiguousarray(array).data)
    stream.flush()


def _limit(memory_bytes: int) -> None:
    if "resource" in globals() and memory_bytes:
        resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a dump would hold a patient's film


def main() -> None:
    """Answer until the asking process closes the pipe."""
    # Decoders in C print what they like, a patient's name too: only we may write to the pipe.
    answers = os.fdopen(os.dup(1), "wb")
    silence = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silence, 1)
    os.dup2(silence, 2)
    _limit(int(sys.argv[1]))
    for line in sys.stdin.buffer:
        asked = json.loads(line)
        path = Path(asked.pop("path"))
        asked["accept"] = tuple(asked["accept"])
        asked["region"] = Region(**asked["region"]) if asked["region"] else None
        _write_answer(answers, prepare(path, Wish(**asked)))


if __name__ == "__main__":
    main()
