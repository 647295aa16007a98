"""Workbooks (.xlsx) with the columns of a delimited layout: the first sheet, its first row the titles.

A cell that is a number or a date arrives without the text that the layout describes; it is put into that text here, so
that all formats share one conversion. Numbers come without exponent.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import polars as pl

from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.batches import Batch, LineFault, Portion
from atom_pipeline.layout.blocks import printable
from atom_pipeline.layout.convert import FieldPlan, RecordPlan, convert
from atom_pipeline.layout.dates import spelling
from atom_pipeline.layout.delimited import column_order
from atom_pipeline.layout.model import DelimitedFormat, FieldType, FixedFormat
from atom_pipeline.layout.workbook import NoWorkbook, TooLarge, first_sheet

# A workbook above these is none of ours (FAULTS 17); what one below them can ask for is bounded in ``workbook``.
MAX_COMPRESSED = 64 * 1024 * 1024  # bytes of the file
MAX_UNCOMPRESSED = 1024 * 1024 * 1024  # bytes of its parts, as they say
_DATE_CELL = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(?: [0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)?$"
_NUMBER_CELL = r"^-?[0-9]+(?:\.[0-9]+)?$"
_CONTROL = r"[\x00-\x1f\x7f-\x9f\x{FFFD}]"


class ExcelDecoder:
    """Reads the first sheet of a workbook, as one portion."""

    def __init__(
        self, plans: list[RecordPlan], shape: DelimitedFormat | FixedFormat, stream: BinaryIO, name: str
    ) -> None:
        self._plan = next(plan for plan in plans if plan.record.role == "detail")
        self._delimiter = shape.delimiter if isinstance(shape, DelimitedFormat) else ";"
        self._stream = stream
        self._name = name

    def portions(self) -> Iterator[Portion]:
        sheet = self._sheet()
        if not sheet.height:
            return
        order = column_order(self._plan, [cell or "" for cell in sheet.row(0)], self._name, 1)
        cells = sheet.slice(1).rename(dict(zip(sheet.columns, order, strict=True)))
        lines = np.arange(2, cells.height + 2, dtype=np.int64)
        blank = cells.select(pl.all_horizontal(pl.all().is_null())).to_series()
        control = cells.select(pl.any_horizontal(pl.all().str.contains(_CONTROL).fill_null(False))).to_series()
        faults = [LineFault(int(line), "", "COLUNAS", "linha em branco", "") for line in lines[blank.to_numpy()]]
        for row in control.arg_true().to_list():
            detail = "caractere de controle numa célula"
            faults.append(LineFault(int(lines[row]), self._plan.name, "CARACTERE", detail, self._line(cells.row(row))))
        good = ~(blank | control)
        kept = cells.filter(good)
        batches = []
        if kept.height:
            raw = kept.select(self._as_written(self._plan.field(name)).alias(name) for name in order)
            decoded = convert(self._plan, raw)
            batches.append(Batch(self._plan, lines[good.to_numpy()], decoded, lambda row: self._line(kept.row(row))))
        yield Portion(batches, sorted(faults, key=lambda fault: fault.line), cells.height)

    def _sheet(self) -> pl.DataFrame:
        """Every cell as text; blank rows at the end are no rows, and blank columns no columns."""
        content = self._stream.read(MAX_COMPRESSED + 1)
        if not content:
            return pl.DataFrame()
        if len(content) > MAX_COMPRESSED:
            raise self._refused(f"a planilha tem mais de {MAX_COMPRESSED} bytes")
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as parts:
                size = sum(part.file_size for part in parts.infolist())
            if size > MAX_UNCOMPRESSED:
                raise self._refused(f"a planilha tem {size} bytes descompactada; o limite é {MAX_UNCOMPRESSED}")
            frame = first_sheet(content)
        except (zipfile.BadZipFile, NoWorkbook) as error:
            raise self._refused("o arquivo não é uma planilha .xlsx legível") from error
        except TooLarge as error:
            raise self._refused(f"a planilha pede mais do que {error} para ser aberta") from error
        return frame.select(name for name in frame.columns if frame[name].null_count() < frame.height)

    def _as_written(self, plan: FieldPlan) -> pl.Expr:
        """A column of cells in the text that the layout describes; what is text already stays as it is."""
        cell, field = pl.col(plan.name), plan.field
        match field.type:
            case FieldType.DATE | FieldType.DATETIME:
                moment = cell.str.slice(0, 19).str.pad_end(11, " ").str.strip_chars_end()
                moment = pl.when(moment.str.len_chars() == 10).then(moment + " 00:00:00").otherwise(moment)
                parsed = moment.str.to_datetime("%Y-%m-%d %H:%M:%S", strict=False)
                written = parsed.dt.strftime(spelling(field.format or "").directive)
                return pl.when(cell.str.contains(_DATE_CELL) & written.is_not_null()).then(written).otherwise(cell)
            case FieldType.DECIMAL if field.decimal_mark:
                return self._number(cell, plan)
            case _:
                return cell

    def _number(self, cell: pl.Expr, plan: FieldPlan) -> pl.Expr:
        """A number cell with the layout's decimal mark, rounded to its decimals: computed cells carry more.

        Where the layout writes a per cent sign, the cell holds the fraction (1,66% is 0.0166). A text such as 1.234, in
        which the point may group or part, is left for the conversion to judge by the layout.
        """
        field = plan.field
        value = cell.cast(pl.Decimal(38, 12), strict=False)
        if field.suffix == "%":
            value = value * 100
        written = value.round(field.decimals).cast(pl.Decimal(38, field.decimals)).cast(pl.String)
        if field.decimal_mark == ",":
            written = written.str.replace(".", ",", literal=True)
        is_number = cell.str.contains(_NUMBER_CELL)
        if field.thousands_mark == ".":
            is_number = is_number & ~cell.str.contains(r"^-?[0-9]{1,3}\.[0-9]{3}$")
        return pl.when(is_number & written.is_not_null()).then(written).otherwise(cell)

    def _line(self, row: tuple[str | None, ...]) -> str:
        """A row for a person, in the delimited form of the layout."""
        out = io.StringIO()
        csv.writer(out, delimiter=self._delimiter, lineterminator="").writerow(row)
        return printable(out.getvalue())

    def _refused(self, message: str) -> FileRefused:
        return FileRefused("FORA_DO_LAYOUT", message, "peça ao banco a planilha do layout combinado", file=self._name)
