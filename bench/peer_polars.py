"""The file to typed Parquet with Polars alone: lines, ``str.slice``, casts. No value is checked against a rule."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from atom_pipeline.layout.model import Field, FieldType, Layout
from atom_pipeline.layout.schema import field_type
from bench.values import Usual, usual


def read(source: Path, target: Path, layout: Layout, *, accents: bool) -> None:
    """Read ``source`` lazily; with accents it must be decoded whole first, since Polars reads UTF-8 only."""
    if accents:
        lines = pl.read_lines(io.BytesIO(source.read_bytes().decode("latin-1").encode())).lazy()
    else:
        lines = pl.scan_lines(source)
    [line] = lines.collect_schema().names()
    record = layout.versions[-1].records[0]
    columns = [
        _value(usual(field), pl.col(line).str.slice(start, stop - start)).alias(field.name)
        for field, start, stop in record.spans()
    ]
    lines.select(columns).sink_parquet(target, compression="zstd", compression_level=1)


def _value(how: Usual, cell: pl.Expr) -> pl.Expr:
    cell = cell.str.strip_chars(" ")
    if how.sign == "trailing":
        cell = pl.when(cell.str.ends_with("-")).then("-" + cell.str.strip_suffix("-")).otherwise(cell)
        cell = cell.str.strip_suffix("+")
    field: Field = how.field
    match field.type:
        case FieldType.INTEGER:
            return cell.cast(pl.Int64, strict=False)
        case FieldType.DECIMAL:
            return cell.cast(pl.Int64, strict=False).cast(pl.Int128).reinterpret(dtype=field_type(field))
        case FieldType.DATE:
            return cell.str.to_date(how.directive, strict=False)
        case _:
            if how.strip_zeros:
                cell = cell.str.strip_chars_start("0")
            elif how.pad:
                cell = pl.when(cell != "").then(cell.str.strip_chars_start("0").str.pad_start(how.pad, "0"))
            if how.is_document:
                padded = (cell.str.len_bytes() == 14) & cell.str.starts_with("000")
                cell = pl.when(padded).then(cell.str.slice(3)).otherwise(cell)
            return pl.when(cell != "").then(cell)
