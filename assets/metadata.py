"""What an engineer reads on an asset in the Dagster UI: numbers, tables, masked samples, links.

Only the translation into Dagster's metadata belongs here. Personal data never passes: samples are masked by the
layout's marks, and what has no mark and could be personal is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from atom_pipeline.layout.model import Layout, Personal, Version
from atom_pipeline.layout.schema import column_rows
from atom_pipeline.masking import mask_frame

SAMPLE_ROWS = 5
SAMPLE_COLUMNS = 14


def layout_columns(layout: Layout, version: Version) -> dg.TableSchema:
    """The layout's fields as Dagster's column schema, with descriptions and constraints."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=row.name,
                type=row.dtype,
                description=row.description or None,
                constraints=dg.TableColumnConstraints(other=list(row.constraints)),
            )
            for row in column_rows(layout, version)
        ]
    )


def frame_columns(schema: Mapping[str, Any], descriptions: Mapping[str, str] | None = None) -> dg.TableSchema:
    """The columns of a table of the base."""
    said = descriptions or {}
    return dg.TableSchema(
        columns=[dg.TableColumn(name, str(dtype), description=said.get(name)) for name, dtype in schema.items()]
    )


def table(rows: Iterable[Mapping[str, Any]], columns: Sequence[str]) -> dg.TableMetadataValue:
    """A small table in the UI; every value as text or number, all columns present."""
    records = [dg.TableRecord({name: _cell(row.get(name)) for name in columns}) for row in rows]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=[dg.TableColumn(name) for name in columns]))


def sample(frame: pl.DataFrame, personal: Layout | Mapping[str, Personal]) -> dg.MarkdownMetadataValue:
    """The first rows and columns of a frame, masked."""
    shown = frame.select(frame.columns[:SAMPLE_COLUMNS]).head(SAMPLE_ROWS)
    masked = mask_frame(shown, personal)
    return dg.MetadataValue.md(markdown_table(masked))


def markdown_table(frame: pl.DataFrame) -> str:
    """A frame as a Markdown table."""
    lines = ["| " + " | ".join(frame.columns) + " |", "|" + "---|" * len(frame.columns)]
    lines += ["| " + " | ".join(_text(value) for value in row) + " |" for row in frame.iter_rows()]
    return "\n".join(lines)


def counts(frame: pl.DataFrame, column: str) -> dict[str, int]:
    """How many rows have each value of a column, ordered by value."""
    grouped = frame.group_by(column).len().sort(column)
    return {str(value): int(count) for value, count in grouped.iter_rows()}


def link(path: str) -> dg.MetadataValue[Any]:
    """A file that a person may open: a path for local ones, a URL for others."""
    if path.startswith("file://"):
        return dg.MetadataValue.path(path.removeprefix("file://"))
    return dg.MetadataValue.url(path) if "://" in path else dg.MetadataValue.path(str(Path(path)))


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).replace("|", "\\|").replace("\n", " ")


def _cell(value: object) -> str | int | float | bool | None:
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value)
