"""A process that does jobs of a run: ``python -m greenstick.experiments.worker RUN ACCELERATOR``.

Names of jobs come on standard input, one a line; each is answered by a line when it came to an
end. Started by :mod:`greenstick.experiments.processes`.
"""

import os
import sys
import threading
import time
from pathlib import Path

from greenstick.experiments.environment import Hardware
from greenstick.experiments.run_folder import RunFolder
from greenstick.experiments.working import work


def main() -> None:
    """Do jobs until there are no more, or whoever asked for them is gone."""
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # whatever else is printed is for the log
    run, hardware = RunFolder(Path(sys.argv[1])), Hardware(accelerator=sys.argv[2])
    for line in sys.stdin:
        name = line.strip()
        work(run, name, hardware)
        answers.write(f"{name}\n")
        answers.flush()


def _end_with(parent: int) -> None:
    """End this process soon after its parent, so that no two ever work in one folder."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
