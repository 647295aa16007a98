"""Some rows of a table that is read as a stream: those with certain values, or all the others, in their order.

A join keeps its rows in order at the price of holding them; where the values are few they are looked up instead, and of
a Parquet file the other columns are read for the rows found alone.
"""

from __future__ import annotations

import polars as pl

FEW = 100_000  # the list is made ready to be searched anew for every portion of the rows


def rows_with(rows: pl.LazyFrame, values: pl.Series) -> pl.LazyFrame:
    """The rows whose value, in the column called as the series, is one of these. Null is none of them."""
    values = values.drop_nulls()
    if values.is_empty():
        return rows.clear()
    if values.len() <= FEW:
        return rows.filter(pl.col(values.name).is_in(values.implode()))
    return rows.join(values.to_frame().lazy(), on=values.name, how="semi", maintain_order="left")


def rows_without(rows: pl.LazyFrame, values: pl.Series) -> pl.LazyFrame:
    """The other rows; null is one of them."""
    values = values.drop_nulls()
    if values.is_empty():
        return rows
    if values.len() <= FEW:
        return rows.filter(~pl.col(values.name).is_in(values.implode()).fill_null(False))
    return rows.join(values.to_frame().lazy(), on=values.name, how="anti", maintain_order="left")
