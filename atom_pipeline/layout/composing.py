"""Rows to the lines of a file: rows of several lines, lots, totals and sequence numbers, which all write themselves.

The reverse of ``joining`` and ``totals``. Nothing is written here: ``writing`` puts the lines into the file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime, time
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from atom_pipeline.errors import RecordError
from atom_pipeline.layout.composition import joined_to
from atom_pipeline.layout.model import Field, FieldType, Numbered, Record, RecordRole, Version
from atom_pipeline.layout.render import RecordRenderer, parse_default
from atom_pipeline.layout.schema import LINE, RECORD
from atom_pipeline.layout.scopes import Scope
from atom_pipeline.layout.sequences import sequence_field

_PLACE, _ORDER, _PIECE = "lugar:", "ordem:", "parte:"  # of a line: its row, its place in it, what it was made by


class Composer:
    """Makes the lines of one file, in their order, and keeps count of them.

    ``given`` has values for header and trailer; ``lots`` frames for lot headers and lot trailers by record type, a row
    for each lot, or one for all of them.
    """

    def __init__(
        self,
        version: Version,
        day: date,
        given: Mapping[RecordRole, Mapping[str, Any]],
        lots: Mapping[str, pl.DataFrame],
    ) -> None:
        self.version = version
        self.renderers = {record.name: RecordRenderer(record, version.format) for record in version.records}
        self.rows = {record.name: RecordRenderer(record, version.format) for record in version.details}
        self._day = day
        self._given = given
        self._lots: dict[RecordRole, list[dict[str, Any]]] = {RecordRole.LOT_HEADER: [], RecordRole.LOT_TRAILER: []}
        for name, frame in lots.items():
            role = version.record(name).role
            if role not in self._lots:
                raise RecordError(f"{name} is no header or trailer of a lot")
            self._lots[role] = frame.drop(LINE, RECORD, strict=False).to_dicts()
        self._lot_header = version.of_role(RecordRole.LOT_HEADER)
        self._lot_trailer = version.of_role(RecordRole.LOT_TRAILER)
        self._lot_number = next(
            (one.name for row in version.details if (one := sequence_field(row, Numbered.LOTS))), ""
        )
        self._lot_key: dict[str, Any] | None = None  # what the rows of the open lot have in common
        self._begun = 0
        self._header_said: dict[str, Any] = {}
        sequences = [field.sequence for record in version.records for field in record.fields if field.sequence]
        self._next = {sequence.of: sequence.start for sequence in sequences}
        self._starts = dict(self._next)
        self._file = Scope(record for record in version.records if record.role not in self._lots)
        self._lot = Scope(record for record in version.records if record.role in self._lots)

    @property
    def plain(self) -> bool:
        """Whether every row is one line that depends on no other: such rows need no composing."""
        version = self.version
        return not (self._next or self._lot_header or any(record.joins or record.gives for record in version.records))

    def count(self, record: str, frame: pl.DataFrame) -> None:
        """Keep count of lines that were made elsewhere."""
        for scope in (self._file, self._lot):
            scope.lines += frame.height
            scope.add(record, frame)

    def count_raw(self, record: str) -> None:
        """Keep count of a line that nobody looked at."""
        for scope in (self._file, self._lot):
            scope.lines += 1
            scope.count(record, 1)

    # header and trailer

    def begin(self, first_row: Mapping[str, Any]) -> dict[str, Any]:
        """Count the header and say what it holds, but for its totals; ``first_row`` has what rows know of it."""
        record = self.version.header
        if record is None:
            return {}
        values = dict(self._given[RecordRole.HEADER])
        values |= {name: first_row[name] for name in record.gives if first_row.get(name) is not None}
        self._header_said = {name: values[name] for name in record.gives if values.get(name) is not None}
        return values | self._counted(record)

    def header(self, values: Mapping[str, Any]) -> str:
        """The header's line, once all it counts is known."""
        record = self.version.header
        return self._line(record, values, self._file) if record else ""

    def trailer(self) -> Iterator[str]:
        """The end of the last lot, the lots that have no rows, and the trailer."""
        yield from self._end_lot()
        while self._begun < len(self._lots[RecordRole.LOT_HEADER]):
            yield from self._begin_lot({})
            yield from self._end_lot()
        record = self.version.trailer
        if record is not None:
            values = dict(self._given[RecordRole.TRAILER]) | self._counted(record)
            yield self._line(record, values, self._file)

    # lots

    def runs(self, rows: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, list[str]]]:
        """The rows in stretches of one lot, and the lines that stand before each: the end of a lot, the next header."""
        if self._lot_header is None:
            yield rows, []
            return
        told = [name for name in (self._lot_number, *self._lot_header.gives) if name in rows.columns]
        ids = rows.select(pl.struct(told).rle_id()).to_series().to_numpy() if told else np.zeros(rows.height, dtype=int)
        bounds = [0, *(np.flatnonzero(np.diff(ids)) + 1).tolist(), rows.height]
        for low, high in pairwise(bounds):
            key = rows.select(told).row(low, named=True) if told else {}
            lines: list[str] = []
            if key != self._lot_key:
                lines += self._end_lot()
                lines += self._empty_lots_before(key)
                lines += self._begin_lot(key)
            yield rows[low:high], lines

    def _empty_lots_before(self, key: Mapping[str, Any]) -> Iterator[str]:
        """Lots without rows that stand before the one that rows are of, told by the numbers both have."""
        number = key.get(self._lot_number)
        field = sequence_field(self._lot_header, Numbered.LOTS) if self._lot_header else None
        given = [row.get(field.name) for row in self._lots[RecordRole.LOT_HEADER]] if field else []
        if number is None or number not in given[self._begun :]:
            return
        while given[self._begun] != number:
            yield from self._begin_lot({})
            yield from self._end_lot()

    def _begin_lot(self, key: Mapping[str, Any]) -> Iterator[str]:
        record = self._lot_header
        if record is None:
            return
        if self._begun and Numbered.LOTS in self._next:
            self._next[Numbered.LOTS] += 1
        if Numbered.LINES_OF_LOT in self._next:
            self._next[Numbered.LINES_OF_LOT] = self._starts[Numbered.LINES_OF_LOT]
        self._lot = Scope(one for one in self.version.records if one.role in self._lots)
        self._lot_key = dict(key)
        values = self._of_lot(RecordRole.LOT_HEADER, self._begun)
        values |= {name: key[name] for name in record.gives if key.get(name) is not None}
        self._begun += 1
        yield self._line(record, values | self._counted(record), self._lot)

    def _end_lot(self) -> Iterator[str]:
        record = self._lot_trailer
        if self._lot_key is not None and record is not None:
            values = self._of_lot(RecordRole.LOT_TRAILER, self._begun - 1)
            yield self._line(record, values | self._counted(record), self._lot)
        self._lot_key = None

    def _of_lot(self, role: RecordRole, index: int) -> dict[str, Any]:
        """What was given for a lot, counted from 0."""
        rows = self._lots[role]
        if len(rows) == 1:
            return dict(rows[0])
        return dict(rows[index]) if index < len(rows) else {}

    # rows

    def lines(self, names: Sequence[str], rows: pl.DataFrame, told_by: str, first: int) -> pl.Series:
        """The lines of rows of one lot, in their order. ``first`` is the number of the first row, for messages."""
        pieces: list[tuple[Record, pl.DataFrame]] = []
        places: list[pl.DataFrame] = []
        indexed = rows.with_row_index(_PLACE)
        for name in names:
            mine = indexed
            if told_by:
                others = {field.name for record in self.version.details for field in record.fields}
                mine = mine.filter(pl.col(told_by) == name).drop(others - set(self.rows[name].schema), strict=False)
            if not mine.height:
                continue
            at = mine[_PLACE]
            self._refuse_other_headers(mine, first)
            typed = self.rows[name].typed(mine.drop(_PLACE), partial(_row, first, at))
            head = self.version.record(name)
            for order, record in enumerate([head, *joined_to(self.version.records, name)]):
                there = _present(head, record, typed)
                pieces.append((record, typed.filter(there)))
                places.append(
                    pl.DataFrame({_PLACE: at.filter(there)}).with_columns(
                        pl.lit(order).alias(_ORDER), pl.lit(len(places)).alias(_PIECE)
                    )
                )
        if not pieces:
            return pl.Series(dtype=pl.String)
        table = pl.concat(places).sort(_PLACE, _ORDER)
        numbers = self._numbers([record for record, _ in pieces], table[_PIECE].to_numpy())
        texts: list[pl.DataFrame] = []
        for index, (record, typed) in enumerate(pieces):
            mine = table.filter(pl.col(_PIECE) == index)
            frame = self._columns(record, typed, {of: found[index] for of, found in numbers.items()}, set(rows.columns))
            self.count(record.name, frame)
            at = mine[_PLACE]
            text = self.renderers[record.name].lines(frame, partial(_row, first, at))
            texts.append(mine.select(_PLACE, _ORDER).with_columns(text.alias("text")))
        return pl.concat(texts).sort(_PLACE, _ORDER)["text"]

    def _refuse_other_headers(self, rows: pl.DataFrame, first: int) -> None:
        """RecordError for rows that say something else than the file's one header, which was written."""
        header = self.version.header
        for name in header.gives if header else ():
            if name in rows.columns:
                values = rows[name]
                said = self._header_said.setdefault(name, values[0])
                row = next((place for place, value in enumerate(values.to_list()) if value != said), None)
                if row is not None:
                    raise RecordError(
                        f"row {first + int(rows[_PLACE][row])}, field {name}: the header says it once for the whole "
                        "file, and the rows before have another value"
                    )

    def _numbers(self, records: list[Record], pieces: np.ndarray) -> dict[Numbered, list[np.ndarray]]:
        """The sequence numbers of lines, by what they count and by piece; lines come in the order of ``pieces``."""
        numbers: dict[Numbered, list[np.ndarray]] = {}
        for of in self._next:
            holds = np.array([sequence_field(record, of) is not None for record in records], dtype=bool)[pieces]
            if of is Numbered.LOTS:
                every = np.full(len(pieces), self._next[of], dtype=np.int64)
            else:
                every = self._next[of] + np.cumsum(holds) - 1
                self._next[of] += int(holds.sum())
            numbers[of] = [every[pieces == index] for index in range(len(records))]
        return numbers

    def _columns(
        self, record: Record, typed: pl.DataFrame, numbers: Mapping[Numbered, np.ndarray], given: set[str]
    ) -> pl.DataFrame:
        """The fields of one record type: constants, numbers, defaults of what was not ``given``, the rows' own."""
        renderer = self.renderers[record.name]
        columns: list[pl.Series] = []
        for field in renderer.fields:
            dtype = renderer.schema[field.name]
            if field.sequence is not None:
                column = pl.Series(field.name, numbers[field.sequence.of], dtype=pl.Int64)
                columns.append(column if field.type is FieldType.INTEGER else _padded(column, field))
            elif field.equals is not None and (record.joins is not None or typed[field.name].null_count()):
                columns.append(pl.Series(field.name, [_constant(field)] * typed.height, dtype=dtype))
            elif field.default is not None and field.name not in given:
                columns.append(pl.Series(field.name, [parse_default(field)] * typed.height, dtype=dtype))
            else:
                columns.append(typed[field.name])
        return pl.DataFrame(columns)

    # single lines

    def _counted(self, record: Record) -> dict[str, Any]:
        """Count one line of a header or a trailer; its sequence numbers."""
        self.count_raw(record.name)
        values: dict[str, Any] = {}
        for field in record.fields:
            if field.sequence is not None:
                number = self._next[field.sequence.of]
                values[field.name] = number if field.type is FieldType.INTEGER else str(number).zfill(field.width or 0)
                if field.sequence.of is not Numbered.LOTS:
                    self._next[field.sequence.of] += 1
        return values

    def _line(self, record: Record, given: Mapping[str, Any], scope: Scope) -> str:
        """The line of a header or a trailer: the values given, the totals, the day where a required date is missing."""
        renderer = self.renderers[record.name]
        values = dict(given)
        for total in record.totals:
            field = next(one for one in renderer.fields if one.name == total.field)
            value = scope.value(total)
            number = field.type in {FieldType.INTEGER, FieldType.DECIMAL}
            values[total.field] = value if number else str(value).zfill(field.width or 0)
        for field in renderer.fields:
            if field.required and field.default is None and values.get(field.name) is None:
                if field.type is FieldType.DATE:
                    values[field.name] = self._day
                elif field.type is FieldType.DATETIME:
                    values[field.name] = datetime.combine(self._day, time())
        unknown = sorted(set(values) - set(renderer.schema))
        if unknown:
            raise RecordError(f"{record.name}: fields that are not in the layout: {', '.join(unknown)}")
        columns = {
            name: pl.Series(name, [value], dtype=renderer.schema[name] if value is None else None, strict=False)
            for name, value in values.items()
        }
        row = pl.DataFrame(columns) if columns else pl.DataFrame({RECORD: [record.name]})
        return str(renderer.lines(renderer.typed(row, lambda _: 1), lambda _: 1).item())


def _row(first: int, places: pl.Series, row: int) -> int:
    """The number of a row, of all that were written."""
    return first + int(places[row])


def _present(head: Record, record: Record, typed: pl.DataFrame) -> pl.Series:
    """Rows that have a line of a record: every one, unless it is optional and nothing would stand in it."""
    own = [name for name in record.by_name if name not in head.by_name and name not in record.self_written]
    if record.joins is None or record.required or not own:
        return pl.Series(np.ones(typed.height, dtype=bool))
    return typed.select(pl.any_horizontal(pl.col(own).is_not_null())).to_series()


def _constant(field: Field) -> Any:
    """A constant as a value, where a condition of a total may ask for it."""
    if field.type is FieldType.INTEGER:
        return int(field.equals or 0)
    return field.equals if field.type in {FieldType.TEXT, FieldType.DIGITS} else None


def _padded(column: pl.Series, field: Field) -> pl.Series:
    return column.cast(pl.String).str.zfill(field.width or 0)
