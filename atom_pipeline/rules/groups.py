"""Repeating groups of a row (OCCURS) as rows of their own: phones, addresses.

What belongs here: going from ``telefone_1_ddd, telefone_2_ddd, ...`` to one row per repetition, and what a group's
codes mean. What does not: what phones or addresses are for (``telefones``, ``enrichment``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import polars as pl

from atom_pipeline.layout.model import Version


def unfold(
    frame: pl.DataFrame | pl.LazyFrame, group: str, members: Mapping[str, pl.DataType], keep: list[str]
) -> pl.DataFrame:
    """One row per row and repetition of ``group``, with ``lugar`` (Int64, the repetition's number from 1).

    ``members`` gives the group's fields and their types; a field that the layout does not have is null. ``keep`` are
    columns of the row that go along. Repetitions in which every member is null are left out. First repetitions come
    first.
    """
    there = frame.collect_schema()
    schema = {name: there[name] for name in keep} | dict(members) | {"lugar": pl.Int64()}
    parts = [
        frame.lazy().select(
            *keep,
            *(
                pl.col(f"{group}_{place}_{member}").cast(dtype).alias(member)
                if f"{group}_{place}_{member}" in there
                else pl.lit(None, dtype).alias(member)
                for member, dtype in members.items()
            ),
            pl.lit(place, pl.Int64).alias("lugar"),
        )
        for place in _places(there.names(), group)
    ]
    if not parts:
        return pl.DataFrame(schema=schema)
    return pl.concat(parts).filter(pl.any_horizontal(pl.col(list(members)).is_not_null())).collect()


def meanings(version: Version, group: str, member: str) -> dict[str, str]:
    """Code and meaning of a group's field, from the domain the layout gives; empty when it gives none."""
    for record in version.details:
        for field in record.groups[group].fields if group in record.groups else ():
            if field.name == member and field.domain:
                return dict(field.domain)
    return {}


def _places(columns: list[str], group: str) -> list[int]:
    """The repetitions a frame has columns for, in order."""
    pattern = re.compile(rf"{re.escape(group)}_([0-9]+)_[a-z]")
    return sorted({int(found[1]) for column in columns if (found := pattern.match(column))})


def at_first(value: pl.Expr, key: str) -> pl.Expr:
    """For each row what ``value``, which is never null, is in the first row of its key; rows of a key stand together.

    Looking at the row before takes a tenth of what grouping a million texts does.
    """
    begins = pl.col(key).ne_missing(pl.col(key).shift()) | (pl.int_range(pl.len()) == 0)
    return pl.when(begins).then(value).forward_fill()


def place_within(key: str) -> pl.Expr:
    """The place of each row among those of its key, from 1 (Int64); rows of a key stand together."""
    row = pl.int_range(1, pl.len() + 1, dtype=pl.Int64)
    return row - at_first(row, key) + 1
