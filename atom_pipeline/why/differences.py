"""What differs between two days: in the base and in the mailing, by reason (contracts and names of columns, no values).

Two tables of a million rows and many columns are compared a few columns at a time, so that memory holds two copies of
these only. Where the tables are found is in ``resources.diff``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import polars as pl

from atom_pipeline.rules.state import Situacao

COLUMNS_AT_A_TIME = 8
EXAMPLES = 3
ENTERED, LEFT, CHANGED, SAME = "entered", "left", "changed", "same"
BASE, MAILING = "contratos", "manager_mailing"
# One row per contract that differs, in either table.
ROWS = pl.Schema(
    {
        "table": pl.String,
        "contrato": pl.String,
        "change": pl.String,
        "before": pl.String,
        "after": pl.String,
        "movimento": pl.String,
        "reason": pl.String,
        "columns": pl.String,
    }
)
_REPEATED = re.compile(r"_[0-9]+_")


@dataclass(frozen=True)
class Compared:
    """Two tables with one row per contrato, compared.

    ``rows`` has contrato, change (entered, left, changed or same) and, for each column that differs anywhere, a Boolean
    of its name. ``before`` and ``after`` count the tables' rows.
    """

    rows: pl.DataFrame
    before: int
    after: int

    @property
    def columns(self) -> list[str]:
        """The columns that differ in some contract that both have."""
        return [name for name in self.rows.columns if name not in ("contrato", "change")]

    def count(self, change: str) -> int:
        return int((self.rows["change"] == change).sum())

    def by_column(self) -> pl.DataFrame:
        """column, contracts, examples: of a repeating group (``telefone_<n>_score``) all repetitions together."""
        folded: dict[str, list[str]] = {}
        for name in self.columns:
            folded.setdefault(_REPEATED.sub("_<n>_", name), []).append(name)
        lines = []
        for name, members in folded.items():
            hit = self.rows.filter(pl.any_horizontal(members))["contrato"]
            lines.append((name, hit.len(), ", ".join(hit.head(EXAMPLES))))
        schema = {"column": pl.String, "contracts": pl.Int64, "examples": pl.String}
        return pl.DataFrame(lines, schema=schema, orient="row").sort("contracts", "column", descending=[True, False])

    def names(self) -> pl.DataFrame:
        """contrato, change and, as text, the columns that differ, of every contract that does."""
        rows = self.rows.filter(pl.col("change") != SAME)
        told = [pl.when(name).then(pl.lit(name)) for name in self.columns]
        columns = pl.concat_str(told, separator=" ", ignore_nulls=True) if told else pl.lit("")
        return rows.select("contrato", "change", columns=columns)


def compare(before: pl.LazyFrame, after: pl.LazyFrame) -> Compared:
    """Compare two tables with one row per contrato, by contrato. Two nulls are equal; a column that one lacks is null.

    A column that has another type in each is compared as text.
    """
    old, new = (frame.select("contrato").collect().with_row_index("place") for frame in (before, after))
    rows = old.join(new, on="contrato", how="full", coalesce=True, suffix="_after").sort("contrato")
    both = rows.filter(pl.col("place").is_not_null() & pl.col("place_after").is_not_null())
    flags = both.select("contrato")
    before_types, after_types = before.collect_schema(), after.collect_schema()
    names = [name for name in dict.fromkeys([*before_types.names(), *after_types.names()]) if name != "contrato"]
    for first in range(0, len(names), COLUMNS_AT_A_TIME):
        some = names[first : first + COLUMNS_AT_A_TIME]
        one = _taken(before, some, before_types, after_types, both["place"])
        other = _taken(after, some, after_types, before_types, both["place_after"])
        differ = [one[name].ne_missing(other[name]).alias(name) for name in some]
        flags = flags.with_columns(column for column in differ if column.any())
    columns = flags.columns[1:]
    change = pl.when(pl.col("place").is_null()).then(pl.lit(ENTERED)).when(pl.col("place_after").is_null())
    told = rows.select("contrato", change=change.then(pl.lit(LEFT)).otherwise(pl.lit(CHANGED)))
    if columns:
        told = told.join(flags, on="contrato", how="left", maintain_order="left")
    changed = pl.any_horizontal(columns).fill_null(False) if columns else pl.lit(False)
    told = told.with_columns(
        change=pl.when((pl.col("change") == CHANGED) & ~changed).then(pl.lit(SAME)).otherwise("change")
    )
    return Compared(told.with_columns(pl.col(columns).fill_null(False)), old.height, new.height)


def _taken(
    frame: pl.LazyFrame, names: list[str], types: pl.Schema, others: pl.Schema, places: pl.Series
) -> pl.DataFrame:
    """These columns at these places, in types that can be compared with the other table's."""
    here = [name for name in names if name in types]
    found = frame.select(here).collect()
    in_order = places.len() == found.height and (places == pl.int_range(found.height, eager=True)).all()
    taken = found if in_order or not here else found.select(pl.col(here).gather(places))
    unlike = [name for name in here if name in others and types[name] != others[name]]
    lacking = [pl.lit(None, others[name]).alias(name) for name in names if name not in types]
    if not here:
        return pl.select(pl.repeat(None, places.len(), dtype=others[name]).alias(name) for name in names)
    return taken.with_columns(pl.col(unlike).cast(pl.String) if unlike else [], *lacking)


