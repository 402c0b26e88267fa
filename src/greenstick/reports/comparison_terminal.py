"""What ``greenstick compare`` prints."""

from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from greenstick.evidence.comparison import Comparison
from greenstick.evidence.comparisons import Comparisons
from greenstick.reports.terminal import console, print_end, print_findings


def print_comparisons(comparisons: Comparisons, path: Path) -> None:
    """Print each pair: figures of both models, the difference with its interval, and p."""
    for pair in comparisons.pairs:
        _print_pair(pair, corrected=len(comparisons.pairs) > 1)
    print_findings(finding for pair in comparisons.pairs for finding in pair.findings)
    print_end(path)


def _print_pair(pair: Comparison, *, corrected: bool) -> None:
    headers = ["", escape(pair.first), escape(pair.second), "second - first", "p"]
    table = Table(*headers, *(["p, Holm"] if corrected else []), box=None, pad_edge=False)
    for found in pair.differences:
        limits = ""
        if found.lower is not None and found.upper is not None:
            limits = f" ({found.lower:+.3f} to {found.upper:+.3f})"
        table.add_row(
            found.name,
            f"{found.first:.3f}",
            f"{found.second:.3f}",
            f"{found.difference:+.3f}{limits}",
            *_p_values([found.p_value, found.p_holm][: 1 + corrected]),
        )
    console.print(table)
    for verdict, said in ((True, "Not inferior"), (False, "Inferiority is not excluded")):
        names = [d.name for d in pair.differences if d.non_inferior is verdict]
        if names:
            text = f"{said} by the margin of {pair.margin}: {', '.join(names)}."
            console.print(text, markup=False)
    console.print()


def _p_values(values: Sequence[float | None]) -> list[str]:
    return ["" if p is None else f"{p:.2g}" for p in values]
