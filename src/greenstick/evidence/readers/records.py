"""What ``readers.json`` holds."""

from pydantic import Field

from greenstick import RESEARCH_USE
from greenstick.evidence.estimates import Curve, Difference, Estimate, Record
from greenstick.evidence.readers.multi_reader import MultiReader
from greenstick.findings import Finding, Severity

READERS_VERSION = "1"


class RocPoint(Record):
    """Sensitivity and specificity where ratings at or above a threshold call a fracture."""

    threshold: float
    sensitivity: float
    specificity: float


class ReaderResult(Record):
    """One reader under one modality.

    Attributes
    ----------
    estimates
        ``sensitivity`` and ``specificity`` where ratings are calls or ``call_from`` is given;
        ``AUROC`` where ratings are not just 0 and 1.
    roc
        A point for each rating that was used, falling thresholds; empty for more than 100.
    """

    reader: str
    modality: str
    estimates: list[Estimate]
    roc: list[RocPoint]


class ReaderContrast(Record):
    """One reader: two modalities, or reader and model; differences are second minus first."""

    reader: str
    first: str
    second: str
    differences: list[Difference]


class Agreement(Record):
    """How well two or all readers agree under one modality: ``Cohen's kappa`` and the like."""

    modality: str
    readers: list[str]
    estimates: list[Estimate]


class ModelContrast(Record):
    """The model against the mean of all readers under one modality; model minus readers."""

    modality: str
    differences: list[Difference]


class ModelBeside(Record):
    """A model judged on the readers' images.

    Attributes
    ----------
    name
        What it is called.
    estimates
        ``AUROC``; ``sensitivity`` and ``specificity`` where it calls fractures.
    roc
        Its ROC curve with a band, to show the readers' points on.
    by_reader
        Each reader under each modality beside the model.
    against_readers
        Beside their mean, readers random; empty for a single reader.
    findings
        Whether its threshold comes from other rows.
    """

    name: str
    estimates: list[Estimate]
    roc: Curve
    by_reader: list[ReaderContrast]
    against_readers: list[ModelContrast]
    findings: list[Finding]


class ReaderStudy(Record):
    """What ``readers.json`` holds.

    Attributes
    ----------
    schema_version
        Grows when a field changes its meaning.
    research_use
        The sentence that every output carries.
    n_images, n_patients, n_positive
        Images that any reader rated, their patients, and images with a fracture.
    readers, modalities
        Names, in the order of the table but for the reference modality, which comes first.
    binary
        Whether every rating is 0 or 1.
    call_from
        A rating at or above it calls a fracture; None where nothing says so.
    level
        Nominal coverage of every interval.
    results
        Each reader under each modality.
    contrasts
        Each reader's differences between modalities, e.g. without and with AI.
    agreement
        Each pair of readers, and all of them, under each modality.
    all_readers
        Means over readers and differences between modalities, for random and for fixed readers.
    model
        The model beside the readers, where its scores were given.
    findings
        What was checked.
    """

    schema_version: str = READERS_VERSION
    research_use: str = RESEARCH_USE
    n_images: int
    n_patients: int
    n_positive: int
    readers: list[str]
    modalities: list[str]
    binary: bool
    call_from: float | None
    level: float
    results: list[ReaderResult]
    contrasts: list[ReaderContrast] = Field(default_factory=list)
    agreement: list[Agreement] = Field(default_factory=list)
    all_readers: list[MultiReader] = Field(default_factory=list)
    model: ModelBeside | None = None
    findings: list[Finding] = Field(default_factory=list)

    @property
    def untrue(self) -> bool:
        """Whether a finding makes a number untrue."""
        of_model = self.model.findings if self.model else []
        return any(f.severity is Severity.ERROR for f in [*self.findings, *of_model])
