"""One portfolio, opened: its documents, calendar, lake, ledger, archive and servers, for assets and command line alike.

Only the wiring and the few questions that need several of them at once belong here. Nothing is opened at import; a
server is first spoken to when it is first used.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from sqlalchemy.engine import Engine

from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.day import (
    DayFile,
    Decision,
    Expected,
    KnownBase,
    Outcome,
    Sending,
    Taken,
    decisions_fingerprint,
    expected_files,
    fold_fingerprint,
    is_verdict_on,
    sending,
    stale_days,
    step_fingerprint,
    waits_of_batimento,
)
from atom_pipeline.errors import AtomError
from atom_pipeline.layout.catalogue import Catalogue, load_catalogues
from atom_pipeline.layout.model import Layout, Personal, Stage
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.retention import Part
from atom_pipeline.rules.groups import meanings
from resources.file_server import FileServer
from resources.lake import Lake
from resources.ledger import Ledger, migrate
from resources.ledger_records import IMPORT_BASE, FileRecord, VerdictRecord
from resources.ledger_records import Decision as Decided
from resources.postgres import database, engine
from resources.settings import Settings

if TYPE_CHECKING:
    import polars as pl

    from atom_pipeline.sql import Database

Clock = Callable[[], datetime]
IMPORTED = "base_inicial"  # among a base's tables: it was not made by a run but brought at go-live
# What the precondition of UC006 names: a file of these that was collected is read before the batimento runs.
BEFORE_BATIMENTO = (
    Stage.REMESSA,
    Stage.PARCELAS,
    Stage.GARANTIAS,
    Stage.TELEFONES,
    Stage.REFIN,
    Stage.ACORDOS,
    Stage.EXCLUSAO,
)
OUTCOMES = {"loaded": Outcome.LOADED, "refused": Outcome.REFUSED}


# Columns of the base's tables that hold personal data under one name everywhere.
PERSONAL_COLUMNS: Mapping[str, Personal] = {
    "cpf_cnpj": Personal.DOCUMENT,
    "nome": Personal.NAME,
    "telefone": Personal.PHONE,
    "numero": Personal.PHONE,
    "email": Personal.EMAIL,
    "logradouro": Personal.ADDRESS,
    "complemento": Personal.ADDRESS,
    "bairro": Personal.ADDRESS,
    "cep": Personal.ADDRESS,
    "original": Personal.NAME,
}


@dataclass
class PortfolioRuntime:
    """A portfolio with all that its day needs."""

    settings: Settings
    catalogue: Catalogue
    engine: Engine
    clock: Clock | None = None
    postgres_url: str = field(default="", repr=False)
    others: tuple[Catalogue, ...] = field(default=(), repr=False)  # portfolios that share the drop
    models: Database | None = field(default=None, repr=False)  # where a run has its models computed; else each alone
    # the hash of the mailing that was looked at last, and what it says that Manager should have: see ``manager``
    desired: tuple[str, pl.DataFrame] | None = field(default=None, repr=False)

    @property
    def portfolio(self) -> Portfolio:
        return self.catalogue.portfolio

    @property
    def name(self) -> str:
        return self.portfolio.portfolio

    @cached_property
    def calendar(self) -> WorkingCalendar:
        return WorkingCalendar(self.portfolio.operation)

    @cached_property
    def lake(self) -> Lake:
        return Lake(self.settings.home, self.portfolio.prefix)

    @cached_property
    def ledger(self) -> Ledger:
        return Ledger(self.engine, self.name)

    @cached_property
    def drop(self) -> FileServer:
        return FileServer(self.settings.drop_url, self.settings.drop_access)

    @cached_property
    def manager(self) -> FileServer:
        return FileServer(self.settings.manager_url, self.settings.manager_access)

    @property
    def archive(self) -> Path:
        return self.settings.archive(self.portfolio.prefix)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.portfolio.operation.timezone)

    def now(self) -> datetime:
        """The present moment, in the portfolio's time zone."""
        return self.clock() if self.clock else datetime.now(self.zone)

    def archived(self, file: FileRecord) -> Path:
        """Where a collected file lies."""
        return self.archive / file.archived_path

    def layouts(self, *stages: Stage) -> list[Layout]:
        """The layouts that are read, of these stages (all of them when none is given), by name."""
        found = [layout for layout in self.catalogue.layouts.values() if layout.direction == "in"]
        return sorted((layout for layout in found if not stages or layout.stage in stages), key=lambda one: one.layout)

    def output_layout(self, stage: Stage) -> Layout:
        """The layout written for a stage. Raises AtomError when the portfolio has none."""
        for layout in self.catalogue.layouts.values():
            if layout.direction == "out" and layout.stage is stage:
                return layout
        raise AtomError(
            f"portfolio {self.name} has no output layout of stage {stage}: add one to {self.catalogue.folder}"
        )

    def remessa_codes(self, day: date, group: str) -> dict[str, str]:
        """Meanings of the type codes of a repeating group of the remessa, e.g. of its phones."""
        found: dict[str, str] = {}
        for layout in self.layouts(Stage.REMESSA):
            found |= meanings(layout.version_on(day), group, "tipo")
        return found

    def day_files(self, day: date) -> list[DayFile]:
        """The current files of a day and what became of each, in order of arrival."""
        files = self.ledger.files(day)
        loads = self.ledger.loads_of(files)
        out: list[DayFile] = []
        for file in files:
            load = loads.get(file.id)
            out.append(
                DayFile(
                    name=file.name,
                    layout=file.layout,
                    sha256=file.sha256,
                    arrival=file.arrival,
                    stamp=file.stamp,
                    outcome=Outcome.PENDING if load is None else OUTCOMES[load.outcome],
                    code=load.code if load else None,
                    message=load.message if load else None,
                )
            )
        return out

    def taken(self, day: date) -> list[Taken]:
        """The operators' decisions about a day that the day's rules know."""
        return _taken(self.ledger.decisions(day))

    def expected(self, day: date) -> list[Expected]:
        return expected_files(self.portfolio, day, self.day_files(day), self.taken(day), self.now())

    def batimento_waits(self, day: date) -> list[str]:
        """What the day's batimento waits for, in words; empty when it may run (R021)."""
        before = {layout.layout for layout in self.layouts(*BEFORE_BATIMENTO)}
        return waits_of_batimento(self.portfolio, self.expected(day), self.day_files(day), before)

    def verdicts(self, day: date) -> list[VerdictRecord]:
        """The verdicts in force on a day: of each guard the last, if it is about the files the day has now."""
        last = {verdict.guard: verdict for verdict in self.ledger.verdicts(day)}
        files = self.day_files(day) if last else []
        return [
            verdict
            for guard, verdict in last.items()
            if is_verdict_on(verdict.fingerprint, self._fingerprint_of(files, Stage(guard)))
        ]

    def is_over(self, day: date) -> bool:
        """Whether a later working day has begun."""
        return self.calendar.next(day) <= self.now().date()

    def refuse_if_no_partition(self, day: date) -> None:
        """Raise AtomError for a day that is no partition: it does not operate, or it is before the first one."""
        operation = self.portfolio.operation
        if day < operation.start:
            raise AtomError(f"{day:%Y-%m-%d} is before the first day of {self.name}, {operation.start:%Y-%m-%d}")
        if not self.calendar.is_working(day):
            following = self.calendar.next(day)
            raise AtomError(f"{day:%Y-%m-%d} does not operate: what falls on it belongs to {following:%Y-%m-%d}")
        last = self.calendar.next(self.now().date())
        if day > last:
            raise AtomError(f"{day:%Y-%m-%d} has not come: the last day that can be made is {last:%Y-%m-%d}")

    def sending(self, day: date) -> Sending:
        """What may be sent for a day now, and why not when it may not."""
        last = self.ledger.last_sent_wave()
        batimento = {layout.layout for layout in self.layouts(Stage.BATIMENTO)}
        came = any(file.layout in batimento for file in self.day_files(day))
        return sending(
            self.portfolio,
            day,
            expected=self.expected(day),
            held=[verdict.guard for verdict in self.verdicts(day) if verdict.stands_in_the_way],
            waits=self.batimento_waits(day) if came else [],
            decisions=self.taken(day),
            now=self.now(),
            last_sent=last.day if last else None,
            stale=day in self.stale(),
            over=self.is_over(day),
        )

    def personal_columns(self, day: date) -> dict[str, Personal]:
        """Columns of the base's tables that hold personal data: the base's own, and those marked in a layout."""
        found: dict[str, Personal] = dict(PERSONAL_COLUMNS)
        for layout in self.catalogue.layouts.values():
            for record in layout.version_on(day).details:
                found |= {field.name: field.personal for field in record.fields if field.personal is not None}
        return found

    def guard_fingerprint(self, day: date, stage: Stage) -> str:
        """Identity of the files that a guard judges: a release is about these and no others."""
        return self._fingerprint_of(self.day_files(day), stage)

    def _fingerprint_of(self, files: Iterable[DayFile], stage: Stage) -> str:
        return step_fingerprint([file.identity for file in files], {layout.layout for layout in self.layouts(stage)})

    def stale(self) -> list[date]:
        """Days whose base is missing or no longer what its inputs would give, in order."""
        bases, now = self.inputs()
        return stale_days(bases, now, list(now))

    def inputs(self) -> tuple[dict[date, KnownBase], dict[date, str]]:
        """The bases, and by day, oldest first, the fold's fingerprint as it would be now, from the base before it.

        Both are of the days that have files or a base; those before an imported base, or before the base that the
        first day starts from whose files are still kept, have none.
        """
        bases = {
            base.day: KnownBase(base.day, base.hash, base.inputs, base.previous_day, base.previous_hash)
            for base in self.ledger.bases()
        }
        files = self.ledger.identities()
        decisions: dict[date, list[Decided]] = {}
        for decision in self.ledger.decisions():
            decisions.setdefault(decision.day, []).append(decision)
        began = self._began()
        days = sorted(set(bases) | set(files))
        if began is not None:
            days = [day for day in days if day >= began]
        fingerprints: dict[date, str] = {}
        previous: str | None = None
        for day in days:
            obeyed = decisions_fingerprint(_taken(decisions.get(day, [])))
            now = fold_fingerprint(files.get(day, []), obeyed, previous)
            fingerprints[day] = bases[day].inputs if day == began else now
            previous = bases[day].hash if day in bases else previous
        return {day: base for day, base in bases.items() if day in fingerprints}, fingerprints

    def _began(self) -> date | None:
        """The day whose base stands for all before it: the agency's, or the last before the files that are kept."""
        bases = self.ledger.bases()
        floor = self.ledger.pruned_before(Part.ARCHIVE)
        stand = [base.day for base in bases if IMPORTED in base.tables]
        stand += [base.day for base in bases if floor is not None and base.day < floor][-1:]
        return max(stand, default=None)

    def refuse_unfinished_import(self) -> None:
        """Raise AtomError while a base was accepted and is not there yet: a day made now would start from nothing."""
        begun = [decision for decision in self.ledger.decisions() if decision.what == IMPORT_BASE]
        if begun and not self.ledger.bases():
            day = begun[-1].day
            raise AtomError(
                f"the import of the base of {day:%Y-%m-%d} was begun and is not finished: run the import again "
                f"(`atom base import FILE.csv --day {day:%Y-%m-%d} --accept`), then the days after it"
            )

    def collected_until(self, day: date) -> list[FileRecord]:
        """The current files of ``day`` and of every day before it, by day and in order of arrival."""
        days = [one for one in self.ledger.identities() if one <= day]
        return [file for one in days for file in self.ledger.files(one)]

    def behind_import(self) -> list[tuple[date, str]]:
        """(day, name) of the files that came after the base was imported, of days that this base stands for.

        They are never read: what is in them and not in the agency's file is missing from the base. The files that
        were there when the base was accepted are not among them.
        """
        base = next((base for base in self.ledger.bases() if base.imported), None)
        if base is None:
            return []
        accepted = max(decision.at for decision in self.ledger.decisions() if decision.what == IMPORT_BASE)
        return [(file.day, file.name) for file in self.collected_until(base.day) if file.collected_at > accepted]


def _taken(decisions: Iterable[Decided]) -> list[Taken]:
    known = set(Decision)
    return [Taken(Decision(one.what), one.reference) for one in decisions if one.what in known]


@contextmanager
def open_portfolios(settings: Settings, *, clock: Clock | None = None) -> Iterator[dict[str, PortfolioRuntime]]:
    """Every portfolio of the layouts' folder, on one database, migrated. The embedded server starts if needed."""
    settings.prepare()
    catalogues = load_catalogues(settings.layouts)
    with database(settings) as store:
        connections = engine(store.url)
        try:
            migrate(connections)
            yield {
                catalogue.portfolio.portfolio: PortfolioRuntime(
                    settings,
                    catalogue,
                    connections,
                    clock,
                    postgres_url=store.url,
                    others=tuple(other for other in catalogues if other is not catalogue),
                )
                for catalogue in catalogues
            }
        finally:
            connections.dispose()
