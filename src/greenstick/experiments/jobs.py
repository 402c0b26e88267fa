"""A job: one fit with its settings and rows, in a folder that tells all a worker needs.

Jobs do not know of one another, so they may be done in any order, by any process, on any machine
that sees the run folder. What a job leaves, last of all ``done.json``, is the same wherever it
was done.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, ValidationError

from greenstick.experiments.run_folder import RunFolder, write_table
from greenstick.files import write_text
from greenstick.models.settings import ClassifierSettings
from greenstick.training.peer_recipes import PeerRecipes
from greenstick.training.recipe import Recipe
from greenstick.training.restorer_recipe import RestorerRecipe

#: In a job's folder: what to do; on which rows; what came of it; why it failed; where it stands.
SETTINGS, ROWS, DONE, FAILED, STANDING = (
    "job.json",
    "rows.parquet",
    "done.json",
    "failed.json",
    "standing.json",
)
LOG = "log.txt"


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class JobSettings(_Record):
    """What a job does.

    Attributes
    ----------
    name
        Of its folder.
    model, recipe, restoring, peers, seed
        What is trained, and how; ``restoring`` counts for patch residual networks alone, and
        ``peers`` for what learns from healthy images alone.
    keep
        ``"restorer"``: only that is trained, for networks to take; else ``"nothing"`` but how
        good it was; ``"scores"``: the logits too; ``"member"``: maps and
        weights as well; ``"model"``: all that a reader needs.
    rivals
        Jobs that are done: it stops early where its best AUROC is below the median of theirs
        at the same epoch. None: it never does.
    """

    name: str
    model: ClassifierSettings
    recipe: Recipe
    seed: int
    keep: Literal["restorer", "nothing", "scores", "member", "model"]
    restoring: RestorerRecipe = RestorerRecipe()
    peers: PeerRecipes = PeerRecipes()
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Job:
    """A job's settings, and its rows: ``image`` and ``split`` (train, valid, test)."""

    settings: JobSettings
    images: pl.DataFrame

    @property
    def name(self) -> str:
        """The name of its folder."""
        return self.settings.name

    @property
    def digest(self) -> str:
        """Tells this job from any other, whatever it is called."""
        digest = hashlib.blake2b(self.settings.model_dump_json().encode(), digest_size=16)
        digest.update(self.images.select("image", "split").write_csv().encode())
        return digest.hexdigest()


class Done(_Record):
    """What a job found out; written when all else is there.

    Attributes
    ----------
    digest
        Of the job that was done.
    weights_origin, precision, parameters
        Of the network.
    kept_epoch, epochs
        0-based, and how many were trained.
    valid_auroc
        Of the kept epoch.
    train_seconds
        All epochs, also those before an interruption.
    pruned
        Whether it was stopped early, since its rivals did better.
    """

    digest: str
    weights_origin: str
    precision: str
    parameters: int
    kept_epoch: int
    epochs: int
    valid_auroc: float
    train_seconds: float
    pruned: bool = False


class Failed(_Record):
    """Why a job failed: one line, and whether it is of no use to try again."""

    reason: str
    final: bool


class Standing(_Record):
    """Where a running job stands: its process, and as told by the training."""

    pid: int
    epoch: int = 0
    epochs: int = 0
    valid_auroc: float | None = None


def write_job(run: RunFolder, job: Job) -> None:
    """Write what a worker needs; an earlier failure is forgotten."""
    folder = run.work(job.name)
    write_table(job.images, folder / ROWS)
    write_text(job.settings.model_dump_json(indent=2) + "\n", folder / SETTINGS)
    (folder / FAILED).unlink(missing_ok=True)


def read_job(run: RunFolder, name: str) -> Job:
    """Read what :func:`write_job` wrote."""
    folder = run.work(name)
    settings = JobSettings.model_validate_json((folder / SETTINGS).read_bytes())
    return Job(settings, pl.read_parquet(folder / ROWS))


def read_done(run: RunFolder, job: Job) -> Done | None:
    """Return what a job found out; None where it is not done, or another one of its name was."""
    try:
        done = Done.model_validate_json((run.work(job.name) / DONE).read_bytes())
    except (OSError, ValidationError):
        return None
    return done if done.digest == job.digest else None


def read_failed(run: RunFolder, name: str) -> Failed | None:
    """Return why a job failed; None where nothing tells of it."""
    try:
        return Failed.model_validate_json((run.work(name) / FAILED).read_bytes())
    except (OSError, ValidationError):
        return None


def read_standing(run: RunFolder, name: str) -> Standing | None:
    """Return where a job stands; None where it has not begun."""
    try:
        return Standing.model_validate_json((run.work(name) / STANDING).read_bytes())
    except (OSError, ValidationError):
        return None


def write_record(record: BaseModel, path: Path) -> None:
    """Write one of the small files of a job, whole or not at all."""
    write_text(record.model_dump_json(indent=2) + "\n", path)
