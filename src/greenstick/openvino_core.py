"""OpenVINO's core: one for a process, and kept until it ends.

A core's CPU plugin gives the thread that made it a stack of its own for signals, and takes it back
when the core goes. Of two cores that go in the order in which they came, the second sets back the
first one's stack, which is no longer there: the next signal that Python handles (a child's end,
where PyTorch's DataLoader has had workers) then ends the process. Seen with OpenVINO 2026.4.
"""

from functools import cache

import openvino


@cache
def openvino_core() -> openvino.Core:
    """Return the one core of this process."""
    return openvino.Core()
