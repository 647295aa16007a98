"""Delimited files (CSV): lines to columns by their delimiters, quotes included, physical line numbers kept.

Lines without a quote go through Polars' reader, whole blocks at once. Lines with one go through the ``csv`` module,
which knows quoted delimiters and quoted line breaks. A quote that is never closed refuses its own line only: reading
goes on with the next one, so that one stray quote does not swallow the file.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from atom_pipeline.errors import FileRefused, ProgramError
from atom_pipeline.layout.batches import Batch, LineFault, Portion
from atom_pipeline.layout.blocks import Block, BlockReader, Positions, positions_of, printable, refuse_many
from atom_pipeline.layout.characters import CharacterCheck
from atom_pipeline.layout.convert import RecordPlan, convert
from atom_pipeline.layout.model import Condition, DelimitedFormat, FieldType, RecordRole
from atom_pipeline.layout.sniffing import normal_title, titles

LONGEST_RECORD = 50  # lines of one row with line breaks inside quotes; more is a quote that was not closed
NEUTRALIZED = r"^'('*[=+\-@\t\r])"  # the apostrophe that keeps a spreadsheet from running a text
_ROW = "linha:"  # a column beside the fields: the row of the block in which a record begins


@dataclass(frozen=True)
class Row:
    """A row that holds a quote: the block's line it begins in, how many lines it takes, its cells."""

    first: int
    lines: int
    cells: list[str]


@dataclass
class Quoted:
    """The rows of a block that hold quotes, lines whose quote is never closed, and the line before which it ends."""

    rows: list[Row]
    unclosed: list[int]
    end: int