@dataclass(frozen=True)
class Difference:
    """What changed from one day to another.

    ``situacoes`` has before, after, movimento, reason, contracts, examples: the contracts whose situacao differs, or
    that only one of the bases has; ``moves`` has change, reason, contracts, examples of rows that came into the mailing
    or left it. ``rows`` (ROWS) has every contract that differs.
    """

    base: Compared
    situacoes: pl.DataFrame
    mailing: Compared | None
    moves: pl.DataFrame
    rows: pl.DataFrame


def difference(
    before: pl.LazyFrame,
    after: pl.LazyFrame,
    movimentos: pl.DataFrame,
    mailings: tuple[pl.LazyFrame, pl.LazyFrame] | None,
) -> Difference:
    """From two days' ``contratos`` and, when both are made, ``manager_mailing``.

    ``movimentos`` has contrato and movimento, one per contract: what changed its situacao last; empty when not known.
    """
    base = compare(before, after)
    states = _states(before, after).join(movimentos, on="contrato", how="left", maintain_order="left")
    moved = states.filter(pl.col("before").ne_missing(pl.col("after")))
    rows = [
        base.names().join(states, on="contrato", how="left", maintain_order="left").with_columns(table=pl.lit(BASE))
    ]
    mailing, moves = None, _grouped(pl.DataFrame(schema=ROWS), "change", "reason")
    if mailings is not None:
        mailing = compare(*mailings)
        told = mailing.names().join(states, on="contrato", how="left", maintain_order="left")
        told = told.with_columns(reason=_mailing_reason(), table=pl.lit(MAILING))
        moves = _grouped(told.filter(pl.col("change") != CHANGED), "change", "reason")
        rows.append(told)
    return Difference(
        base,
        _grouped(moved, "before", "after", "movimento", "reason"),
        mailing,
        moves,
        pl.concat([part.select(pl.col(name).cast(dtype) for name, dtype in ROWS.items()) for part in rows]),
    )


def _states(before: pl.LazyFrame, after: pl.LazyFrame) -> pl.DataFrame:
    """contrato, before, after (situacao) and reason (motivo of the present one) of every contract of either base."""
    old = before.select("contrato", before="situacao").collect()
    new = after.select("contrato", after="situacao", reason="motivo").collect()
    return old.join(new, on="contrato", how="full", coalesce=True).sort("contrato")


def _mailing_reason() -> pl.Expr:
    """Why a row is new in the mailing, left it, or stayed with other content."""
    active = pl.lit(Situacao.ATIVO.value)
    before, after = pl.col("before"), pl.col("after")
    entered = (
        pl.when(before.is_null())
        .then(pl.lit("new in the base"))
        .when(before != active)
        .then(pl.format("{} before", before))
        .otherwise(pl.lit("it has a usable phone now"))
    )
    left = (
        pl.when(after.is_null())
        .then(pl.lit("no longer in the base"))
        .when(after != active)
        .then(pl.format("{} now: {}", after, pl.col("reason").fill_null("-")))
        .otherwise(pl.lit("no usable phone now"))
    )
    change = pl.col("change")
    return pl.when(change == ENTERED).then(entered).when(change == LEFT).then(left).otherwise(pl.lit("other content"))


def _grouped(rows: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Counted by these columns, the most frequent first, with a few contracts of each."""
    return (
        rows.group_by(by)
        .agg(
            pl.len().cast(pl.Int64).alias("contracts"),
            pl.col("contrato").sort().head(EXAMPLES).str.join(", ").alias("examples"),
        )
        .sort("contracts", *by, descending=[True, *(False for _ in by)], nulls_last=True)
    )
