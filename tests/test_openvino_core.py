"""Two networks that come and go leave a process that outlives its children."""

import subprocess
import sys

_PROGRAM = """
import gc, signal, subprocess
import numpy as np
from openvino import Model, opset13
from greenstick.openvino_core import openvino_core

def made():
    values = opset13.parameter([1, 3], np.float32)
    return openvino_core().compile_model(Model([opset13.relu(values)], [values]), "CPU")

first, second = made(), made()
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGCHLD, lambda *_: print("heard", flush=True))
subprocess.run(["true"], check=True)
"""


def test_a_child_s_end_is_heard_after_two_networks_have_gone():
    command = [sys.executable, "-c", _PROGRAM]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["heard"]
