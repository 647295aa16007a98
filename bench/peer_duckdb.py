"""The file to typed Parquet with DuckDB alone: a CSV of one column, ``substring``, TRY_CAST."""

from __future__ import annotations

from pathlib import Path

import duckdb

from atom_pipeline.layout.model import FieldType, Layout
from bench.values import Usual, usual

# Never in a file: a character that separates nothing, so that a line is one column.
_READ = "read_csv(?, columns={'line': 'VARCHAR'}, header=false, auto_detect=false, delim='\x01', quote='', escape='', "


def read(source: Path, target: Path, layout: Layout, *, accents: bool) -> None:
    """DuckDB's reader decodes latin-1 itself."""
    record = layout.versions[-1].records[0]
    columns = ", ".join(
        f'{_value(usual(field), f"trim(substring(line, {start + 1}, {stop - start}))", stop - start)} AS "{field.name}"'
        for field, start, stop in record.spans()
    )
    encoding = "latin-1" if accents else "utf-8"
    with duckdb.connect() as connection:
        connection.execute(
            f"COPY (SELECT {columns} FROM {_READ} encoding='{encoding}', max_line_size=1000000)) "
            f"TO '{target}' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)",
            [str(source)],
        )


def _value(how: Usual, cell: str, width: int) -> str:
    field = how.field
    if how.sign == "trailing":
        size = f"rtrim({cell}, '+-')"
        cell = f"CASE WHEN suffix({cell}, '-') THEN '-' || {size} ELSE {size} END"
    match field.type:
        case FieldType.INTEGER:
            return f"TRY_CAST({cell} AS BIGINT)"
        case FieldType.DECIMAL:
            unit = f"(1 / 10 ** {field.decimals})::DECIMAL({field.decimals + 1}, {field.decimals})"
            whole = f"TRY_CAST({cell} AS DECIMAL({min(width, 18)}, 0))"
            return f"({whole} * {unit})::DECIMAL(18, {field.decimals})"
        case FieldType.DATE:
            return f"TRY_STRPTIME({cell}, '{how.directive}')::DATE"
    if how.strip_zeros:
        cell = f"ltrim({cell}, '0')"
    elif how.pad:
        cell = f"CASE WHEN {cell} <> '' THEN lpad(ltrim({cell}, '0'), {how.pad}, '0') END"
    if how.is_document:
        cell = f"CASE WHEN length({cell}) = 14 AND prefix({cell}, '000') THEN substring({cell}, 4) ELSE {cell} END"
    return f"nullif({cell}, '')"