class DelimitedDecoder:
    """Reads a delimited file portion by portion."""

    def __init__(
        self,
        plans: list[RecordPlan],
        shape: DelimitedFormat,
        reader: BlockReader,
        characters: CharacterCheck,
        name: str,
    ) -> None:
        self._plans = plans
        self._shape = shape
        self._reader = reader
        self._characters = characters
        self._name = name
        self._order = [plan.names for plan in plans]  # columns in the order in which they stand in the file
        self._title_read = not shape.header

    def portions(self) -> Iterator[Portion]:
        while (block := self._reader.next_block()) is not None:
            yield self._portion(block)
        self._characters.finish()

    def _portion(self, original: Block) -> Portion:
        cleaned = self._characters.clean(original)
        block, begin = cleaned.block, 0
        if not self._title_read:
            titled = next(index for index, plan in enumerate(self._plans) if plan.record.role is RecordRole.DETAIL)
            cells = self._cells([block.text[0]])
            self._order[titled] = column_order(self._plans[titled], cells, self._name, block.first_line)
            self._title_read = True
            begin = 1
        found = self._quoted(block, begin)
        if found.end < block.height:
            self._reader.put_back(original.data[original.starts[found.end] :])
        heads = np.zeros(block.height, dtype=bool)  # lines in which a record begins
        heads[begin : found.end] = True
        spans: dict[int, int] = {}
        for row in found.rows:
            heads[row.first + 1 : row.first + row.lines] = False
            spans[row.first] = row.lines
        faults: dict[int, tuple[str, str, str]] = {}
        for line, detail in cleaned.faults.items():
            if begin <= line < found.end:
                first = int(np.flatnonzero(heads[: line + 1])[-1])
                faults.setdefault(first, ("", "CARACTERE", detail))
        for line in found.unclosed:
            faults.setdefault(line, ("", "COLUNAS", "aspas abertas e não fechadas"))
        raws = self._plain(block, heads, set(spans) | set(faults), faults)
        for index, raw in self._slow(found.rows, faults).items():
            raws.setdefault(index, []).append(raw)

        def text_of(row: int) -> str:
            return printable("\n").join(original.original(line) for line in range(row, row + spans.get(row, 1)))

        batches = []
        for index, parts in sorted(raws.items()):
            raw = pl.concat(parts).sort(_ROW) if len(parts) > 1 else parts[0]
            rows = raw[_ROW].to_numpy()
            decoded = convert(self._plans[index], self._without_apostrophes(self._plans[index], raw))
            batches.append(Batch(self._plans[index], block.numbers(rows), decoded, _original(text_of, rows)))
        refused = [
            LineFault(block.first_line + row, record, reason, detail, text_of(row))
            for row, (record, reason, detail) in sorted(faults.items())
        ]
        return Portion(batches, refused, int(heads.sum()))

    def _cells(self, lines: Iterable[str]) -> list[str]:
        return next(self._reader_of(lines), [])

    def _reader_of(self, lines: Iterable[str]) -> Iterator[list[str]]:
        return csv.reader(lines, delimiter=self._shape.delimiter, quotechar=self._shape.quote or None)

    def _quoted(self, block: Block, begin: int) -> Quoted:
        """Parse the records that hold a quote; ``end`` is the first line of one that goes on in the next block."""
        found = Quoted([], [], block.height)
        quote = self._shape.quote
        if not quote or quote.encode() not in block.data:
            return found
        at = positions_of(block.array, ord(quote))
        lines = np.unique(np.searchsorted(block.starts, at, side="right") - 1)
        next_line = begin
        for line in lines.tolist():
            if line < next_line:
                continue
            row = self._row(block, line)
            if row is None and not block.last and line + LONGEST_RECORD > block.height:
                found.end = line
                break
            if row is None or (row.lines > 1 and self._kind(row.cells)[1]):
                found.unclosed.append(line)
                refuse_many(len(found.unclosed), block, self._name)
                next_line = line + 1
            else:
                found.rows.append(row)
                next_line = line + row.lines
        return found

    def _row(self, block: Block, line: int) -> Row | None:
        """The record that begins in a line; None when its quotes close neither in the block nor in a longest record."""
        stop = min(line + LONGEST_RECORD, block.height)
        taken = 0
        exhausted = False

        def following() -> Iterator[str]:
            nonlocal taken, exhausted
            for text in block.text[line:stop]:
                taken += 1
                yield f"{text}\n"
            exhausted = True

        cells = self._cells(following())
        return None if exhausted else Row(line, taken, cells)

    def _kind(self, cells: list[str]) -> tuple[int, tuple[str, str, str] | None]:
        """Which record type a row's cells are, and what is wrong with their number."""
        for index, plan in enumerate(self._plans):
            if not all(self._holds(index, match, cells) for match in plan.record.matches):
                continue
            if len(cells) != len(plan.names):
                return index, (plan.name, "COLUNAS", _columns(len(cells), len(plan.names)))
            return index, None
        return -1, ("", "REGISTRO_DESCONHECIDO", f"{len(cells)} colunas; nenhum tipo de registro do layout")

    def _slow(self, rows: list[Row], faults: dict[int, tuple[str, str, str]]) -> dict[int, pl.DataFrame]:
        """Raw columns of the rows parsed by ``csv``, by record type."""
        kept: dict[int, list[Row]] = {}
        for row in rows:
            if row.first not in faults:
                index, fault = self._kind(row.cells)
                if fault:
                    faults[row.first] = fault
                else:
                    kept.setdefault(index, []).append(row)
        return {
            index: pl.DataFrame(
                [row.cells for row in some], schema=dict.fromkeys(self._order[index], pl.String), orient="row"
            ).with_columns(pl.Series(_ROW, [row.first for row in some], dtype=pl.Int64))
            for index, some in kept.items()
        }

    def _holds(self, index: int, match: Condition, cells: list[str]) -> bool:
        column = self._order[index].index(match.field)
        return column < len(cells) and cells[column].strip(" ") == match.equals

    def _plain(
        self, block: Block, heads: npt.NDArray[np.bool_], others: set[int], faults: dict[int, tuple[str, str, str]]
    ) -> dict[int, list[pl.DataFrame]]:
        """Raw columns of the lines without quotes, by record type."""
        plain = heads.copy()
        plain[list(others)] = False
        blank = plain & (block.lengths == 0)
        refuse_many(int(blank.sum()), block, self._name)
        for row in np.flatnonzero(blank).tolist():
            faults[row] = ("", "COLUNAS", "linha em branco")
        rows = np.flatnonzero(plain & ~blank)
        delimiters = positions_of(block.array, ord(self._shape.delimiter))
        columns = np.searchsorted(delimiters, block.ends[rows]) - np.searchsorted(delimiters, block.starts[rows]) + 1
        raws: dict[int, list[pl.DataFrame]] = {}
        for index, plan in enumerate(self._plans):
            mine = self._matching(index, block, rows)
            wrong = mine & (columns != len(plan.names))
            refuse_many(int(wrong.sum()), block, self._name)
            for row, count in zip(rows[wrong].tolist(), columns[wrong].tolist(), strict=True):
                faults[row] = (plan.name, "COLUNAS", _columns(count, len(plan.names)))
            good = rows[mine & ~wrong]
            if len(good):
                raws[index] = [self._split(index, block, good)]
            rows, columns = rows[~mine], columns[~mine]
        refuse_many(len(rows), block, self._name)
        for row, count in zip(rows.tolist(), columns.tolist(), strict=True):
            faults[row] = ("", "REGISTRO_DESCONHECIDO", f"{count} colunas; nenhum tipo de registro do layout")
        return raws

    def _matching(self, index: int, block: Block, rows: Positions) -> npt.NDArray[np.bool_]:
        """Which of these lines are of a record type, told by the columns that match."""
        mine = np.ones(len(rows), dtype=bool)
        for match in self._plans[index].record.matches:
            column = self._order[index].index(match.field)
            cells = block.text.gather(rows).str.split_exact(self._shape.delimiter, column + 1)
            cell = cells.struct.field(f"field_{column}").str.strip_chars(" ")
            mine &= (cell == match.equals).fill_null(False).to_numpy()
        return mine

    def _split(self, index: int, block: Block, rows: Positions) -> pl.DataFrame:
        """Lines that all have the right number of delimiters and no quote, to columns."""
        raw = pl.read_csv(
            io.BytesIO(_as_utf8(block, rows)),
            has_header=False,
            new_columns=self._order[index],
            separator=self._shape.delimiter,
            quote_char=None,
            infer_schema=False,
        )
        if raw.height != len(rows):
            raise ProgramError(f"{self._name}: {raw.height} rows from {len(rows)} lines")
        return raw.with_columns(pl.Series(_ROW, rows, dtype=pl.Int64))

    def _without_apostrophes(self, plan: RecordPlan, raw: pl.DataFrame) -> pl.DataFrame:
        """Take back what the writer did to text that could start a formula (FAULTS 35)."""
        texts = [field.name for field in plan.fields if field.field.type is FieldType.TEXT]
        if self._shape.formulas != "neutralize" or not texts:
            return raw
        quoted = raw.select(pl.col(texts).str.starts_with("'").any()).row(0, named=True)
        return raw.with_columns(
            pl.col(name).str.replace(NEUTRALIZED, "$1") for name, is_quoted in quoted.items() if is_quoted
        )


