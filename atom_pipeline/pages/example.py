"""A file of each layout, made up, written by the layout's own writer: what a page shows under its ruler.

Values are the sample generator's, always the same ones; personal data is that of nobody, and looks it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time
from functools import cached_property

import numpy as np
import polars as pl

from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.errors import AtomError
from atom_pipeline.layout import pattern
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import (
    Field,
    FieldType,
    FixedFormat,
    Layout,
    NamePattern,
    Personal,
    Record,
    Rule,
    Stage,
    Version,
)
from atom_pipeline.layout.schema import LINE, RECORD
from atom_pipeline.layout.writing import write_file
from atom_pipeline.sample.days import Day
from atom_pipeline.sample.draws import Draws
from atom_pipeline.sample.fields import frame
from atom_pipeline.sample.rowset import Source
from atom_pipeline.sample.stages import Maker
from atom_pipeline.sample.world import World, arrivals_a_day

MONDAY, DAYS = date(2026, 11, 16), 2  # the days whose sample files are looked at; a refin comes on Tuesday
EVENING = time(19, 1, 30)
SEED, CONTRACTS, CANDIDATES = 1, 200, 60  # of so many rows the one with the most to show
PERSON = {
    Personal.NAME: "MARIA EXEMPLO DA SILVA",
    Personal.PHONE: "11987654321",
    Personal.EMAIL: "maria@example.org",
    Personal.DOCUMENT: "12345678909",
}
COMPANY = "11222333000181"
ADDRESS = {"cep": "01001000", "numero": "100", "cidade": "SÃO PAULO", "bairro": "CENTRO", "complemento": "SALA 1"}
STREET = "RUA EXEMPLO"
# What this application writes and no sample has, by field.
WRITTEN = {
    "arquivo": "20261116_190130_remessa_528_out.528",
    "linha": 12,
    "registro": "detalhe",
    "campo": "cpf_cnpj",
    "detalhe": "dígito verificador não confere; corrija e devolva",
    "original": "1 0533285965 12345678900",
    "controle": "7c1f9a2e-12",
    "id_crm": "8f2c41d07b6e",
    "id_campanha": 528,
    "data": MONDAY,
    "situacao_desde": MONDAY,
    "primeira_alta": MONDAY,
    "ultima_remessa": MONDAY,
}
MOTIVES = {Stage.ERROS: "CPF_CNPJ", Stage.BAIXA: "BAIXA_BATIMENTO", Stage.BASE: "REMESSA"}


@dataclass(frozen=True)
class Example:
    """A file of one version: its bytes, and the line of each record type, as text."""

    day: date
    content: bytes
    lines: Mapping[str, str] = field(default_factory=dict)
    problem: str = ""  # why there is none

    def cells(self, record: Record, version: Version) -> list[str]:
        """The text of each field of a record, padding included; empty texts where there is no example."""
        line = self.lines.get(record.name)
        if line is None:
            return [""] * len(record.fields)
        if isinstance(version.format, FixedFormat):
            data = line.encode(version.format.encoding)
            return [data[start:stop].decode(version.format.encoding, "replace") for _, start, stop in record.spans()]
        return _split(line, version)


class Examples:
    """The examples of one portfolio."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._portfolio = catalogue.portfolio

    def name(self, name: NamePattern) -> str:
        """A file name of a pattern."""
        return next(pattern.examples(name.pattern, self._portfolio.ascob, datetime.combine(self._day, EVENING)))

    def of(self, layout: Layout, version: Version) -> Example:
        """A file of a version, one row of each record type; what hinders it is told in the example."""
        inforce = any(other is version for other in layout.versions if layout.version_on(self._day) is other)
        day = self._day if inforce else version.since
        out = io.BytesIO()
        try:
            write_file(layout, self._records(layout, version), out, day=day, header=self._header(version, day))
        except (AtomError, ValueError, ArithmeticError, LookupError) as error:
            return Example(day, b"", problem=str(error))
        return Example(day, out.getvalue(), _lines(out.getvalue(), version))

    @cached_property
    def _days(self) -> tuple[date, ...]:
        calendar = WorkingCalendar(self._portfolio.operation)
        days = [calendar.roll_forward(max(MONDAY, self._portfolio.operation.start))]
        while len(days) < DAYS:
            days.append(calendar.next(days[-1]))
        return tuple(days)

    @property
    def _day(self) -> date:
        return self._days[-1]

    @cached_property
    def _source(self) -> Source:
        return Source(self._portfolio, SEED, self._days, CONTRACTS, arrivals_a_day(CONTRACTS))

    @cached_property
    def _makers(self) -> dict[str, Maker]:
        """How the sample fills each layout that it has files of: as on the last of its days."""
        world = World(CONTRACTS, DAYS, Draws(SEED), self._portfolio.block)
        found: dict[str, Maker] = {}
        for position, day in enumerate(self._days):
            for planned in Day(self._catalogue, self._source, world.next_day(day, position)).plan():
                found[planned.layout.layout] = planned.make
        return found

    def _records(self, layout: Layout, version: Version) -> dict[str, pl.DataFrame]:
        """One row of each detail record, of one contract."""
        maker = self._makers.get(layout.layout)
        made = next(iter(maker(version)), {}) if maker else {}
        made = made or self._written(layout, version)
        widest = max(version.details, key=lambda record: len(record.fields)).name
        rows = made[widest].head(CANDIDATES)
        blanks = rows.select(pl.sum_horizontal(pl.all().is_null())).to_series()
        chosen = rows.slice(blanks.arg_min() or 0, 1)
        out = {widest: chosen}
        for record, others in made.items():
            both = record != widest and "contrato" in others.columns and "contrato" in chosen.columns
            same = others.filter(pl.col("contrato") == chosen["contrato"].item()) if both else others
            out.setdefault(record, (same if same.height else others).head(1))
        kinds = {record.name: record for record in version.details}
        return {record: nobody(row, kinds[record]) for record, row in out.items()}

    def _written(self, layout: Layout, version: Version) -> dict[str, pl.DataFrame]:
        """Rows of a layout that the sample has no files of."""
        given = WRITTEN | {"motivo": MOTIVES.get(layout.stage, "ACORDO")}
        rows = self._source.rows(np.arange(CANDIDATES, dtype=np.int64), self._day)
        filled = {name: pl.Series([value] * CANDIDATES) for name, value in given.items()}
        return {record.name: frame(record, replace(rows, given=filled)) for record in version.details}

    def _header(self, version: Version, day: date) -> dict[str, object] | None:
        """When the file was made, and what else a header must say."""
        if version.header is None:
            return None
        moment = datetime.combine(day, EVENING)
        moments: dict[FieldType, object] = {FieldType.DATE: day, FieldType.TIME: EVENING, FieldType.DATETIME: moment}
        rows = frame(version.header, self._source.rows(np.arange(1, dtype=np.int64), self._day)).row(0, named=True)
        return {
            field.name: moments.get(field.type, rows.get(field.name))
            for field in version.header.fields
            if (field.type in moments or field.required)
            and field.name not in {*version.header.self_written, *version.header.gives}
        }


