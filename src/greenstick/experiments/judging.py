"""The evidence of a run: of each backbone, and of each against the others."""

from collections.abc import Mapping, Sequence

import polars as pl

from greenstick.decision.calibration import Temperature
from greenstick.decision.operating_points import OperatingPoint
from greenstick.evidence.abstention import judge_conformal, judge_triage
from greenstick.evidence.comparisons import Contender, compare_all, write_comparisons
from greenstick.evidence.evidence import Evidence, evaluate, write_evidence
from greenstick.evidence.localisation import localisation
from greenstick.evidence.multiclass import evaluate_classes, write_class_evidence
from greenstick.evidence.rows import rows_of, to_rows
from greenstick.experiments.classes import headline
from greenstick.experiments.concluding import Concluded
from greenstick.experiments.deciding import Decision
from greenstick.experiments.experiment import Experiment
from greenstick.experiments.run_folder import RunFolder, opened_test_at
from greenstick.findings import Finding, Severity


def judge(
    run: RunFolder,
    experiment: Experiment,
    concluded: Sequence[Concluded],
    findings: Sequence[Finding],
) -> Evidence:
    """Judge each backbone on its test rows, and return the first one's evidence.

    Where there are several, each one's goes into ``evidence/``, and ``comparison.json`` holds
    every pair of them. ``evidence.json`` is the caller's to write, last of all.

    Parameters
    ----------
    findings
        What else is to be known of the run; they are added to each.
    """
    by_backbone: dict[str, list[Concluded]] = {}
    for each in concluded:
        by_backbone.setdefault(each.fold.backbone, []).append(each)
    judged = {
        backbone: _judge(run, experiment, mine, findings) for backbone, mine in by_backbone.items()
    }
    _judge_classes(run, experiment, by_backbone)
    if len(judged) > 1:
        for backbone, evidence in judged.items():
            write_evidence(evidence, run / "evidence" / f"{backbone}.json")
        _compare(run, experiment, by_backbone)
    return next(iter(judged.values()))


def _judge_classes(
    run: RunFolder, experiment: Experiment, by_backbone: Mapping[str, list[Concluded]]
) -> None:
    """Write ``classes.json`` of the first backbone, and of each one where there are several."""
    for place, (backbone, mine) in enumerate(by_backbone.items()):
        tables = [each.class_scores for each in mine if each.class_scores is not None]
        if not tables:
            return
        points = _class_points(mine)
        undecided = [f"decision_{name}" for name in experiment.model.classes if name not in points]
        evidence = evaluate_classes(
            pl.concat(tables, how="diagonal").drop(undecided, strict=False),
            classes=experiment.model.classes,
            points=points,
            calibrations=_class_calibrations(mine),
            rows="test",
            seed=experiment.seed,
            replicates=experiment.evidence.replicates,
            subgroups=experiment.evidence.subgroups,
        )
        if place == 0:
            write_class_evidence(evidence, run / "classes.json")
        if len(by_backbone) > 1:
            write_class_evidence(evidence, run / "evidence" / f"{backbone}.classes.json")


def _class_points(mine: Sequence[Concluded]) -> dict[str, list[OperatingPoint]]:
    """Return the points of each class that has one in every fold."""
    points: dict[str, list[OperatingPoint]] = {}
    for each in mine:
        if (decided := each.decision.classes) is not None:
            for name, point in zip(decided.settings.classes, decided.points, strict=True):
                points.setdefault(name, []).extend([] if point is None else [point])
    return {name: found for name, found in points.items() if len(found) == len(mine)}


def _class_calibrations(mine: Sequence[Concluded]) -> dict[str, Temperature]:
    """Return what made the scores of each class, where there is one fold."""
    decided = mine[0].decision.classes
    if len(mine) > 1 or decided is None:
        return {}
    return dict(zip(decided.settings.classes, decided.temperatures, strict=True))