def _as_utf8(block: Block, rows: Positions) -> bytes:
    """Some lines of a block in UTF-8, line breaks between them. Those that stand together are not cut apart first."""
    if rows[-1] - rows[0] + 1 == len(rows):
        data = block.array[block.starts[rows[0]] : block.ends[rows[-1]]].tobytes()
        return data if block.ascii or block.encoding == "utf-8" else data.decode(block.encoding).encode()
    text: str = block.text.gather(rows).str.join("\n").item()
    return text.encode()


def column_order(plan: RecordPlan, cells: list[str], name: str, line: int) -> list[str]:
    """The fields in the order of a file's titles. Raises FileRefused FORA_DO_LAYOUT with the columns that differ."""
    by_title = dict(zip(titles(plan.record), plan.names, strict=True))
    have = [normal_title(cell) for cell in cells]
    extra = [title for title in have if title not in by_title]
    missing = [title for title in by_title if title not in have]
    twice = sorted({title for title in have if title in by_title and have.count(title) > 1})
    if not (extra or missing or twice):
        return [by_title[title] for title in have]
    if len(missing) == len(by_title):  # perhaps data, which has no place in a message
        told = "a primeira linha não tem nenhum dos títulos do layout"
    else:
        parts = (("faltam", missing), ("sobram", [_harmless(title) for title in extra]), ("repetidas", twice))
        told = "; ".join(f"{word}: {', '.join(some)}" for word, some in parts if some)
    raise FileRefused(
        "FORA_DO_LAYOUT",
        f"as colunas não são as {len(by_title)} do layout ({told})",
        "peça ao banco o arquivo no layout combinado, ou altere o layout",
        file=name,
        line=line,
    )


def _harmless(title: str) -> str:
    """A title as it is, unless it could be a value."""
    return "(sem título)" if not title else "(um valor?)" if "@" in title or sum(map(str.isdigit, title)) > 4 else title


def _columns(have: int, wanted: int) -> str:
    return f"{have} colunas; o registro tem {wanted}"


def _original(text_of: Callable[[int], str], rows: Positions) -> Callable[[int], str]:
    return lambda position: text_of(int(rows[position]))
