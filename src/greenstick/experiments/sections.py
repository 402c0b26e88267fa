"""The sections of an experiment file."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

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


class EvidenceSection(Section):
    """How the evidence is computed on the held-out patients."""

    replicates: int = Field(2000, ge=100, description="patient-bootstrap replicates")
    subgroups: tuple[str, ...] = Field(
        (), description="columns of the cohort to judge value by value, e.g. body_part"
    )
    overlays: int = Field(
        24, ge=0, description="pictures of the most wrong and the most certain test cases"
    )
