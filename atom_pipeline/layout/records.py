"""CSV records: the form in which people and programs hand records to the writer and take them from the reader.

Header line, comma, UTF-8, ISO dates, decimals with a point, one ``record`` column where a file has several record
types (header and trailer among them, of the file and of its lots). A row of several lines is one row. An empty cell is
no value.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import polars as pl

from atom_pipeline.errors import ProgramError, RecordError
from atom_pipeline.layout.model import Field, FieldType, Layout, Record, Version
from atom_pipeline.layout.schema import LINE, RECORD, field_type

if TYPE_CHECKING:
    from atom_pipeline.layout.reading import Reading

_TYPE = "record"
_ROW = "linha:"  # the place of a row; no field can have this name
_ISO = {FieldType.DATE: "%Y-%m-%d", FieldType.TIME: "%H:%M:%S", FieldType.DATETIME: "%Y-%m-%dT%H:%M:%S"}
_EXAMPLES = {FieldType.DATE: "2026-11-23", FieldType.TIME: "14:05:00", FieldType.DATETIME: "2026-11-23T14:05:00"}


def records_to_csv(
    layout: Layout,
    records: Reading | pl.DataFrame | Mapping[str, pl.DataFrame],
    target: Path | BinaryIO,
    *,
    day: date,
) -> int:
    """Write records as CSV; the number of rows. Of a ``Reading``, header and trailer are written too."""
    version = layout.version_on(day) if isinstance(records, pl.DataFrame | Mapping) else records.version
    parts = [_as_text(version, name, frame) for name, frame in _ordered(version, records)]
    columns = list(dict.fromkeys(field.name for record in version.handed for field in record.fields))
    schema = dict.fromkeys([*columns, _TYPE], pl.String()) | {_ROW: pl.UInt32()}
    whole = pl.concat([pl.DataFrame(schema=schema), *parts], how="diagonal")
    whole = whole.sort(_ROW, maintain_order=True, nulls_last=True)
    told_by = [_TYPE] if len(version.handed) > 1 else []
    whole.select(*told_by, *columns).write_csv(target)
    return whole.height


def records_from_csv(layout: Layout, source: Path | BinaryIO, *, day: date) -> dict[str, pl.DataFrame]:
    """Records by record type, typed, with ``linha`` (the row in the CSV, from 1). A column without a value is left out.

    Raises RecordError for a column that is not of the layout, a record type it does not have, and a value that is not
    of its type (row and field named, never the value).
    """
    version = layout.version_on(day)
    if (source.stat().st_size if isinstance(source, Path) else len(source.read(1))) == 0:
        raise RecordError("the CSV is empty: it needs a line of column names")
    if not isinstance(source, Path):
        source.seek(0)
    table = pl.read_csv(source, infer_schema=False).with_row_index(_ROW, offset=1)
    _refuse_unknown_columns(version, table.columns)
    if _TYPE not in table.columns:
        if len(version.details) > 1:
            raise RecordError(f"{layout.layout}: a column `{_TYPE}` must say which record each row is")
        table = table.with_columns(pl.lit(version.details[0].name).alias(_TYPE))
    names = [record.name for record in version.handed]
    strange = table.filter(~pl.col(_TYPE).is_in(names).fill_null(False))
    if strange.height:
        raise RecordError(f"row {strange[_ROW][0]}, field {_TYPE}: one of {', '.join(names)} is expected")
    rows = {record.name: table.filter(pl.col(_TYPE) == record.name) for record in version.handed}
    empty = {record.name for record in version.handed if not rows[record.name].height}
    return {
        record.name: _typed(record, rows[record.name])
        for record in version.handed
        if record.name not in empty or record is version.details[0]
    }


def _ordered(
    version: Version, records: Reading | pl.DataFrame | Mapping[str, pl.DataFrame]
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Frames by record type: the header's first, the trailer's last."""
    if isinstance(records, pl.DataFrame):
        for record in version.details:
            if RECORD in records.columns:
                yield record.name, records.filter(pl.col(RECORD) == record.name)
            elif record is version.details[0]:
                yield record.name, records
        return
    if isinstance(records, Mapping):
        yield from records.items()
        return
    if version.header and records.header is not None:
        yield version.header.name, _one_row(version.header, records.header).with_columns(pl.lit(0).alias(LINE))
    yield from records.lots.items()
    yield from records.frames.items()
    if version.trailer and records.trailer is not None:
        yield version.trailer.name, _one_row(version.trailer, records.trailer)


def _one_row(record: Record, values: Mapping[str, Any]) -> pl.DataFrame:
    return pl.DataFrame(
        {field.name: pl.Series([values.get(field.name)], dtype=field_type(field)) for field in record.fields}
    )


def _as_text(version: Version, name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """A record type's columns as CSV text, with its name and its line."""
    record = next(record for record in version.handed if record.name == name)
    columns = [_iso(pl.col(field.name), field) for field in record.fields if field.name in frame.columns]
    in_lines = LINE in frame.columns and LINE not in record.by_name
    line = pl.col(LINE).cast(pl.UInt32) if in_lines else pl.lit(None, dtype=pl.UInt32)
    return frame.select(*columns, line.alias(_ROW), pl.lit(name).alias(_TYPE))


def _iso(column: pl.Expr, field: Field) -> pl.Expr:
    if field.type in _ISO:
        return column.dt.strftime(_ISO[field.type])
    return column.cast(pl.String)


def _typed(record: Record, rows: pl.DataFrame) -> pl.DataFrame:
    columns = [pl.col(_ROW).alias(LINE)] if LINE not in {field.name for field in record.fields} else []
    for field in record.fields:
        if field.name not in rows.columns or rows[field.name].null_count() == rows.height:
            continue
        text = rows[field.name]
        if field.type in _ISO:
            typed = text.str.strptime(_temporal(field), _ISO[field.type], strict=False)
        else:
            typed = text.cast(field_type(field), strict=False)
        wrong = typed.is_null() & text.is_not_null()
        if field.type is FieldType.DECIMAL:  # the cast alone would round
            wrong = wrong | ~text.str.contains(rf"^[+-]?[0-9]+(\.[0-9]{{0,{field.decimals}}}0*)?$").fill_null(True)
        if wrong.any():
            row = rows[_ROW][int(wrong.arg_true()[0])]
            raise RecordError(f"row {row}, field {field.name}: {_wanted(field)} is expected")
        columns.append(pl.lit(typed).alias(field.name))
    return rows.select(columns)


def _temporal(field: Field) -> pl.Date | pl.Time | pl.Datetime:
    dtype = field_type(field)
    if not isinstance(dtype, pl.Date | pl.Time | pl.Datetime):
        raise ProgramError(f"{field.name} is neither a date nor a time")
    return dtype


def _wanted(field: Field) -> str:
    if field.type in _ISO:
        return f"an ISO {field.type.value} ({_EXAMPLES[field.type]})"
    return f"a decimal with {field.decimals} places and a point" if field.type is FieldType.DECIMAL else "an integer"


def _refuse_unknown_columns(version: Version, columns: list[str]) -> None:
    known = {field.name for record in version.handed for field in record.fields} | {_TYPE, _ROW}
    unknown = [name for name in columns if name not in known]
    if unknown:
        raise RecordError(f"columns that are not in the layout: {', '.join(unknown)}")
