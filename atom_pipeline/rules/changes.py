"""Which fields of a contract's remessa row differ from the last accepted one.

What belongs here: comparing two wide frames of one million contracts without joining them. What does not: what a
change means (``remessa``). Names of fields come out, never values.
"""

from __future__ import annotations

import polars as pl

from atom_pipeline.rules.received import ORIGIN
from atom_pipeline.rules.state import Rows

PROVENANCE = frozenset({*ORIGIN, "registro", "dia"})
COLUMNS_AT_A_TIME = 16  # bounds the memory: three copies of this many columns
NAMES_SHOWN = 8  # a row with more changed fields only says how many
_NOTHING = pl.DataFrame(schema={"contrato": pl.String, "campos": pl.String})


def changed_fields(newer: Rows, older: Rows, compared: pl.Series) -> pl.DataFrame:
    """The rows of ``newer`` that differ from the row of the same contract in ``older``: contrato, campos (text).

    Both have one row per contrato and any other columns; only the rows of ``newer`` where ``compared`` (Boolean, one
    per row) is true are looked at. Two nulls are equal. A field that ``older`` lacks, or a contract that is not in it,
    counts as null there; what ``newer`` lacks and the provenance of a row are not compared. Sorted as ``newer``.
    """
    newer, older = newer.lazy(), older.lazy()
    fields = [name for name in newer.collect_schema() if name not in PROVENANCE and name != "contrato"]
    flags = newer.select("contrato").collect()
    if not compared.any():
        return _NOTHING
    known = older.select("contrato").with_row_index("lugar").collect()
    place = flags.join(known, on="contrato", how="left", maintain_order="left")["lugar"]
    if place.null_count() == place.len():  # of a first day nothing is known
        older = pl.LazyFrame(schema={"contrato": pl.String})
    for first in range(0, len(fields), COLUMNS_AT_A_TIME):
        some = newer.select(fields[first : first + COLUMNS_AT_A_TIME]).collect()
        differ = [column & compared for column in _differences(some, older, place)]
        flags = flags.with_columns(column for column in differ if column.any())
    changed = [name for name in flags.columns if name != "contrato"]
    if not changed:
        return _NOTHING
    flags = flags.with_columns(pl.sum_horizontal(changed).alias("_quantos")).filter(pl.col("_quantos") > 0)
    names = pl.concat_str([pl.when(name).then(pl.lit(name)) for name in changed], separator=", ", ignore_nulls=True)
    few = flags.filter(pl.col("_quantos") <= NAMES_SHOWN).select("contrato", names.alias("campos"))
    many = flags.filter(pl.col("_quantos") > NAMES_SHOWN).select(
        "contrato", pl.format("{} campos", "_quantos").alias("campos")
    )
    return flags.select("contrato").join(pl.concat([few, many]), on="contrato", how="left", maintain_order="left")


def _differences(newer: pl.DataFrame, older: pl.LazyFrame, place: pl.Series) -> list[pl.Series]:
    """One Boolean series per column of ``newer``: whether it differs from the row at ``place`` in ``older``.

    A column without any value in both is left out.
    """
    known = older.collect_schema().names()
    shared = [name for name in newer.columns if name in known]
    there = older.select(shared).collect()
    blank = [name for name in shared if _is_blank(newer[name]) and _is_blank(there[name])]
    newer, shared = newer.drop(blank), [name for name in shared if name not in blank]
    both = newer.hstack(there.select(pl.col(name).gather(place).name.suffix(" antes") for name in shared))
    return both.select(
        (
            pl.col(name).ne_missing(pl.col(f"{name} antes").cast(newer.schema[name], strict=False))
            if name in shared
            else pl.col(name).is_not_null()
        ).alias(name)
        for name in newer.columns
    ).get_columns()


def _is_blank(column: pl.Series) -> bool:
    return column.null_count() == column.len()
