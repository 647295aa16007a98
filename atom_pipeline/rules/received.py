"""The rows of a day's files as the rules take them: one frame per event, contract numbers in canonical form.

What belongs here: what every rule does first with what it received. What does not: merging the files of one layout
(``merge``, done before), and any decision about the base.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import polars as pl

from atom_pipeline.identity import canonical_contrato
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.merge import NEWEST_LAST
from atom_pipeline.rules.state import ACCEPTED, Rows, Schema

Received = Mapping[str, Rows]
"""Accepted and merged rows of a day by layout; an empty frame is a file that came without rows."""

Table = TypeVar("Table", pl.DataFrame, pl.LazyFrame)
ORIGIN = ("layout", *ACCEPTED)


def rows_of(received: Received, portfolio: Portfolio, fields: Schema) -> pl.DataFrame:
    """Every row of the layouts given, oldest file first, with its ``layout`` and canonical ``contrato``.

    The columns are ``fields``, of those types, and `ORIGIN`; a field that a layout lacks is null. The order does not
    depend on the order of the frames or of their rows.
    """
    columns = {**fields, "layout": pl.String, **ACCEPTED}
    frames = [
        frame.select(
            (pl.col(name) if name in frame.collect_schema() else pl.lit(None)).cast(dtype).alias(name)
            for name, dtype in columns.items()
        ).collect()
        for frame in _with_layout(received, portfolio)
    ]
    return pl.concat(frames).sort(*NEWEST_LAST, nulls_last=False)


def newest_rows(received: Received, portfolio: Portfolio) -> tuple[pl.DataFrame, pl.LazyFrame]:
    """The newest row of each contract, for frames too wide to sort: (where the rows are, every row).

    The first frame has ``lugar`` (the row's place in the second), contrato, cpf_cnpj and `ORIGIN`, one row per
    contract, oldest file first; the second has all columns of all the layouts, in the order they came.
    """
    frames = _with_layout(received, portfolio)
    rows = frames[0] if len(frames) == 1 else pl.concat(frames, how="diagonal_relaxed")
    places = (
        rows.select("contrato", "cpf_cnpj", *ORIGIN)
        .with_row_index("lugar")
        .sort(*NEWEST_LAST, nulls_last=False)
        .unique("contrato", keep="last", maintain_order=True)
        .collect()
    )
    return places, rows


def canonical_rows(rows: Table, digits: int | None) -> Table:
    """The rows with ``contrato`` as the base holds it; ``digits`` is the portfolio's ``contrato_digits``."""
    return rows.with_columns(canonical_contrato(pl.col("contrato"), digits).alias("contrato"))


def _with_layout(received: Received, portfolio: Portfolio) -> list[pl.LazyFrame]:
    return [
        canonical_rows(frame.lazy(), portfolio.contrato_digits).with_columns(pl.lit(layout).alias("layout"))
        for layout, frame in sorted(received.items())
    ]
