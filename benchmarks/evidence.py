"""Our intervals against scikit-learn in a Python bootstrap loop, same rows, same run.

For 2,000 replicates by patient, twice: the AUROC alone, and the AUROC, average precision, Brier
score, log loss and both curves. DeLong's interval needs no replicates. The loop is timed over a few
replicates and scaled up (``--loop``); ours runs whole, with its jackknife for BCa limits. Times
are processor time of one thread (set ``OMP_NUM_THREADS=1``), which other work on the machine leaves
nearly as it is.
Run with ``python benchmarks/evidence.py``.
"""

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy.special import expit
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    log_loss,
    precision_recall_curve,
    roc_auc_score,
    roc_curve,
)

from greenstick.evidence.bootstrap import limits_of, resample
from greenstick.evidence.discrimination import auroc
from greenstick.evidence.ranking import rank, steps, weighted_auroc
from greenstick.evidence.resampling import resample_rows
from greenstick.evidence.rows import ScoredRows


def drawn(n: int, per_patient: int) -> ScoredRows:
    """Draw rows with a fracture in three of ten."""
    generator = np.random.default_rng(0)
    patients = np.arange(n) // per_patient
    labels = generator.random(n) < 0.3
    logits = 1.8 * labels - 1.5 + generator.normal(size=n) + generator.normal(size=n)[patients]
    return ScoredRows(labels, expit(logits), patients, np.arange(n))


def only_auroc(labels: np.ndarray, scores: np.ndarray) -> None:
    """Compute what most published intervals are made of."""
    roc_auc_score(labels, scores)


def everything(labels: np.ndarray, scores: np.ndarray) -> None:
    """Compute what ours computes, but for the ECE."""
    roc_auc_score(labels, scores)
    average_precision_score(labels, scores)
    brier_score_loss(labels, scores)
    log_loss(labels, scores)
    roc_curve(labels, scores)
    precision_recall_curve(labels, scores)


def loop(rows: ScoredRows, metrics: Callable[..., None], replicates: int) -> float:
    """Return processor seconds a replicate: draw patients, gather their rows, compute."""
    generator = np.random.default_rng(0)
    starts = np.flatnonzero(np.diff(rows.patients, prepend=-1))
    sizes = np.diff(np.append(starts, len(rows)))
    begin = time.process_time()
    for _ in range(replicates):
        chosen = generator.integers(0, rows.n_patients, rows.n_patients)
        within = np.arange(sizes.max())
        index = (starts[chosen][:, None] + within)[within < sizes[chosen][:, None]]
        metrics(rows.labels[index], rows.scores[index])
    return (time.process_time() - begin) / replicates


def timed(work: Callable[[], object]) -> float:
    """Return the processor seconds that some work takes."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def bootstrap_auroc(rows: ScoredRows, replicates: int) -> None:
    """Compute the AUROC with its bootstrap interval, and nothing else."""
    ranking = rank(rows)

    def statistics(weights: np.ndarray) -> dict[str, np.ndarray]:
        return {"AUROC": weighted_auroc(steps(ranking, ranking.row_weights(weights)))}

    drawn_values = resample(
        statistics, patients=rows.n_patients, rows=len(rows), replicates=replicates, seed=0
    )
    value = float(statistics(np.ones((1, rows.n_patients), dtype=np.int64))["AUROC"][0])
    limits_of("AUROC", value, drawn_values, rows.n_patients)


def compare(n: int, per_patient: int, replicates: int, loops: int) -> dict[str, float]:
    """Time one size; the loop is left out where ``loops`` is 0."""
    rows = drawn(n, per_patient)
    row: dict[str, float] = {"images": n, "images a patient": per_patient}
    row["DeLong, s"] = timed(lambda: auroc(rows))
    row["ours, AUROC by bootstrap, s"] = timed(lambda: bootstrap_auroc(rows, replicates))
    row["ours, all figures, s"] = timed(lambda: resample_rows(rows, replicates=replicates, seed=0))
    row["peak memory, MiB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if loops:
        row["loop, AUROC, s"] = loop(rows, only_auroc, loops) * replicates
        row["loop, all figures, s"] = loop(rows, everything, loops) * replicates
        row["DeLong is faster by"] = row["loop, AUROC, s"] / row["DeLong, s"]
        row["AUROC by bootstrap is faster by"] = (
            row["loop, AUROC, s"] / row["ours, AUROC by bootstrap, s"]
        )
        row["all figures are faster by"] = row["loop, all figures, s"] / row["ours, all figures, s"]
    return row


def main() -> None:
    """Time every size and print one block each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--loop", type=int, default=30, help="Replicates of the loop to time.")
    parser.add_argument("--json", type=Path, help="Write the table here too.")
    options = parser.parse_args()
    compare(1000, 1, 10, 1)  # warm up
    table = []
    for n in options.images:
        for per_patient in (1, 3):
            loops = options.loop if n <= 100_000 else 0
            row = compare(n, per_patient, options.replicates, loops)
            table.append(row)
            print("\n" + "\n".join(f"{name:32s} {value:12,.3f}" for name, value in row.items()))
    print("\nPeak memory with ten times the replicates, 10,000 images:")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    resample_rows(drawn(10_000, 1), replicates=10 * options.replicates, seed=0)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{before:,.0f} MiB before, {after:,.0f} MiB after")
    if options.json:
        options.json.write_text(json.dumps(table, indent=1))


if __name__ == "__main__":
    main()
