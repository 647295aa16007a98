"""Typed columns to the text of a layout's fields: the reverse of ``convert``, with what does not fit found by name.

``RecordRenderer`` makes the lines of one record type from a frame of records. Files, totals and headers are made in
``writing``. Where a form is ours to choose: text and plain digits are padded with blanks on the right, numbers and
padded digits with zeros on the left, a signed number always has its sign in a fixed-width file, an absent number is
blank and an absent date is zeros (blank where the date has separators).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal, InvalidOperation
from typing import Any

import polars as pl

from atom_pipeline.errors import RecordError
from atom_pipeline.layout.dates import spelling
from atom_pipeline.layout.model import DelimitedFormat, Field, FieldType, FixedFormat, Record
from atom_pipeline.layout.schema import LINE, RECORD, field_type

_FORMULA = r"^'*[=+\-@\t\r]"  # what a spreadsheet would run, with any apostrophes already before it
_IN_NUMBERS = "0123456789+-.,/: T"  # what may stand in numbers, dates and times
_SIGNED_DIGITS = r"^\+[0-9]+$"  # a phone with its country code is no formula


@dataclass(frozen=True)
class Doubt:
    """Something that may be wrong with a field: ``bad`` is true where it is."""

    field: str
    bad: pl.Expr
    message: str


class RecordRenderer:
    """The lines of one record type."""

    def __init__(self, record: Record, shape: FixedFormat | DelimitedFormat) -> None:
        self.record = record
        self.shape = shape
        self.fields = tuple(_as_constant(field, record) for field in record.fields)
        self.schema = {field.name: field_type(field) for field in self.fields}

    def typed(self, records: pl.DataFrame, row_of: Callable[[int], int]) -> pl.DataFrame:
        """The record's columns in their types: those left out are null or the field's default.

        Raises RecordError for a column that is not of the layout and for a value that is not of its type.
        """
        given = records.schema  # made anew at each look
        unknown = [name for name in given if name not in self.schema and name not in {LINE, RECORD, "record"}]
        if unknown:
            raise RecordError(f"{self.record.name}: columns that are not in the layout: {', '.join(unknown)}")
        columns: list[pl.Expr] = []
        for field in self.fields:
            dtype = self.schema[field.name]
            if field.name not in given:
                value = None if field.default is None or field.equals is not None else parse_default(field)
                columns.append(pl.lit(value, dtype=dtype).alias(field.name))
            elif given[field.name] != dtype:
                columns.append(self._cast(records, field, dtype, row_of))
            else:
                columns.append(pl.col(field.name))
        return records.select(columns) if records.height else pl.DataFrame(schema=self.schema)

    def _cast(self, records: pl.DataFrame, field: Field, dtype: pl.DataType, row_of: Callable[[int], int]) -> pl.Expr:
        given = records[field.name]
        if given.dtype.is_float() and field.type is FieldType.DECIMAL:
            given = given.round(field.decimals)
        cast = given.cast(dtype, strict=False)
        lost = cast.is_null() & given.is_not_null()
        if given.dtype.is_decimal() and field.type is FieldType.DECIMAL:
            lost = lost | (cast.cast(given.dtype, strict=False) != given).fill_null(False)
        if lost.any():
            row = int(lost.arg_true()[0])
            raise RecordError(
                f"{self.record.name}: row {row_of(row)}, field {field.name}: the value is no {field.type.value}"
            )
        return pl.lit(cast).alias(field.name)

    @property
    def by_rows(self) -> bool:
        """Whether ``rows`` can write this record: several columns, and no mark of the format can stand in a number."""
        if isinstance(self.shape, FixedFormat) or len(self.fields) == 1:
            return False
        written = _IN_NUMBERS + "".join(field.suffix for field in self.fields)
        return not any(mark in written for mark in (self.shape.delimiter, self.shape.quote) if mark)

    def rows(self, typed: pl.DataFrame, newline: str, row_of: Callable[[int], int]) -> bytes:
        """The same as ``lines`` in a delimited file, each with its line break, in UTF-8, by Polars' writer."""
        assert not isinstance(self.shape, FixedFormat)
        self._refuse(typed, [doubt for field in self.fields for doubt in self._doubts_of_value(field)], row_of)
        cells = typed.select(
            pl.col(field.name) if _is_its_text(field) else self._text(field).alias(field.name) for field in self.fields
        )
        self._refuse(cells, list(self._doubts_of_cell()), row_of)
        out = io.BytesIO()
        self._guarded(cells, self.shape).write_csv(
            out, include_header=False, separator=self.shape.delimiter, line_terminator=newline, quote_style="never"
        )
        return out.getvalue()

    def lines(self, typed: pl.DataFrame, row_of: Callable[[int], int]) -> pl.Series:
        """One text per row, without line break. Raises RecordError naming row and field of what does not fit."""
        self._refuse(typed, [doubt for field in self.fields for doubt in self._doubts_of_value(field)], row_of)
        cells = typed.select(self._text(field).alias(field.name) for field in self.fields)
        if isinstance(self.shape, FixedFormat):
            self._refuse(cells, [self._doubt_of_width(field) for field in self.fields], row_of)
            return cells.select(pl.concat_str(pl.all())).to_series()
        self._refuse(cells, list(self._doubts_of_cell()), row_of)
        cells = self._guarded(cells, self.shape)
        if len(cells.columns) == 1:
            quote = self.shape.quote
            return cells.to_series().replace("", quote * 2)  # an empty line would be none
        return cells.select(pl.concat_str(pl.all(), separator=self.shape.delimiter)).to_series()

    def _refuse(self, frame: pl.DataFrame, doubts: list[Doubt], row_of: Callable[[int], int]) -> None:
        if not doubts or not frame.height:
            return
        found = frame.select(doubt.bad.any().alias(str(i)) for i, doubt in enumerate(doubts)).row(0)
        for doubt, is_bad in zip(doubts, found, strict=True):
            if is_bad:
                row = int(frame.select(doubt.bad.fill_null(False)).to_series().arg_true()[0])
                raise RecordError(
                    f"{self.record.name}: row {row_of(row)}, field {doubt.field}: the value {doubt.message}"
                )

    def _doubts_of_value(self, field: Field) -> Iterator[Doubt]:
        column = pl.col(field.name)
        if field.equals is not None:
            constant = int(field.equals) if field.type is FieldType.INTEGER else field.equals
            if field.type in {FieldType.TEXT, FieldType.DIGITS, FieldType.INTEGER}:
                yield Doubt(field.name, column != constant, f"is not the constant {field.equals}")
            return
        if field.type is FieldType.DIGITS:
            yield Doubt(field.name, column.str.contains("[^0-9]"), "is not made of digits")
            if field.zero_pad:
                long = column.str.strip_chars_start("0").str.len_bytes() > field.zero_pad
                yield Doubt(field.name, long, f"has more than {field.zero_pad} digits")
        if field.type in {FieldType.INTEGER, FieldType.DECIMAL} and not field.signed:
            yield Doubt(field.name, column < 0, "is negative and the field has no sign")

    def _doubt_of_width(self, field: Field) -> Doubt:
        cell = pl.col(field.name)
        length = cell.str.len_bytes() if self.shape.encoding == "utf-8" else cell.str.len_chars()
        return Doubt(field.name, length != field.width, f"does not fit in {field.width} bytes")

    def _doubts_of_cell(self) -> Iterator[Doubt]:
        for field in self.fields:
            if field.width and field.type in {FieldType.TEXT, FieldType.DIGITS}:
                long = pl.col(field.name).str.len_chars() > field.width
                yield Doubt(field.name, long, f"has more than {field.width} characters")

    def _text(self, field: Field) -> pl.Expr:
        """A field's cell, padded in a fixed-width file, never null."""
        fixed = isinstance(self.shape, FixedFormat)
        width = field.width or 0
        column = pl.col(field.name)
        zeros = ""  # how null is written
        if field.equals is not None:
            by_blanks = field.type in {FieldType.TEXT, FieldType.DIGITS} and not field.zero_pad
            constant = field.equals.ljust(width) if by_blanks else field.equals.zfill(width)
            return pl.lit(constant if fixed else field.equals)
        match field.type:
            case FieldType.TEXT:
                text = column
            case FieldType.DIGITS:
                text = column
                if field.zero_pad:
                    text = text.str.strip_chars_start("0").str.pad_start(field.zero_pad, "0")
                if fixed and (field.zero_pad or field.strip_zeros):
                    text = text.str.pad_start(width, "0")
            case FieldType.INTEGER | FieldType.DECIMAL:
                text = self._number(field, column, fixed)
            case _:
                how = spelling(field.format or "")
                text = column.dt.strftime(how.directive)
                zeros = "0" * how.length if fixed and how.digits_only and field.type is not FieldType.TIME else ""
        text = text.fill_null(zeros)
        if not fixed:
            return text
        if self.shape.encoding == "utf-8" and field.type is FieldType.TEXT:
            return text + pl.lit(" " * width).str.slice(0, width - text.str.len_bytes().clip(0, width).cast(pl.Int64))
        return text.str.pad_end(width, " ")

    def _number(self, field: Field, column: pl.Expr, fixed: bool) -> pl.Expr:
        if field.type is FieldType.INTEGER or field.decimal_mark:
            text = column.abs().cast(pl.String)
        else:
            text = column.reinterpret(dtype=pl.Int128).abs().cast(pl.String)
        if field.thousands_mark:
            whole = text.str.split_exact(".", 1).struct.field("field_0").str.reverse()
            groups = whole.str.replace_all("([0-9]{3})", "${1} ").str.strip_chars_end(" ")
            groups = groups.str.reverse().str.replace_all(" ", field.thousands_mark, literal=True)
            rest = text.str.extract(r"(\.[0-9]+)$").fill_null("")
            text = groups + (rest.str.replace(".", field.decimal_mark, literal=True) if field.decimal_mark else rest)
        elif field.decimal_mark == ",":
            text = text.str.replace(".", ",", literal=True)
        negative = column < 0
        if fixed:
            room = (field.width or 0) - len(field.suffix) - bool(field.signed)
            text = text.str.pad_start(room, "0")
        if field.signed:
            sign = pl.when(negative).then(pl.lit("-")).otherwise(pl.lit("+" if fixed else ""))
            text = sign + text if field.signed == "leading" else text + sign
        return text + field.suffix if field.suffix else text

    def _guarded(self, cells: pl.DataFrame, shape: DelimitedFormat) -> pl.DataFrame:
        """Texts that a spreadsheet would run made harmless, and cells with a delimiter or a quote quoted."""
        texts = [field.name for field in self.fields if field.type is FieldType.TEXT]
        if texts and shape.formulas != "keep":
            column = pl.col(texts)
            risky = column.str.contains(_FORMULA) & ~column.str.contains(_SIGNED_DIGITS)
            found = cells.select(risky.any()).row(0, named=True)
            names = [name for name, is_risky in found.items() if is_risky]
            if names and shape.formulas == "refuse":
                raise RecordError(f"{self.record.name}: field {names[0]} has a value that a spreadsheet would run")
            column = pl.col(names)
            risky = column.str.contains(_FORMULA) & ~column.str.contains(_SIGNED_DIGITS)
            if names:
                cells = cells.with_columns(pl.when(risky).then("'" + column).otherwise(column).name.keep())
        special = [mark for mark in (shape.delimiter, shape.quote) if mark]
        looked_at = texts if self.by_rows else cells.columns  # nothing else can hold a mark
        found = cells.select(pl.col(looked_at).str.contains_any(special).any()).row(0, named=True) if looked_at else {}
        names = [name for name, is_special in found.items() if is_special]
        if names and not shape.quote:
            raise RecordError(f"{self.record.name}: field {names[0]} holds the delimiter, and the layout has no quote")
        column = pl.col(names)
        quoted = shape.quote + column.str.replace_all(shape.quote, shape.quote * 2, literal=True) + shape.quote
        if names:
            needs = column.str.contains_any(special)
            cells = cells.with_columns(pl.when(needs).then(quoted).otherwise(column).name.keep())
        return cells


