"""What is printed of readings in bulk, and of an exported model."""

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.table import Table

from greenstick import RESEARCH_USE
from greenstick.reading.rows import Summary
from greenstick.reports.terminal import console

if TYPE_CHECKING:  # it imports torch, and readers have none
    from greenstick.experiments.exporting import Exported


def print_archive(summary: Summary) -> None:
    """Print how many files were read and how fast, why others were not, and where all are."""
    read = summary.files - summary.not_read
    console.print(f"{read} read, {summary.not_read} not read. {RESEARCH_USE}")
    rate = summary.new / summary.seconds if summary.seconds > 0 else 0.0
    console.print(f"{summary.new} files in {summary.seconds:.1f} s: {rate:.1f} a second")
    if summary.reasons:
        table = Table("files", "not read, because", box=None, pad_edge=False)
        for why, count in summary.reasons:
            table.add_row(str(count), escape(why))
        console.print(table)
        console.print(str(summary.not_read_list), soft_wrap=True, markup=False)
    console.print(str(summary.table), soft_wrap=True, markup=False)


def print_export(exported: "Exported") -> None:
    """Print where the network is, and how far its answers are from those it was made from."""
    console.print(str(exported.path), soft_wrap=True, markup=False)
    table = Table("output", "largest difference", box=None, pad_edge=False)
    for name, difference in exported.differences.items():
        table.add_row(name, f"{difference:.2g}")
    console.print(table)
    console.print(f"on {exported.n_images} radiographs ({escape(exported.images)}). {RESEARCH_USE}")
