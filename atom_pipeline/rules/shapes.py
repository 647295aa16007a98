"""The shape a table of the base has on a day: its own columns and those it carries from the layouts in force.

What belongs here: bringing the table of the day before to today's shape, when a layout's version or
``contratos_columns`` changed. What does not: the tables' own columns (``state``), types of fields (``layout.schema``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import overload

import polars as pl

from atom_pipeline.layout.model import Layout, Stage
from atom_pipeline.layout.schema import polars_schema
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.state import Rows, Schema, empty

STAGE_OF = {
    "contratos": Stage.REMESSA,
    "cadastro": Stage.REMESSA,
    "parcelas_abertas": Stage.PARCELAS,
    "garantias": Stage.GARANTIAS,
    "refin_vigente": Stage.REFIN,
}


def carried_fields(table: str, *, day: date, portfolio: Portfolio, layouts: Iterable[Layout]) -> Schema:
    """The fields that a table carries from the layouts of its stage, as they are on ``day``; none for other tables."""
    fields: Schema = {}
    for layout in layouts:
        if layout.stage is STAGE_OF.get(table):
            fields.update(polars_schema(layout, layout.version_on(day)))
    if table == "contratos":
        return {name: fields[name] for name in portfolio.contratos_columns if name in fields}
    return fields


@overload
def starting_table(
    table: str, found: pl.DataFrame | None, *, day: date, portfolio: Portfolio, layouts: Iterable[Layout]
) -> pl.DataFrame: ...
@overload
def starting_table(
    table: str, found: pl.LazyFrame | None, *, day: date, portfolio: Portfolio, layouts: Iterable[Layout]
) -> pl.DataFrame | pl.LazyFrame: ...
def starting_table(
    table: str, found: Rows | None, *, day: date, portfolio: Portfolio, layouts: Iterable[Layout]
) -> Rows:
    """The table a day starts from: the newest one before it in today's shape, or an empty one when there is none.

    Columns that are new are null, those that went are dropped; a value that does not fit a field's new type is null.
    """
    shape = empty(table, carried_fields(table, day=day, portfolio=portfolio, layouts=layouts))
    if found is None:
        return shape
    there = found.collect_schema()
    if there == shape.schema:
        return found
    return found.select(
        (pl.col(name).cast(dtype, strict=False) if name in there else pl.lit(None, dtype)).alias(name)
        for name, dtype in shape.schema.items()
    )
