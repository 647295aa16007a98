"""An agency for tests: a home of its own, files written in the bank's formats, and days run by Dagster's own job."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
from dagster._core.event_api import EventRecordsResult
from dagster._core.storage.event_log import InMemoryEventLogStorage
from databases import Ledgers
from sqlalchemy import Connection

from assets.build import build_defs, job_name
from assets.common import portfolios_resource
from atom_pipeline.layout.catalogue import load_catalogues
from atom_pipeline.layout.schema import record_schema
from atom_pipeline.layout.writing import write_file
from resources.collect import CollectReport, collect
from resources.omne_settings import OmneAccess
from resources.report import WrittenReport, report_path
from resources.runtime import Clock, PortfolioRuntime, open_portfolios
from resources.settings import PROJECT_ROOT, Settings, file_url

QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}

ZONE = ZoneInfo("America/Sao_Paulo")
AFTER_THE_DEADLINE = time(6, 45)

# People with valid check digits who do not exist.
ANA, BIA, CAIO, DORA = "52998224725", "11144477735", "39053344705", "12345678909"


class EventsOfRuns(InMemoryEventLogStorage):
    """Dagster's log with the events of each run and no history of assets, which is half of what a small day costs.

    No rule reads that history (the ledger and the lake are the memory); Dagster looks up in it which version of each
    input an asset was made from, and which materialization a check is about. The command line's and the demo's tests
    run their days on a whole instance, with PostgreSQL.
    """

    def __init__(self, preload: None = None) -> None:
        self._unwritten: list[dg.EventLogEntry] = []
        super().__init__(preload=preload)

    def store_event(self, event: dg.EventLogEntry) -> None:
        self._unwritten.append(event)  # until somebody asks: most tests never do

    @contextmanager
    def _connect(self) -> Iterator[Connection]:
        with self._db_lock, self._held_conn.begin():
            for event in self._unwritten:
                self._held_conn.execute(self.prepare_insert_event(event))
            self._unwritten.clear()
            yield self._held_conn

    def get_asset_records(self, asset_keys: Sequence[dg.AssetKey] | None = None) -> list[Any]:  # noqa: ARG002
        return []

    def fetch_materializations(self, *_: Any, **__: Any) -> EventRecordsResult:
        return EventRecordsResult([], "", False)

    def fetch_observations(self, *_: Any, **__: Any) -> EventRecordsResult:
        return EventRecordsResult([], "", False)


@contextmanager
def small_instance() -> Iterator[dg.DagsterInstance]:
    """An instance for one test, in memory, that keeps runs and their events."""
    with (
        patch("dagster._core.storage.event_log.InMemoryEventLogStorage", EventsOfRuns),
        patch("dagster._core.storage.event_log.in_memory.stamp_alembic_rev"),  # it reads every migration there was
        patch("dagster._core.storage.runs.in_memory.stamp_alembic_rev"),
    ):
        instance = dg.DagsterInstance.ephemeral()
    assert isinstance(instance.event_log_storage, EventsOfRuns)
    with instance:
        yield instance


def definitions(settings: Settings, clock: Clock) -> dg.Definitions:
    """The code location over these settings. Its assets and jobs are made once in a process for the same documents."""
    made = _made(settings.layouts, tuple(catalogue.fingerprint() for catalogue in load_catalogues(settings.layouts)))
    resources = {
        "portfolios": portfolios_resource(settings, clock),
        "portfolios_beside_runs": portfolios_resource(settings, clock, alone=False),
    }
    assert resources.keys() == made.resources.keys()
    return dg.Definitions(assets=made.assets, jobs=made.jobs, resources=resources, executor=made.executor)


@cache
def _made(layouts: Path, _fingerprints: tuple[str, ...]) -> dg.Definitions:
    return build_defs(Settings(Path("/nowhere"), "file:///nowhere/drop", "file:///nowhere/manager", layouts))


@dataclass
class Agency:
    """A portfolio's runtime, its definitions, and an instance of Dagster that ends with the test."""

    runtime: PortfolioRuntime
    definitions: dg.Definitions
    instance: dg.DagsterInstance
    clock: list[datetime]  # the present moment
    stopped: bool = False  # a test that says what time it is keeps it; else a day is run after its own deadline

    @property
    def drop(self) -> Path:
        return Path(self.runtime.settings.drop_url.removeprefix("file://"))

    @property
    def manager(self) -> Path:
        return Path(self.runtime.settings.manager_url.removeprefix("file://"))

    def put(self, layout: str, name: str, rows: Sequence[Mapping[str, Any]], *, day: date) -> Path:
        """Write a file of a layout with one detail record type to the drop."""
        spec = self.runtime.catalogue.layouts[layout]
        target = self.drop / name
        record = spec.version_on(day).details[0]
        known = record_schema(record)
        names = [name for name in known if any(name in row for row in rows)]
        unknown = {name for row in rows for name in row} - known.keys()
        assert not unknown, f"{layout} has no field {unknown}"
        frame = pl.DataFrame(rows, schema={name: known[name] for name in names or ["contrato"]})
        write_file(spec, {record.name: frame}, target, day=day)
        return target

    def put_bytes(self, name: str, content: bytes) -> Path:
        target = self.drop / name
        target.write_bytes(content)
        return target

    def collect(self) -> CollectReport:
        runtime = self.runtime
        return collect(
            runtime.drop,
            runtime.catalogue,
            runtime.ledger,
            runtime.archive,
            runtime.calendar,
            pause=0,
            others=runtime.others,
        )

    def run(self, day: date, *, only: Sequence[dg.AssetKey] | None = None) -> dg.ExecuteInProcessResult:
        """Run a day, or some assets of it, as Dagster does."""
        if not self.stopped:
            self.clock[0] = datetime.combine(day, AFTER_THE_DEADLINE, tzinfo=ZONE)
        job = self.definitions.resolve_job_def(job_name(self.runtime.name))
        return job.execute_in_process(
            partition_key=f"{day:%Y-%m-%d}",
            instance=self.instance,
            raise_on_error=False,
            run_config=QUIET,
            asset_selection=list(only) if only else None,
        )

    def make(self, day: date) -> dg.ExecuteInProcessResult:
        """Collect, then run the day, which must succeed."""
        report = self.collect()
        assert not report.errors and not report.unstable, report
        result = self.run(day)
        assert result.success, failures(result)
        return result

    def table(self, name: str, day: date) -> pl.DataFrame:
        return self.runtime.lake.read(name, day)

    def situacoes(self, day: date) -> dict[str, str]:
        return dict(self.table("contratos", day).select("contrato", "situacao").iter_rows())

    def sent(self) -> list[str]:
        """Names at Manager, in order."""
        return sorted(path.name for path in self.manager.iterdir())


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """What stopped a run, in words."""
    out = []
    for event in result.filter_events(lambda event: event.is_step_failure):
        data = event.step_failure_data
        said = data.user_failure_data.description if data.user_failure_data else None
        out.append(f"{event.step_key}: {said or data.error}")
    return out


