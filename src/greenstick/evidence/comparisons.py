"""Several models on the same images: every pair, with p values corrected for their number."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import polars as pl
from pydantic import Field

from greenstick import RESEARCH_USE
from greenstick.decision.operating_points import given_point
from greenstick.errors import GreenstickError
from greenstick.evidence.arguments import as_list
from greenstick.evidence.comparison import Comparison, Points, compare
from greenstick.evidence.each_model import ModelFigures, judge_model, on_shared_images
from greenstick.evidence.estimates import Difference, Record
from greenstick.evidence.record_files import read_record, write_record
from greenstick.evidence.rows import Missing
from greenstick.evidence.significance import holm
from greenstick.findings import Severity

COMPARISON_VERSION = "1"


class Comparisons(Record):
    """What ``comparison.json`` holds.

    Attributes
    ----------
    schema_version
        Grows when a field changes its meaning.
    research_use
        The sentence that every output carries.
    models
        Names, in the order given.
    rows
        What the images are called, e.g. ``"test"``.
    pairs
        Each pair of models; differences are second minus first.
    each
        What each model reaches by itself, on the images that all of them judge.
    """

    schema_version: str = COMPARISON_VERSION
    research_use: str = RESEARCH_USE
    models: list[str]
    rows: str
    pairs: list[Comparison] = Field(default_factory=list)
    each: list[ModelFigures] = Field(default_factory=list)

    @property
    def untrue(self) -> bool:
        """Whether a finding makes a number untrue."""
        return any(
            finding.severity is Severity.ERROR for pair in self.pairs for finding in pair.findings
        )

    def pair(self, first: str, second: str) -> Comparison:
        """Return the comparison of two models."""
        for found in self.pairs:
            if (found.first, found.second) == (first, second):
                return found
        raise GreenstickError(
            f"{first} and {second} were not compared in this order.",
            remedy=f"Models were given as: {', '.join(self.models)}.",
        )


@dataclass(frozen=True, eq=False)
class Contender:
    """A model that takes part: its name, its scores, and where it calls a fracture."""

    name: str
    scores: pl.DataFrame
    points: Points = None


def contenders_of(
    tables: Mapping[str, pl.DataFrame], thresholds: Sequence[float] = ()
) -> list[Contender]:
    """Return the models of some tables; one with a column ``model`` of several holds as many.

    Parameters
    ----------
    tables
        Name to scores.
    thresholds
        Operating points fixed beforehand: none, one for all, or one a model. They override a
        column ``decision``.

    Raises
    ------
    GreenstickError
        Where two models have one name, or there are neither as many thresholds as models nor one.
    """
    listed = [pair for file, table in tables.items() for pair in _by_model(file, table)]
    found = dict(listed)
    twice = [name for name, count in Counter(name for name, _ in listed).items() if count > 1]
    if twice:
        raise GreenstickError(
            f"Two models are called {twice[0]}.", remedy="Rename one in the column 'model'."
        )
    if len(thresholds) not in (0, 1, len(found)):
        raise GreenstickError(
            f"There are {len(thresholds)} thresholds for {len(found)} models.",
            remedy="Give one for all, or one a model in their order.",
        )
    if not thresholds:
        return [Contender(name, scores) for name, scores in found.items()]
    each = list(thresholds) if len(thresholds) > 1 else list(thresholds) * len(found)
    return [
        Contender(name, scores.drop("decision", strict=False), given_point(threshold))
        for (name, scores), threshold in zip(found.items(), each, strict=True)
    ]


def _by_model(file: str, table: pl.DataFrame) -> list[tuple[str, pl.DataFrame]]:
    if "model" not in table.columns or table["model"].n_unique() < 2:
        return [(file, table)]
    parts = table.partition_by("model", maintain_order=True, as_dict=True)
    return [(str(model), part) for (model,), part in parts.items()]


def compare_all(
    contenders: Sequence[Contender],
    *,
    rows: str = "test",
    margin: float | None = None,
    seed: int = 0,
    replicates: int = 2000,
    level: float = 0.95,
    missing: Missing = "refuse",
) -> Comparisons:
    """Compare each pair of models on the same images.

    Parameters
    ----------
    contenders
        At least two, of different names.
    rows, margin, seed, replicates, level, missing
        As for :func:`~greenstick.evidence.comparison.compare`.

    Returns
    -------
    Comparisons
        With more than one pair, p values are corrected within each figure (Holm 1979); intervals
        and verdicts on a margin are not.

    Raises
    ------
    GreenstickError
        Where there are fewer than two, two of one name, or two tables do not fit together.
    """
    names = [contender.name for contender in contenders]
    if len(names) < 2 or len(set(names)) < len(names):
        raise GreenstickError(
            f"A comparison needs two models of different names, not {', '.join(names) or 'none'}.",
            remedy="Give at least two files, or one with a column 'model'.",
        )
    pairs = [
        compare(
            one.scores,
            two.scores,
            names=(one.name, two.name),
            points=(one.points, two.points),
            rows=rows,
            margin=margin,
            seed=seed,
            replicates=replicates,
            level=level,
            missing=missing,
        )
        for one, two in combinations(contenders, 2)
    ]
    tables = on_shared_images([contender.scores for contender in contenders], missing)
    each = [
        judge_model(
            one.name, table, as_list(one.points), seed=seed, replicates=replicates, level=level
        )
        for one, table in zip(contenders, tables, strict=True)
    ]
    return Comparisons(models=names, rows=rows, pairs=_corrected(pairs), each=each)


def _corrected(pairs: list[Comparison]) -> list[Comparison]:
    if len(pairs) < 2:
        return pairs
    corrected = {
        (place, name): p for name in _figures(pairs) for place, p in _holm_of(pairs, name).items()
    }
    return [
        pair.model_copy(
            update={
                "differences": [
                    d.model_copy(update={"p_holm": corrected.get((place, d.name))})
                    for d in pair.differences
                ]
            }
        )
        for place, pair in enumerate(pairs)
    ]


def _figures(pairs: list[Comparison]) -> list[str]:
    return list(dict.fromkeys(d.name for pair in pairs for d in pair.differences))


def _holm_of(pairs: list[Comparison], name: str) -> dict[int, float]:
    """Return the corrected p value of a figure, by the number of the pair that has one."""
    tested = {place: p for place, pair in enumerate(pairs) if (p := _p_of(pair, name)) is not None}
    return dict(zip(tested, holm(list(tested.values())).tolist(), strict=True))


def _p_of(pair: Comparison, name: str) -> float | None:
    found: list[Difference] = [d for d in pair.differences if d.name == name]
    return found[0].p_value if found else None


def write_comparisons(comparisons: Comparisons, path: Path | str) -> None:
    """Write ``comparison.json``; a killed write leaves the old file whole."""
    write_record(comparisons, path)


def read_comparisons(path: Path | str) -> Comparisons:
    """Read ``comparison.json``.

    Raises
    ------
    GreenstickError
        Where it is missing or no comparison of this version.
    """
    return read_record(
        Comparisons,
        path,
        what=f"comparison of version {COMPARISON_VERSION}",
        make="Run: greenstick compare.",
        again="Compare again.",
    )
