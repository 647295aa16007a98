"""Which fields of a contract's remessa row differ from the last accepted one.

What belongs here: comparing two wide frames of one million contracts without joining them. What does not: what a
change means (``remessa``). Names of fields come out, never values.

A bank writes its contracts in much the same order every day. Rows that stand in the same order in both frames are
compared as both are read, a few at a time; of the others the older ones are put beside the newer ones, which takes
three times as long.
"""

from __future__ import annotations

import polars as pl

from atom_pipeline.rules.picking import rows_with
from atom_pipeline.rules.received import ORIGIN
from atom_pipeline.rules.state import Rows

PROVENANCE = frozenset({*ORIGIN, "registro", "dia"})
COLUMNS_AT_A_TIME = 16  # bounds the memory: three copies of this many columns
OTHERS = 50_000  # rows of which all columns may be in memory
NAMES_SHOWN = 8  # a row with more changed fields only says how many
ROW, PLACE, BEFORE, TAKEN = "_linha", "_lugar", " antes", "_vale"
_BEYOND = 2**62  # any place
_NOTHING = pl.DataFrame(schema={"contrato": pl.String, "campos": pl.String})


def changed_fields(newer: Rows, older: Rows, compared: pl.Series) -> pl.DataFrame:
    """The rows of ``newer`` that differ from the row of the same contract in ``older``: contrato, campos (text).

    Only the rows of ``newer`` at the places ``compared`` (from 0) are looked at. Among them, and in ``older``, a
    contrato stands once; other columns may be any. Two nulls are equal. A field that ``older`` lacks, or a contract
    that is not in it, counts as null there; what ``newer`` lacks and the provenance of a row are not compared. Sorted
    as ``newer``.
    """
    newer, older = newer.lazy(), older.lazy()
    fields = [name for name in newer.collect_schema() if name not in PROVENANCE and name != "contrato"]
    if compared.is_empty():
        return _NOTHING
    known = older.select("contrato").with_row_index(PLACE).collect()
    rows = newer.select("contrato").with_row_index(ROW).collect()
    rows = rows[compared.sort()].join(known, on="contrato", how="left", maintain_order="left")
    in_order = _in_order(rows[PLACE])
    flags = _compared_in_order(newer, older, rows.filter(in_order), fields)
    others = rows.filter(~in_order)
    if others.height:
        apart = _compared_apart if others.height <= OTHERS else _compared_by_columns
        flags = pl.concat([flags, apart(newer, older, others, fields)], how="diagonal").sort(ROW)
    changed = [name for name in fields if name in flags.columns]
    if not changed:
        return _NOTHING
    flags = flags.with_columns(pl.col(changed).fill_null(False))
    flags = flags.with_columns(pl.sum_horizontal(changed).alias("_quantos")).filter(pl.col("_quantos") > 0)
    names = pl.concat_str([pl.when(name).then(pl.lit(name)) for name in changed], separator=", ", ignore_nulls=True)
    few = flags.filter(pl.col("_quantos") <= NAMES_SHOWN).select(ROW, names.alias("campos"))
    many = flags.filter(pl.col("_quantos") > NAMES_SHOWN).select(
        ROW, pl.format("{} campos", "_quantos").alias("campos")
    )
    texts = pl.concat([few, many])
    return rows.join(texts, on=ROW, how="inner", maintain_order="left").select("contrato", "campos")


def _in_order(places: pl.Series) -> pl.Series:
    """Most of the places, each higher than those before it; a row without a place is none of them.

    Rows that stand alone where they do not belong (a row that came again in a later file) are left out first: one of
    them with a high place would leave out all that come after it.
    """
    known = places.cast(pl.Int64).to_frame().with_row_index(ROW).drop_nulls()
    place = pl.col(PLACE)
    before, after = place.shift(fill_value=-1), place.shift(-1, fill_value=_BEYOND)
    highest, lowest = place.cum_max().shift(fill_value=-1), place.cum_min(reverse=True).shift(-1, fill_value=_BEYOND)
    ways = (
        known.filter(~((place > after) & (before < after))).filter(place > highest),
        known.filter(~((place < before) & (before < after))).filter(place < lowest),
    )
    best = max(ways, key=lambda way: way.height)
    return pl.select(pl.repeat(False, places.len(), dtype=pl.Boolean)).to_series().scatter(best[ROW], True)


def _compared_in_order(newer: pl.LazyFrame, older: pl.LazyFrame, rows: pl.DataFrame, fields: list[str]) -> pl.DataFrame:
    """A Boolean column for each field that differs anywhere; both frames are read once, side by side."""
    if rows.is_empty():
        return rows.select(ROW)
    shared = [name for name in fields if name in older.collect_schema()]
    here = _taken(newer, rows[ROW], fields)
    there = _taken(older, rows[PLACE], shared).rename(lambda name: f"{name}{BEFORE}")
    differ = _differ(pl.concat([here, there], how="horizontal"), fields)
    return rows.select(ROW).hstack(_any_of(differ.collect(engine="streaming")))


def _taken(rows: pl.LazyFrame, places: pl.Series, columns: list[str]) -> pl.LazyFrame:
    """Columns of the rows at these places, which rise."""
    height = rows.select(pl.len()).collect().item()
    taken = pl.select(pl.repeat(False, height, dtype=pl.Boolean).alias(TAKEN)).to_series().scatter(places, True)
    return pl.concat([rows.select(columns), taken.to_frame().lazy()], how="horizontal").filter(TAKEN).select(columns)


def _compared_apart(newer: pl.LazyFrame, older: pl.LazyFrame, rows: pl.DataFrame, fields: list[str]) -> pl.DataFrame:
    """The same of a few rows in any order: taken out of both frames first."""
    shared = [name for name in fields if name in older.collect_schema()]
    here = rows_with(newer.select("contrato", *fields).with_row_index(ROW), rows[ROW]).drop(ROW).collect()
    there = rows_with(older.select("contrato", *shared), rows["contrato"]).collect()
    there = there.rename({name: f"{name}{BEFORE}" for name in shared})
    both = here.join(there, on="contrato", how="left", maintain_order="left")
    return rows.select(ROW).hstack(_any_of(_differ(both.lazy(), fields).collect()))


def _compared_by_columns(
    newer: pl.LazyFrame, older: pl.LazyFrame, rows: pl.DataFrame, fields: list[str]
) -> pl.DataFrame:
    """The same of many rows in any order: all rows of some columns are in memory at a time."""
    shared = [name for name in fields if name in older.collect_schema()]
    flags = rows.select(ROW)
    for first in range(0, len(fields), COLUMNS_AT_A_TIME):
        some = fields[first : first + COLUMNS_AT_A_TIME]
        here = newer.select(some).collect()[rows[ROW]]
        there = older.select(name for name in some if name in shared).collect().rechunk()
        before = there.select(pl.all().gather(rows[PLACE]).name.suffix(BEFORE))
        flags = flags.hstack(_any_of(_differ(here.hstack(before).lazy(), some).collect()))
    return flags


def _differ(both: pl.LazyFrame, fields: list[str]) -> pl.LazyFrame:
    """Whether each of the fields differs from the one of before beside it, or has a value where there is none."""
    types = both.collect_schema()
    return both.select(
        (
            pl.col(name).ne_missing(pl.col(f"{name}{BEFORE}").cast(types[name], strict=False))
            if f"{name}{BEFORE}" in types
            else pl.col(name).is_not_null()
        ).alias(name)
        for name in fields
    )


def _any_of(flags: pl.DataFrame) -> list[pl.Series]:
    return [flag for flag in flags.get_columns() if flag.any()]
