"""The evidence of a run: of each backbone, and of each against the others."""

from collections.abc import Mapping, Sequence

import polars as pl

from greenstick.evidence.evidence import Evidence, evaluate, write_evidence
from greenstick.evidence.localisation import localisation
from greenstick.experiments.concluding import Concluded
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.run_folder import RunFolder
from greenstick.findings import Finding, Severity


def judge(
    run: RunFolder,
    experiment: Experiment,
    concluded: Sequence[Concluded],
    missing: Mapping[str, str],
) -> Evidence:
    """Judge each backbone on its test rows, and return the first one's evidence.

    Where there are several, each one's goes into ``evidence/``. ``evidence.json`` is the caller's
    to write, last of all.
    """
    findings = _findings(missing)
    backbones = list(dict.fromkeys(each.fold.backbone for each in concluded))
    judged = [
        _judge(run, experiment, [each for each in concluded if each.fold.backbone == backbone])
        for backbone in backbones
    ]
    judged = [each.model_copy(update={"findings": [*each.findings, *findings]}) for each in judged]
    if len(judged) > 1:
        for backbone, evidence in zip(backbones, judged, strict=True):
            write_evidence(evidence, run / "evidence" / f"{backbone}.json")
    return judged[0]


def _judge(run: RunFolder, experiment: Experiment, concluded: list[Concluded]) -> Evidence:
    backbone = concluded[0].fold.backbone
    decisions = [each.decision for each in concluded]
    evidence = evaluate(
        run.table("scores").filter(split="test", model=backbone),
        point=[decision.point for decision in decisions],
        calibration=decisions[0].temperature if len(decisions) == 1 else None,
        rows="test",
        seed=experiment.seed,
        replicates=experiment.evidence.replicates,
        subgroups=experiment.evidence.subgroups,
    )
    explained = run.table("explanations").filter(pl.col("model") == backbone)
    return evidence.with_localisation(localisation(explained, seed=experiment.seed))


def _findings(missing: Mapping[str, str]) -> list[Finding]:
    if not missing:
        return []
    first = next(iter(missing.items()))
    return [
        Finding(
            "incomplete",
            Severity.WARNING,
            f"{len(missing)} of the fits failed and are left out, first {first[0]}: {first[1]}",
            remedy="Run the same command again: what is done is kept, what failed is tried again.",
        )
    ]