def nobody(row: pl.DataFrame, record: Record) -> pl.DataFrame:
    """The row with a made-up person's data in place of every personal value that it has."""
    row = row.drop(name for name in (LINE, RECORD) if name in row.columns and name not in record.by_name)
    given = row.row(0, named=True)
    fields = {name: record.by_name[name] for name, value in given.items() if value is not None}
    changed = {
        name: _instead(field, str(given[name]), given.get(field.person_type or ""))
        for name, field in fields.items()
        if field.personal
    }
    return row.with_columns(pl.lit(value, dtype=row.schema[name]).alias(name) for name, value in changed.items())


def _instead(field: Field, value: str, person: object) -> str:
    rules = {check.rule for check in field.checks}
    match field.personal:
        case Personal.DOCUMENT if not rules & {Rule.CPF, Rule.CNPJ, Rule.CPF_CNPJ} and len(value) != len(COMPANY):
            text = PERSON[Personal.DOCUMENT][: len(value)]
        case Personal.DOCUMENT:
            company = str(person) == "J" if person else len(value.lstrip("0")) > len(PERSON[Personal.DOCUMENT])
            text = COMPANY if Rule.CNPJ in rules or company else PERSON[Personal.DOCUMENT]
        case Personal.PHONE:
            number = PERSON[Personal.PHONE]
            text = number[:2] if len(value.lstrip("0")) <= 2 else number if len(value.lstrip("0")) > 9 else number[2:]
        case Personal.ADDRESS:
            text = next((instead for name, instead in ADDRESS.items() if field.name.endswith(name)), STREET)
        case kind:
            text = PERSON[kind] if kind else value
    return text[: field.width] if field.width else text


def _lines(content: bytes, version: Version) -> dict[str, str]:
    """The first line of each record type."""
    shape = version.format
    if isinstance(shape, FixedFormat) and shape.newline == "none":
        length = version.records[0].length or 1
        lines = [content[start : start + length].decode(shape.encoding) for start in range(0, len(content), length)]
    else:
        lines = content.decode(shape.encoding).replace("\r\n", "\n").removesuffix("\n").split("\n")
    if not isinstance(shape, FixedFormat) and shape.header:
        lines = lines[1:]
    found = {record.name: next(_of(record, lines, version), None) for record in version.records}
    return {name: line for name, line in found.items() if line is not None}


def _of(record: Record, lines: list[str], version: Version) -> Iterator[str]:
    """The lines that are of a record type."""
    for line in lines:
        if isinstance(version.format, FixedFormat):
            data = line.encode(version.format.encoding)
            cells = [data[start:stop].decode(version.format.encoding) for _, start, stop in record.spans()]
            fits = len(data) == record.length
        else:
            cells = _split(line, version)
            fits = len(cells) == len(record.fields)
        values = dict(zip((field.name for field in record.fields), cells, strict=False))
        told = (_bare(values.get(match.field, "")) == _bare(match.equals) for match in record.matches)
        if not record.matches or (fits and all(told)):
            yield line


def _bare(text: str) -> str:
    return text.strip(" ").lstrip("0")


def _split(line: str, version: Version) -> list[str]:
    """The cells of a delimited line."""
    shape = version.format
    if isinstance(shape, FixedFormat):
        raise TypeError("a fixed-width line has no delimiter")
    if not shape.quote:
        return line.split(shape.delimiter)
    return next(csv.reader([line], delimiter=shape.delimiter, quotechar=shape.quote), [""])
