"""Days of files that look like the bank's, made up from a seed: ``generate`` (``atom sample``, DESIGN section 8).

What belongs here: making the files of a number of working days in a folder, and telling what is in them and what a run
must find. Same catalogue, contracts, days, seed and first day: the same bytes, on any machine. Everybody in them is
invented. A day is written chunk by chunk, so memory does not grow with the files.

The parts: ``draws`` (numbers from indices), ``people`` and ``loans`` (who owes what), ``world`` (what happens to the
contracts), ``fields`` with ``client``, ``contract`` and ``values`` (what a field is filled with), ``stages`` and
``days`` (what a file holds, which files come), ``files`` (bytes).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.sample import files
from atom_pipeline.sample.days import Day
from atom_pipeline.sample.draws import Draws
from atom_pipeline.sample.events import Events
from atom_pipeline.sample.loans import AHEAD
from atom_pipeline.sample.rowset import Source
from atom_pipeline.sample.world import World, arrivals_a_day

__all__ = ["DayReport", "FileReport", "SampleReport", "generate"]

MONDAY = 1


@dataclass(frozen=True)
class FileReport:
    """One file: its layout (None: a name that no layout knows), detail rows, and those that must be refused."""

    name: str
    layout: str | None
    rows: int
    bytes: int
    sha256: str
    refused: dict[str, int]
    copy_of: str | None = None  # the same bytes under another name


@dataclass(frozen=True)
class DayReport:
    """One working day: its files in the order they arrive, and what a run of the day must find.

    ``expected`` has contract numbers (String) by event: the movimentos ALTA, REATIVACAO, BLOQUEIO, ACORDO_REGISTRADO,
    RETIRADA and BAIXA_BATIMENTO, the rows IGNORADO_BLOQUEIO and ``CONTRATO_FORA_DA_BASE <stage>``, and ``ALTA de
    bloqueio``, the altas that end a block. ATUALIZACAO is every other contract of the remessa: its days of delay grow.
    """

    day: date
    files: tuple[FileReport, ...]
    expected: dict[str, pl.Series]

    @property
    def counts(self) -> dict[str, int]:
        """How many contracts each event has."""
        return {event: len(contracts) for event, contracts in self.expected.items()}


@dataclass(frozen=True)
class SampleReport:
    """What ``generate`` wrote."""

    seed: int
    contracts: int
    reports: tuple[DayReport, ...]  # one per working day, in order

    @property
    def days(self) -> tuple[date, ...]:
        """The working days."""
        return tuple(report.day for report in self.reports)

    @property
    def files(self) -> tuple[FileReport, ...]:
        """Every file of every day, in the order they arrive."""
        return tuple(file for report in self.reports for file in report.files)


def generate(
    catalogue: Catalogue,
    *,
    contracts: int,
    days: int,
    seed: int,
    target: Path,
    first_day: date | None = None,
    all_enriched: bool = False,
    ahead: int = AHEAD,
) -> SampleReport:
    """Write the files of ``days`` working days of a portfolio of ``contracts`` contracts into the folder ``target``.

    The first day is ``first_day`` (rolled forward to a working day), by default the first working Monday of the
    portfolio, so that a Tuesday with its refin follows. The folder is made; a file that is there is written again.
    ``expected`` holds for the portfolio's ``block.by: contrato`` and for guards that are not tripped: no event's share
    comes near their defaults. With ``all_enriched`` parcelas and garantias of every contract come every day, not only
    of those that entered or changed; ``ahead`` instalments of each, at least, are not overdue. Raises ValueError for
    less than one contract or one day, and for a first day before the portfolio's start.
    """
    if contracts < 1 or days < 1:
        raise ValueError("a sample has at least one contract and one day")
    portfolio = catalogue.portfolio
    working_days = _working_days(WorkingCalendar(portfolio.operation), portfolio.operation.start, first_day, days)
    source = Source(portfolio, seed, working_days, contracts, arrivals_a_day(contracts), ahead)
    world = World(contracts, days, Draws(seed), portfolio.block, all_enriched=all_enriched)
    target.mkdir(parents=True, exist_ok=True)
    reports = []
    for position, day in enumerate(working_days):
        events = world.next_day(day, position)
        reports.append(_write_day(catalogue, source, events, target))
    return SampleReport(seed, contracts, tuple(reports))


def _working_days(calendar: WorkingCalendar, start: date, first: date | None, count: int) -> tuple[date, ...]:
    if first is not None and first < start:
        raise ValueError(f"the first day is before the portfolio's start, {start:%Y-%m-%d}")
    day = calendar.roll_forward(first or start)
    if first is None and MONDAY in calendar.operation.weekdays:
        while day.isoweekday() != MONDAY:
            day = calendar.next(day)
    out = [day]
    while len(out) < count:
        out.append(calendar.next(out[-1]))
    return tuple(out)


def _write_day(catalogue: Catalogue, source: Source, events: Events, target: Path) -> DayReport:
    reports: list[FileReport] = []
    zone = ZoneInfo(catalogue.portfolio.operation.timezone)
    for planned in Day(catalogue, source, events).plan():
        written = files.write(planned, target, events.day, zone)
        first = FileReport(
            planned.name, planned.layout.layout, written.rows, written.bytes, written.sha256, planned.refused
        )
        reports += [first, *(replace(first, name=name, copy_of=first.name) for name in planned.copies)]
    reports += [_stray(catalogue, events, target)] if events.position == 0 else []
    return DayReport(events.day, tuple(reports), _expected(source, events))


def _stray(catalogue: Catalogue, events: Events, target: Path) -> FileReport:
    """A file whose name no layout knows (FA002): a slip of the pen in the name of a remessa."""
    ascob = catalogue.portfolio.ascob
    path = target / f"{events.day:%Y%m%d}_190159_remesa_{ascob}_out.{ascob}"
    path.write_bytes(b"ARQUIVO DE TESTE\r\n")
    zone = ZoneInfo(catalogue.portfolio.operation.timezone)
    files.set_time(path, datetime.combine(events.day, time(19, 1, 59), tzinfo=zone))
    return FileReport(path.name, None, 1, path.stat().st_size, files.sha256(path), {})


def _expected(source: Source, events: Events) -> dict[str, pl.Series]:
    return {
        event: source.numbers(contracts).alias("contrato")
        for event, contracts in events.found.items()
        if len(contracts)
    }
