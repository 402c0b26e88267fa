"""Read what lies in a run folder, and say what is missing from it."""

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from greenstick.cohorts.cohort import Cohort, read_cohort
from greenstick.errors import GreenstickError
from greenstick.evidence.comparisons import Comparisons, read_comparisons
from greenstick.evidence.detection import DetectionEvidence, read_detection
from greenstick.evidence.estimates import Estimate
from greenstick.evidence.evidence import Evidence, read_evidence
from greenstick.findings import Finding, Severity

_AGAIN = "Finish it with 'greenstick experiment run', or start again with --overwrite."


class _Facts(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class CardNetwork(_Facts):
    """The network, as its card says."""

    backbone: str


class CardCalibration(_Facts):
    """The card's temperature and where it came from."""

    temperature: float
    fitted_on: str
    n: int


class CardData(_Facts):
    """How much a model was trained on."""

    n_images: int = 0
    source: str = ""


class CardFacts(_Facts):
    """What a report says of a model: some of its card, read without loading torch."""

    classifier: CardNetwork
    weights_origin: str = ""
    calibration: CardCalibration | None = None
    training_data: CardData = CardData()


class CurvePointFacts(_Facts):
    """What a share of the training patients led to."""

    share: float
    n_patients: float
    auroc: Estimate


class PowerLawFacts(_Facts):
    """The fitted curve, and what it foretells with twice the patients."""

    limit: float
    gain: float
    rate: float
    patients_at_twice: float
    at_twice: float
    lower: float
    upper: float


class LearningCurveFacts(_Facts):
    """A backbone's learning curve, read without loading torch."""

    model: str
    points: list[CurvePointFacts]
    law: PowerLawFacts | None
    note: str = ""


class LearningCurvesFacts(_Facts):
    """What ``learning_curve.json`` holds."""

    curves: list[LearningCurveFacts]


@dataclass(frozen=True, eq=False)
class RunContents:
    """Everything that a report is made of; None where the run has no such piece.

    Attributes
    ----------
    path
        The run folder.
    evidence
        Of the test rows.
    scores
        All scored rows: ``image``, ``patient``, ``label``, ``score``, ``split``, and ``model``,
        ``repeat``, ``fold`` where there are several.
    settings
        The text of ``experiment.toml``.
    name
        The experiment's name, or the folder's.
    cohort, dropped, splits
        The cohort that was used, the rows that were not, and who went where.
    audit
        Findings of the cohort's audit.
    environment
        Names and plain values.
    history
        One row an epoch of each fit; epochs are counted from 1 here.
    explanations
        One row an explained image.
    overlays
        One row a picture: ``image``, ``file``, ``kind``, ``score``, ``label``.
    cards
        The card of each model, by its folder's name.
    models
        One row a backbone: what it costs.
    trials
        One row a trial of searched settings.
    evidences, comparison
        Of each backbone, and of each pair of them, where there are several.
    learning_curves
        One a backbone.
    heat_boxes
        Of the boxes around what stands out of heat maps, where the cohort has true boxes.
    """

    path: Path
    evidence: Evidence
    scores: pl.DataFrame
    settings: str | None
    name: str
    cohort: Cohort | None
    dropped: pl.DataFrame
    splits: pl.DataFrame | None
    audit: list[Finding] | None
    environment: dict[str, Any]
    history: pl.DataFrame | None
    explanations: pl.DataFrame | None
    overlays: pl.DataFrame | None
    cards: dict[str, CardFacts]
    models: pl.DataFrame | None
    trials: pl.DataFrame | None
    evidences: dict[str, Evidence]
    comparison: Comparisons | None
    learning_curves: list[LearningCurveFacts]
    heat_boxes: DetectionEvidence | None


def read_contents(path: Path) -> RunContents:
    """Read a run folder.

    Raises
    ------
    GreenstickError
        Where the folder is missing, the run is not finished, or a file in it is damaged.
    """
    _check_finished(path)
    settings = _text(path / "experiment.toml")
    return RunContents(
        path=path,
        evidence=read_evidence(path / "evidence.json"),
        scores=_needed_table(path / "scores.parquet", ("image", "label", "score")),
        settings=settings,
        name=_name(settings, path),
        cohort=read_cohort(path / "cohort.parquet") if settings is not None else None,
        dropped=_dropped(path / "dropped.parquet"),
        splits=_table(path / "splits.parquet", ("image", "repeat", "fold", "split")),
        audit=_audit(path / "audit.json"),
        environment=_json(path / "environment.json") or {},
        history=_history(path / "history.parquet"),
        explanations=_table(path / "explanations.parquet", ("image", "peak_hit")),
        overlays=_table(path / "overlays.parquet", ("image", "file", "kind", "score", "label")),
        cards=_cards(path / "models"),
        models=_table(path / "models.parquet", ("model", "parameters", "ms_per_image")),
        trials=_table(path / "trials.parquet", ("trial", "params", "value", "state", "seconds")),
        evidences=_evidences(path / "evidence"),
        comparison=_comparison(path / "comparison.json"),
        learning_curves=_learning_curves(path / "learning_curve.json"),
        heat_boxes=_detection(path / "heat_boxes.json"),
    )


def _evidences(folder: Path) -> dict[str, Evidence]:
    """Return each network's; beside it may lie that of its classes and of its maps' boxes."""
    files = sorted(folder.glob("*.json"))
    others = (".classes.json", ".heat_boxes.json")
    return {file.stem: read_evidence(file) for file in files if not file.name.endswith(others)}


def _comparison(path: Path) -> Comparisons | None:
    return read_comparisons(path) if path.is_file() else None


def _detection(path: Path) -> DetectionEvidence | None:
    return read_detection(path) if path.is_file() else None


def _learning_curves(path: Path) -> list[LearningCurveFacts]:
    if not path.is_file():
        return []
    try:
        return LearningCurvesFacts.model_validate_json(path.read_bytes()).curves
    except ValidationError:
        raise _damaged(path, "it holds no learning curves") from None


def _check_finished(path: Path) -> None:
    if not path.is_dir():
        raise GreenstickError(f"There is no run folder {path}.", remedy="Check the path.")
    if (path / "evidence.json").is_file():
        return
    if (path / "experiment.toml").is_file():
        raise GreenstickError(f"The run in {path} is not finished.", remedy=_AGAIN)
    raise GreenstickError(
        f"{path} is no run folder: it holds no evidence.json.",
        remedy="Make one with 'greenstick experiment run FILE -o FOLDER'.",
    )


def _damaged(path: Path, what: str) -> GreenstickError:
    return GreenstickError(f"{path} is damaged: {what}.", remedy=_AGAIN)


def _table(path: Path, columns: tuple[str, ...]) -> pl.DataFrame | None:
    if not path.is_file():
        return None
    try:
        table = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        raise _damaged(path, "it is not Parquet") from None
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise _damaged(path, f"it has no column {missing[0]!r}")
    return table


def _needed_table(path: Path, columns: tuple[str, ...]) -> pl.DataFrame:
    table = _table(path, columns)
    if table is None:
        raise GreenstickError(f"{path} is missing from the run folder.", remedy=_AGAIN)
    return table


def _history(path: Path) -> pl.DataFrame | None:
    table = _table(path, ("epoch", "train_loss", "valid_loss", "valid_auroc"))
    return None if table is None else table.with_columns(pl.col("epoch") + 1)


def _dropped(path: Path) -> pl.DataFrame:
    empty = pl.DataFrame(schema={"image": pl.String, "reason": pl.String})
    table = _table(path, ("image", "reason"))
    return empty if table is None else table


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _name(settings: str | None, path: Path) -> str:
    folder = path.resolve().name
    if settings is None:
        return folder
    try:
        return str(tomllib.loads(settings).get("name", folder))
    except tomllib.TOMLDecodeError:
        raise _damaged(path / "experiment.toml", "it is not TOML") from None


def _json(path: Path) -> Any:
    if not path.is_file():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        raise _damaged(path, "it is not JSON") from None


def _audit(path: Path) -> list[Finding] | None:
    values = _json(path)
    if values is None:
        return None
    try:
        return [
            Finding(
                code=one["code"],
                severity=Severity(one["severity"]),
                message=one["message"],
                rows=tuple(one.get("rows", ())),
                remedy=one.get("remedy", ""),
            )
            for one in values["findings"]
        ]
    except (KeyError, TypeError, ValueError):
        raise _damaged(path, "it is not what 'cohort audit' writes") from None


def _cards(folder: Path) -> dict[str, CardFacts]:
    found = sorted(folder.glob("*/card.json")) if folder.is_dir() else []
    return {path.parent.name: _card(path) for path in found}


def _card(path: Path) -> CardFacts:
    try:
        return CardFacts.model_validate_json(path.read_bytes())
    except ValidationError:
        raise _damaged(path, "it is not a model's card") from None