def _is_its_text(field: Field) -> bool:
    """Whether a value stands in a delimited file as Polars writes it."""
    if field.equals is not None:
        return False
    if field.type is FieldType.INTEGER:
        return field.signed != "trailing" and not (field.decimal_mark or field.thousands_mark or field.suffix)
    return field.type is FieldType.TEXT or (field.type is FieldType.DIGITS and not field.zero_pad)


def _as_constant(field: Field, record: Record) -> Field:
    """A field by which a record type is known writes itself, like a constant."""
    constant = next((match.equals for match in record.matches if match.field == field.name), None)
    return field if constant is None else field.model_copy(update={"equals": constant})


def parse_default(field: Field) -> Any:
    """A default as the layout spells it (ISO dates, point decimals) as a value of the field's type."""
    return parse_value(field, field.default or "")


def parse_value(field: Field, text: str) -> Any:
    """A text in the form of CSV records as a value of the field's type. Raises ValueError."""
    match field.type:
        case FieldType.INTEGER:
            return int(text)
        case FieldType.DECIMAL:
            try:
                return Decimal(text)
            except InvalidOperation as error:
                raise ValueError("not a decimal") from error
        case FieldType.DATE:
            return date.fromisoformat(text)
        case FieldType.TIME:
            return time.fromisoformat(text)
        case FieldType.DATETIME:
            return datetime.fromisoformat(text)
        case _:
            return text