def checks(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    """Each check of a run: `asset.check` and whether it passed."""
    return {f"{one.asset_key.path[-1]}.{one.check_name}": one.passed for one in result.get_asset_check_evaluations()}


def _no_page(runtime: PortfolioRuntime, day: date) -> WrittenReport:
    return WrittenReport(report_path(runtime, day), "", 0, (), "")


@contextmanager
def agency(
    home: Path,
    postgres_url: str,
    *,
    layouts: Path = PROJECT_ROOT / "layouts",
    now: datetime | None = None,
    portfolio: str | None = None,
    omne: OmneAccess = OmneAccess(),  # noqa: B008
    reports: bool = False,
) -> Iterator[Agency]:
    """An agency with an empty drop. ``now`` stops its clock; else each day is run on its own morning.

    ``portfolio`` is the one it works on, needed where ``layouts`` has several. Without ``reports`` the days' last asset
    draws no page, which is a seventh of what a small day costs.
    """
    settings = Settings(
        home=home,
        drop_url=file_url(home / "drop"),
        manager_url=file_url(home / "manager"),
        layouts=layouts,
        postgres_url=postgres_url,
        omne=omne,
    )
    moment = [now or datetime(2026, 11, 9, 6, 45, tzinfo=ZONE)]

    def clock() -> datetime:
        return moment[0]

    drawing = nullcontext() if reports else patch("assets.report.write_report", _no_page)
    with open_portfolios(settings, clock=clock) as portfolios, small_instance() as instance, drawing:
        if portfolio is None:
            (portfolio,) = portfolios
        runtime = portfolios[portfolio]
        yield Agency(runtime, definitions(settings, clock), instance, moment, stopped=now is not None)


@dataclass(frozen=True)
class KeptDays:
    """A home and a ledger as an agency's days left them, for many tests to go on from."""

    home: Path
    ledger_url: str

    @contextmanager
    def taken_up(self, home: Path, ledgers: Ledgers) -> Iterator[Agency]:
        """An agency that goes on from these days, with a copy of its own."""
        shutil.copytree(self.home, home, dirs_exist_ok=True)
        url = ledgers.lend_copy(self.ledger_url)
        try:
            with agency(home, url) as one:
                yield one
        finally:
            ledgers.give_back(url)


def client(contrato: str, cpf: str = ANA, **values: Any) -> dict[str, Any]:
    """A row of the remessa: one contract, one phone unless others are given."""
    return {
        "contrato": contrato,
        "tipo_pessoa": "F",
        "cpf_cnpj": cpf,
        "nome": "CLIENTE DE TESTE",
        "carteira": "VEICULOS",
        "produto": "CDC",
        "cod_assessoria": "528",
        "dias_atraso": 45,
        "telefone_1_ddd": "31",
        "telefone_1_numero": "9" + contrato[-8:].rjust(8, "8"),
    } | values
