"""Do 95 % intervals cover the truth 95 times in 100? Simulated, for one and several images.

Scores are drawn from a model whose truth is known: a patient has a tendency, each image a label
and a logit around it. Each simulated cohort is judged by the package's own functions, and the
share of intervals that hold the truth is printed. Run with ``python benchmarks/coverage.py``;
``--simulations`` and ``--images`` make it quicker.
"""

import argparse
import json
import time
from dataclasses import dataclass
from multiprocessing import Pool
from pathlib import Path

import numpy as np
from scipy.special import expit

from greenstick.evidence.at_point import at_operating_point
from greenstick.evidence.calibration import judge_calibration
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.resampling import resample_rows
from greenstick.evidence.rows import ScoredRows

THRESHOLD = 0.5
PREVALENCE = 0.3


@dataclass(frozen=True)
class World:
    """What is simulated: how many images, how many a patient, how alike a patient's images are."""

    images: int
    per_patient: int
    alike: float

    def __str__(self) -> str:
        together = f"{self.per_patient} a patient" if self.per_patient > 1 else "one a patient"
        return f"{self.images} images, {together}"


def draw(world: World, generator: np.random.Generator) -> ScoredRows:
    """Draw one cohort; a patient's images share part of their logit and often their label."""
    patients = np.arange(world.images) // world.per_patient
    n = patients[-1] + 1
    share = np.sqrt(world.alike)
    own = np.sqrt(1 - world.alike)
    lean = generator.normal(size=n)[patients] * share + generator.normal(size=len(patients)) * own
    labels = lean > 0.5244005  # the 70th percentile of a normal
    noise = generator.normal(size=n)[patients] * share + generator.normal(size=len(patients)) * own
    logits = 2.2 * labels - 1.6 + 1.3 * noise
    return ScoredRows(labels, expit(logits), patients, np.arange(world.images))


def without_bootstrap(rows: ScoredRows, seed: int) -> list[Estimate]:
    """Judge a cohort by the figures whose intervals need no resampling of patients."""
    called = at_operating_point(rows, rows.scores >= THRESHOLD)
    return [auroc(rows), *judge_calibration(rows, seed=seed).estimates, *called]


def figures(rows: ScoredRows, replicates: int, seed: int) -> list[Estimate]:
    """Judge a cohort: every figure with its interval."""
    resampled = resample_rows(rows, replicates=replicates, seed=seed)
    boot = [
        e.model_copy(update={"name": f"{e.name} (bootstrap)"})
        for e in resampled.discrimination + resampled.calibration
    ]
    return [*boot, *without_bootstrap(rows, seed)]


def truth_of(alike: float) -> dict[str, float]:
    """Return every figure's true value: that of two million images of as many patients."""
    rows = draw(World(2_000_000, 1, alike), np.random.default_rng(99))
    found = figures(rows, 0, 0)
    return {e.name: e.value for e in found if e.value is not None}


def one(job: tuple[World, int, int]) -> list[tuple[str, float | None, float | None]]:
    """Judge one simulated cohort."""
    world, replicates, seed = job
    rows = draw(world, np.random.default_rng(seed))
    found = figures(rows, replicates, seed) if replicates else without_bootstrap(rows, seed)
    return [(e.name, e.lower, e.upper) for e in found]


def simulate(
    world: World, truth: dict[str, float], simulations: int, replicates: int, workers: int
) -> dict[str, dict[str, float]]:
    """Return for each figure how often its interval holds the truth, and lies above or below."""
    counts = {name: np.zeros(3) for name in truth}
    jobs = [(world, replicates, 1000 + i) for i in range(simulations)]
    with Pool(workers) as pool:
        for found in pool.imap_unordered(one, jobs, chunksize=8):
            for name, lower, upper in found:
                below = upper is not None and upper < truth[name]
                above = lower is not None and lower > truth[name]
                counts[name] += (not below and not above, below, above)
    return {
        name: {
            "coverage": float(c[0] / simulations),
            "below": float(c[1] / simulations),
            "above": float(c[2] / simulations),
        }
        for name, c in counts.items()
        if c.any()
    }


def main() -> None:
    """Simulate every world and print one line a figure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--simulations", type=int, default=2000)
    parser.add_argument("--replicates", type=int, default=1000, help="0: no bootstrap, quick.")
    parser.add_argument("--images", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--per-patient", type=int, nargs="+", default=[1, 4], help="Images of one.")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path, help="Write the table here too.")
    options = parser.parse_args()
    truth = truth_of(0.5)
    table: dict[str, dict[str, dict[str, float]]] = {}
    for images in options.images:
        for per_patient in options.per_patient:
            world = World(images, per_patient, 0.5)
            start = time.perf_counter()
            table[str(world)] = simulate(
                world, truth, options.simulations, options.replicates, options.workers
            )
            print(f"\n{world} ({options.simulations} cohorts, {time.perf_counter() - start:.0f} s)")
            for name, row in table[str(world)].items():
                mark = "" if 0.94 <= row["coverage"] <= 0.96 else "  <- not within 94 to 96 %"
                print(
                    f"  {name:32s} {row['coverage']:6.1%}"
                    f"  (too low {row['below']:5.1%}, too high {row['above']:5.1%}){mark}",
                    flush=True,
                )
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
