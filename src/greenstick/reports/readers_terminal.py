"""What ``greenstick readers`` prints."""

from pathlib import Path

from rich.markup import escape
from rich.table import Table

from greenstick.evidence.estimates import Difference, Estimate
from greenstick.evidence.readers.records import ReaderStudy
from greenstick.reports.terminal import console, print_end, print_findings

#: Of more readers than this, the agreement of pairs is in the file only.
MANY_READERS = 3


def print_reader_study(study: ReaderStudy, path: Path) -> None:
    """Print each reader, differences between modalities, agreement, and the model beside them."""
    console.print(
        f"{study.n_images} images of {study.n_patients} patients, {study.n_positive} with a "
        f"fracture; {len(study.readers)} readers.\n"
    )
    _print_results(study)
    _print_differences(study)
    _print_agreement(study)
    print_findings([*study.findings, *(study.model.findings if study.model else [])])
    print_end(path)


def _table(*headers: str) -> Table:
    return Table(*headers, box=None, pad_edge=False)


def _print_results(study: ReaderStudy) -> None:
    names = [e.name for e in study.results[0].estimates]
    table = _table("reader", "modality", *names)
    for result in study.results:
        table.add_row(*_words(result.reader, result.modality), *map(_cell, result.estimates))
    for kind in dict.fromkeys(judged.readers for judged in study.all_readers):
        for place, modality in enumerate(study.modalities):
            of = {j.figure: j.means[place] for j in study.all_readers if j.readers == kind}
            cells = [_cell(of[name]) for name in names]
            table.add_row(f"all, {kind}", escape(modality), *cells)
    if study.model:
        of = {e.name: e for e in study.model.estimates}
        cells = [_cell(of[name]) if name in of else "" for name in names]
        table.add_row(escape(study.model.name), "", *cells)
    console.print(table)


def _print_differences(study: ReaderStudy) -> None:
    table = _table("\nsecond - first", "\nfirst", "\nsecond", "\nfigure", "\ndifference", "\np")
    for contrast in study.contrasts:
        for found in contrast.differences:
            table.add_row(*_words(contrast.reader, contrast.first, contrast.second), *_row(found))
    for judged in study.all_readers:
        for pair in judged.contrasts:
            table.add_row(
                f"all, {judged.readers}", *_words(pair.first, pair.second), *_row(pair.difference)
            )
    for beside in study.model.against_readers if study.model else []:
        for found in beside.differences:
            names = _words(beside.modality, study.model.name if study.model else "")
            table.add_row("all, random", *names, *_row(found))
    if table.rows:
        console.print(table)


def _print_agreement(study: ReaderStudy) -> None:
    table = _table("\nagreement", "\nmodality", "\nfigure", "\nvalue")
    every = [a for a in study.agreement if len(a.readers) == len(study.readers)]
    shown = study.agreement if len(study.readers) <= MANY_READERS else every
    for agreement in shown:
        who = " & ".join(agreement.readers) if len(agreement.readers) == 2 else "all"
        for estimate in agreement.estimates:
            table.add_row(*_words(who, agreement.modality), estimate.name, _cell(estimate))
    if table.rows:
        console.print(table)


def _words(*names: str) -> list[str]:
    return [escape(name) for name in names]


def _cell(estimate: Estimate) -> str:
    if estimate.value is None:
        return "not estimable"
    if estimate.lower is None or estimate.upper is None:
        return f"{estimate.value:.2f}"
    return f"{estimate.value:.2f} ({estimate.lower:.2f}-{estimate.upper:.2f})"


def _row(found: Difference) -> tuple[str, str, str]:
    limits = ""
    if found.lower is not None and found.upper is not None:
        limits = f" ({found.lower:+.2f} to {found.upper:+.2f})"
    p = "" if found.p_value is None else f"{found.p_value:.3g}"
    return found.name, f"{found.difference:+.2f}{limits}", p