def _compare(
    run: RunFolder, experiment: Experiment, by_backbone: Mapping[str, list[Concluded]]
) -> None:
    test = run.table("scores").filter(split="test")
    contenders = [
        Contender(
            backbone,
            test.filter(pl.col("model") == backbone),
            [each.decision.point for each in mine],
        )
        for backbone, mine in by_backbone.items()
    ]
    found = compare_all(
        contenders,
        rows="test",
        seed=experiment.seed,
        replicates=experiment.evidence.replicates,
        missing="drop",  # a fold that failed for one backbone is left out for all
    )
    write_comparisons(found, run / "comparison.json")


def _judge(
    run: RunFolder,
    experiment: Experiment,
    concluded: list[Concluded],
    findings: Sequence[Finding],
) -> Evidence:
    backbone = concluded[0].fold.backbone
    decisions = [each.decision for each in concluded]
    table = run.table("scores").filter(split="test", model=backbone)
    evidence = evaluate(
        table,
        point=[decision.point for decision in decisions],
        calibration=[decision.temperature for decision in decisions],
        rows="test",
        seed=experiment.seed,
        replicates=experiment.evidence.replicates,
        subgroups=experiment.evidence.subgroups,
    )
    explained = run.table("explanations").filter(pl.col("model") == backbone)
    evidence = evidence.with_localisation(localisation(explained, seed=experiment.seed))
    evidence = _with_doubt(evidence, table, decisions)
    own = _weighed(experiment.variant(backbone), decisions[0])
    return evidence.model_copy(update={"findings": [*evidence.findings, *own, *findings]})


def _weighed(experiment: Experiment, decision: Decision) -> list[Finding]:
    """Return the finding of a network whose cells were weighed; none of any other."""
    weight, peer = experiment.recipe.positive_weight, experiment.model.peer
    if experiment.recipe.loss != "cells" or weight == 1.0 or peer:
        return []
    return [
        Finding(
            "cells-weighed",
            Severity.NOTE,
            f"In training a cell with a fracture weighed {weight:g} times one without, for "
            "sensitivity; logits were set off by the weight's logarithm afterwards. What is traded "
            f"for what in these numbers is the threshold's to say, {decision.point.threshold:.3f} "
            f"by the rule '{decision.point.rule}'.",
        )
    ]


def _with_doubt(evidence: Evidence, test: pl.DataFrame, decisions: list[Decision]) -> Evidence:
    """Add what three answers, and sets that promise an error, are worth on the test rows.

    Each fold answers by its own limits; the folds' answers are judged together.
    """
    rows = to_rows(test)
    folds = [rows_of(test, decision.point) for decision in decisions]
    triages = [decision.triage for decision in decisions]
    sets = [decision.conformal for decision in decisions]
    return evidence.with_abstention(
        judge_triage(rows, triages, name="test", folds=folds),
        judge_conformal(rows, sets, name="test", folds=folds),
    )


def incomplete(missing: Mapping[str, str]) -> list[Finding]:
    """Return the finding of a run some of whose fits failed; none where all are there."""
    if not missing:
        return []
    name, reason = next(iter(missing.items()))
    return [
        Finding(
            "incomplete",
            Severity.WARNING,
            f"{len(missing)} of the fits failed and are left out, first {name}: {reason}",
            remedy="Run the same command again: what is done is kept, what failed is tried again.",
        )
    ]


def searched(run: RunFolder, experiment: Experiment) -> list[Finding]:
    """Return the finding of a run whose settings were searched; none of any other."""
    if experiment.search.method == "none":
        return []
    trials = run.table("trials").height
    return [
        Finding(
            "settings-searched",
            Severity.NOTE,
            f"{trials} trials chose the settings on training and validation rows alone; no test "
            f"row was scored before {opened_test_at(run)}, when the last of them had ended.",
        )
    ]


def first_class(experiment: Experiment) -> list[Finding]:
    """Return the finding of a run that judges a class in place of a fracture; none of others."""
    name = headline(experiment.model)
    if not name:
        return []
    return [
        Finding(
            "class-in-place-of-fracture",
            Severity.NOTE,
            f"No class tells of images without a fracture: what is judged here is {name!r} against "
            "the other classes. See classes.json for each of them.",
        )
    ]
