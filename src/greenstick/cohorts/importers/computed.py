"""Columns worked out from others: the patient from the path, anything by an SQL expression."""

import re
from dataclasses import replace

import polars as pl

from greenstick.cohorts.importers.imported import Imported
from greenstick.errors import GreenstickError


def with_patients(imported: Imported, pattern: str) -> Imported:
    """Fill ``patient`` with what the pattern's first group finds in each image's path.

    Raises
    ------
    GreenstickError
        Where the pattern is no regular expression, or fits no path.
    """
    try:
        search = re.compile(pattern).search
    except re.error as error:
        raise GreenstickError(
            f"The patient pattern is no regular expression ({error}).",
            remedy=r"An example: --patient-pattern '(patient\d+)'.",
        ) from None
    found = [search(image) for image in imported.table["image"]]
    patients = [None if m is None else m.group(min(1, m.re.groups)) for m in found]
    lost = patients.count(None)
    if lost == len(patients):
        raise GreenstickError(
            f"The patient pattern fits no image's path, e.g. not {imported.table['image'][0]!r}.",
            remedy="Try it on one of the paths.",
        )
    note = f"Images with no patient in the path: {lost}; each is taken for a patient of its own."
    table = imported.table.with_columns(pl.Series("patient", patients, dtype=pl.String))
    return replace(imported, table=table, notes=(*imported.notes, *([note] if lost else [])))


def with_columns(imported: Imported, columns: dict[str, str]) -> Imported:
    """Add columns by SQL expressions, one after the other, so that each may use those before.

    Raises
    ------
    GreenstickError
        Where an expression cannot be computed; lists the columns there are.
    """
    table = imported.table
    for name, expression in columns.items():
        try:
            table = table.with_columns(pl.sql_expr(expression).alias(name))
        except pl.exceptions.PolarsError as error:
            raise GreenstickError(
                f"Column {name!r} cannot be computed ({str(error).splitlines()[0]}).",
                remedy=f"Columns to compute it from: {', '.join(table.columns)}.",
            ) from None
    return replace(imported, table=table)
