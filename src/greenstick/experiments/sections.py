"""The sections of an experiment file."""

import re
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from greenstick.decision.operating_points import check_target
from greenstick.errors import GreenstickError
from greenstick.models.settings import ClassifierSettings


class Section(BaseModel):
    """Settings that belong together; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class AuditSection(Section):
    """What to do with rows that would make a result untrue."""

    on_error: Literal["drop", "stop", "ignore"] = Field(
        "drop",
        description="rows with an error: drop them (each with its reason), stop, or go on anyway",
    )


class RegionSection(Section):
    """What of each image is looked at."""

    source: Literal["image", "cohort", "detector"] = Field(
        "image",
        description="image: all of it; cohort: the square around the box in its columns; "
        "detector: the square around the surest box of a detector",
    )
    detector: str = Field(
        "",
        description="the detector's folder, relative to this file; it goes with the model, and "
        "with 'cohort' finds the region on new images",
    )
    class_name: str = Field(
        "", description="of a detector of several classes, the one to look at; empty: any"
    )
    columns: tuple[str, str, str, str] = Field(
        ("region_x", "region_y", "region_width", "region_height"),
        description="cohort: columns of the box, in pixels of the original",
    )
    margin: float = Field(
        0.1,
        ge=0.0,
        description="added at each edge of the square, as a share of its side, which is the mean "
        "of the box's sides",
    )
    unfound: Literal["not read", "whole image"] = Field(
        "not read",
        description="what becomes of an image without a region, in training, test and reading",
    )

    @model_validator(mode="after")
    def _can_be_found(self) -> "RegionSection":
        if self.source == "detector" and not self.detector:
            raise ValueError("the source 'detector' needs region.detector, a detector's folder")
        if self.source == "image" and self.detector:
            raise ValueError("a detector is of no use where all of each image is looked at")
        return self


class ModelSection(ClassifierSettings):
    """Which networks are trained: one, several by the same settings, each by one or more seeds."""

    backbones: tuple[str, ...] = Field(
        (),
        description="further backbones, trained and tested in the same way and compared with "
        "the first",
    )
    seeds: int = Field(
        1, ge=1, description="networks a fold, alike but for their seed, that answer as one"
    )

    @model_validator(mode="after")
    def _each_once(self) -> "ModelSection":
        if len(set(self.names)) < len(self.names):
            raise ValueError("a backbone is named twice")
        return self

    @property
    def names(self) -> tuple[str, ...]:
        """The backbones, the first one first."""
        return (self.backbone, *self.backbones)

    def classifier(self, backbone: str) -> ClassifierSettings:
        """Return the settings of one network."""
        values = self.model_dump(exclude={"backbones", "seeds"})
        return ClassifierSettings.model_validate({**values, "backbone": backbone})


class DecisionSection(Section):
    """How a calibrated probability becomes a decision; never fitted on test rows."""

    rule: Literal["youden", "f1", "closest", "sensitivity", "specificity", "cost"] = Field(
        "youden", description="youden, f1, closest, sensitivity, specificity or cost"
    )
    target: float | None = Field(
        None,
        description="for sensitivity and specificity: the least wanted; for cost: what a missed "
        "fracture costs in false alarms",
    )
    doubt: bool = Field(
        False,
        description="let readings answer doubt between the thresholds of the next two settings; "
        "evidence tells in any case what they would be worth",
    )
    doubt_sensitivity: float = Field(
        0.95, gt=0.0, lt=1.0, description="share of fractures not to be called normal"
    )
    doubt_specificity: float = Field(
        0.95, gt=0.0, lt=1.0, description="share of normals not to be called fractured"
    )
    conformal_error: float = Field(
        0.1, gt=0.0, lt=1.0, description="promised share of conformal sets without the truth"
    )
    inner_folds: int = Field(
        0,
        ge=0,
        description="temperature and threshold from the out-of-fold scores of so many folds "
        "inside each training part (2 or more); 0: from its validation rows",
    )

    @model_validator(mode="after")
    def _not_one(self) -> "DecisionSection":
        if self.inner_folds == 1:
            raise ValueError("inner_folds is 0, or 2 and more")
        return self

    @model_validator(mode="after")
    def _rule_has_its_target(self) -> "DecisionSection":
        try:
            check_target(self.rule, self.target)
        except GreenstickError as error:
            raise ValueError(f"target: {error.message.rstrip('.')}") from None
        return self


class EvidenceSection(Section):
    """How the evidence is computed on the held-out patients."""

    replicates: int = Field(2000, ge=100, description="patient-bootstrap replicates")
    subgroups: tuple[str, ...] = Field(
        (), description="columns of the cohort to judge value by value, e.g. body_part"
    )
    overlays: int = Field(
        24, ge=0, description="pictures of the most wrong and the most certain test cases"
    )


class Range(Section):
    """Numbers between two limits, both drawn too."""

    low: float = Field(description="the least")
    high: float = Field(description="the most")
    log: bool = Field(False, description="spread evenly over powers of ten")

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if self.low >= self.high or (self.log and self.low <= 0):
            raise ValueError("low must be below high, and with log above 0")
        return self


class SearchSection(Section):
    """Settings to be found inside each training part: test rows are never seen."""

    method: Literal["none", "grid", "tpe"] = Field(
        "none",
        description="grid: every combination; tpe: Optuna's sampler (Bergstra 2011), needs the "
        "extra 'search'",
    )
    trials: int = Field(20, ge=1, description="tpe: how many for each fold and backbone")
    at_once: int = Field(
        4, ge=1, description="trials drawn at a time; only what was told before decides the next"
    )
    prune: Literal["none", "median"] = Field(
        "median", description="median: stop a trial that is below the median of earlier batches"
    )
    space: dict[str, tuple[bool | int | float | str, ...] | Range] = Field(
        default_factory=dict,
        description="setting to a list of values, or for tpe to {low, high, log}",
    )

    @model_validator(mode="after")
    def _searchable(self) -> "SearchSection":
        if (self.method == "none") != (not self.space):
            raise ValueError("a method needs a space, and a space a method (grid or tpe)")
        for name, values in self.space.items():
            if name in _NOT_SEARCHED or not name.startswith(("recipe.", "model.")):
                raise ValueError(f"{name} cannot be searched; settings of recipe and model can")
            if isinstance(values, Range) and self.method == "grid":
                raise ValueError(f"a grid needs a list of values for {name}")
            if not isinstance(values, Range) and not values:
                raise ValueError(f"{name} has no values")
        return self


#: What decides which images are decoded, or which networks are compared, is no hyper-parameter.
_NOT_SEARCHED = (
    "recipe.canvas_px",
    "model.backbone",
    "model.backbones",
    "model.seeds",
    "model.classes",
    "model.outputs",
)


#: A value of a setting, as in the file.
Value = bool | int | float | str | list[bool | int | float | str]
#: Settings by their names, e.g. ``{"recipe.positive_weight": 1.0}``.
Variant = dict[str, Value]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")


def check_variant(name: str, settings: Variant) -> None:
    """Refuse a variant of another shape, or one that changes what all must share.

    Raises
    ------
    ValueError
        Saying which.
    """
    if not _NAME.fullmatch(name):
        raise ValueError(f"a variant's name is of letters, digits and . _ + -, unlike {name!r}")
    for setting in settings:
        section = setting.partition(".")[0]
        if section not in _VARIED or setting in _SHARED:
            raise ValueError(f"the variant {name!r} cannot change {setting}")


_VARIED = ("model", "recipe", "restoring", "peers", "labels")
_SHARED = (
    "recipe.canvas_px",
    "model.backbones",
    "model.seeds",
    "model.classes",
    "model.outputs",
)


class LabelsSection(Section):
    """Which labels of the training part are used."""

    fracture_share: float = Field(
        1.0,
        gt=0.0,
        le=1.0,
        description="share of its patients with a fracture that take part in training and "
        "validation; healthy images stay, and so do test rows",
    )


class LearningCurveSection(Section):
    """How the result grows with the number of patients."""

    shares: tuple[float, ...] = Field(
        (), description="shares of the training patients to train on again, e.g. [0.1, 0.25, 0.5]"
    )

    @model_validator(mode="after")
    def _are_shares(self) -> "LearningCurveSection":
        if any(not 0 < share <= 1 for share in self.shares):
            raise ValueError("shares lie above 0 and at most at 1")
        return self
