"""A drop on a real file server, looked at by the product's own sensor and emptied by its own job.

``receiving`` is all that collecting needs; ``receiving_house`` has the days as well. What is put into the drop is put
on the server's disk; everything else goes through the server, where a test asks for faults.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from agency import QUIET, Agency, failures
from aurora import LAYOUTS, NAME, aurora
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus
from dagster._core.storage.schedules.sqlite import SqliteScheduleStorage
from dagster._utils.error import serializable_error_info_from_exc_info
from servers import Certificates, Served, ftp_server, sftp_server

from assets.build import job_name
from assets.collecting import OP, build_collect_job, collect_job_name
from assets.common import Portfolios
from atom_pipeline.layout.catalogue import Catalogue, load_catalogues
from atom_pipeline.plan.days import DaysPlan
from atom_pipeline.plan.poll import Known, read_cursor, write_cursor
from resources import file_server
from resources.day_facts import looking
from resources.file_server import FileServer, Patience
from resources.ledger import Ledger
from resources.ledger_records import FileRecord
from resources.postgres import engine
from resources.runtime import PortfolioRuntime
from resources.settings import Settings, file_url
from sensors.days import look
from sensors.drop import build_drop_sensor, drop_sensor_name
from sensors.opened import OpenedOnce
from sensors.runs import DayRuns

PROTOCOLS = ("sftp", "ftp", "ftps")
SENSOR, JOB = drop_sensor_name(NAME), collect_job_name(NAME)
SHORT = Patience(connect=2.0, idle=1.0, pause=0.01)  # seconds
QUICK = Patience(pause=0.01)
LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)
DAY = date(2026, 11, 13)
ACORDOS, OTHER_ACORDOS = "aurora.71.acordos.13112026.csv", "aurora.71.acordos.14112026.csv"
TITLES = b"acordo,contrato,parcela,motivo,data\n"
CONTENT = TITLES + b"".join(b"9%06d,%08d,1,PAGO,2026-11-13\n" % (number, number) for number in range(10_000))


class Open(OpenedOnce):
    """The test's own portfolio, which is open already."""

    def __init__(self, runtime: PortfolioRuntime) -> None:
        super().__init__(runtime.settings)
        self.runtime = runtime

    def portfolio(self, name: str) -> PortfolioRuntime:
        assert name == self.runtime.name
        return self.runtime


@dataclass
class Receiving:
    """A drop whose sensor is evaluated as the daemon does: its cursor and its ticks are kept between polls."""

    runtime: PortfolioRuntime
    instance: dg.DagsterInstance
    served: Served
    folder: Path  # the drop, on the server's disk
    cursor: str | None = None
    repository: dg.RepositoryDefinition = field(init=False)

    def __post_init__(self) -> None:
        opened = dg.ResourceDefinition.hardcoded_resource(Portfolios({NAME: self.runtime}))
        self.repository = dg.Definitions(
            jobs=[build_collect_job(self.runtime.catalogue)],
            sensors=[build_drop_sensor(self.runtime.catalogue, Open(self.runtime))],
            resources={"portfolios_beside_runs": opened},
        ).get_repository_def()

    def put(self, name: str = ACORDOS, content: bytes = CONTENT, *, mtime: datetime = LONG_AGO) -> Path:
        (self.folder / name).write_bytes(content)
        os.utime(self.folder / name, (mtime.timestamp(), mtime.timestamp()))
        return self.folder / name

    def tick(self) -> SensorExecutionData:
        """A poll, a minute after the one before; what it raises is kept as the tick's error, as the daemon does.

        A good one is kept as a skip: which runs it asked for is asked of the runs themselves.
        """
        self.minutes_pass()
        try:
            with dg.build_sensor_context(
                instance=self.instance, cursor=self.cursor, repository_def=self.repository, sensor_name=SENSOR
            ) as context:
                data = self.repository.get_sensor_def(SENSOR).evaluate_tick(context)
        except Exception:
            self._keep(TickStatus.FAILURE)
            raise
        self.cursor = data.cursor
        self._keep(TickStatus.SKIPPED)
        return data

    def asked(self) -> SensorExecutionData:
        """The tick, of the next two, that asks for a collection."""
        for _ in range(2):
            data = self.tick()
            if data.run_requests:
                return data
        raise AssertionError(data.skip_message)

    def minutes_pass(self, minutes: int = 1) -> None:
        gone = timedelta(minutes=minutes)
        entries = {
            name: replace(one, since=one.since - gone, asked=one.asked and one.asked - gone)
            for name, one in read_cursor(self.cursor).items()
        }
        self.cursor = write_cursor(entries) if self.cursor else None

    def _keep(self, status: TickStatus) -> None:
        origin = RemoteInstigatorOrigin(
            RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("atom"), "__repository__"), SENSOR
        )
        state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE)
        if self.instance.get_instigator_state(state.instigator_origin_id, state.selector_id) is None:
            self.instance.add_instigator_state(state)
        failed = status is TickStatus.FAILURE
        self.instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=SENSOR,
                instigator_type=InstigatorType.SENSOR,
                status=status,
                timestamp=time.time(),
                selector_id=state.selector_id,
                error=serializable_error_info_from_exc_info(sys.exc_info()) if failed else None,
            )
        )

    def tick_errors(self) -> str:
        """All that the ticks' records say of errors, as the UI shows them."""
        [state] = self.instance.all_instigator_state(instigator_type=InstigatorType.SENSOR)
        ticks = self.instance.get_ticks(state.instigator_origin_id, state.selector_id)
        return "\n".join(tick.error.to_string() for tick in ticks if tick.error)

    def obey(self, data: SensorExecutionData) -> dg.ExecuteInProcessResult:
        """The collection that the tick asked for."""
        [request] = data.run_requests or []
        return self._run(request.run_config, request.tags)

    def collect(self, **config: Any) -> dg.ExecuteInProcessResult:
        """The collection, as a person starts it."""
        return self._run({"ops": {OP: {"config": config}}}, {})

    def _run(self, config: Any, tags: Any) -> dg.ExecuteInProcessResult:
        return self.repository.get_job(JOB).execute_in_process(
            instance=self.instance, run_config={**config, **QUIET}, tags=dict(tags), raise_on_error=False
        )

    def files(self) -> list[tuple[str, int, str]]:
        """(name, version, status) of all that was ever collected, in order of arrival."""
        return [(file.name, file.version, str(file.status)) for file in self.records()]

    def records(self) -> list[FileRecord]:
        days = self.runtime.ledger.days_with_files()
        return [file for day in days for file in self.runtime.ledger.files(day, every=True)]

    def archived(self) -> dict[str, bytes]:
        """What lies in the archive by path, unfinished downloads included."""
        archive = self.runtime.archive
        found = archive.rglob("*") if archive.exists() else ()
        return {path.relative_to(archive).as_posix(): path.read_bytes() for path in found if path.is_file()}

    def known(self) -> Mapping[str, Known]:
        """What the ledger knows of the drop's names."""
        return looking(self.runtime).ledger.drop_names()

    def quiet(self) -> bool:
        """Whether the next poll finds nothing to do and forgets all that it remembered."""
        data = self.tick()
        return not data.run_requests and self.cursor == "{}"


def said(data: SensorExecutionData) -> str:
    """Why a tick asked for nothing."""
    return data.skip_message or ""


def table(result: dg.ExecuteInProcessResult) -> dict[str, tuple[str, str]]:
    """File to (result, detail), as a collection shows it: on its output, or on the failure of its step."""
    shown = [event.step_output_data.metadata for event in result.filter_events(lambda one: one.is_successful_output)]
    stops = result.filter_events(lambda one: one.is_step_failure)
    shown += [event.step_failure_data.user_failure_data.metadata for event in stops]
    [found] = [one["arquivos"] for one in shown if "arquivos" in one]
    return {str(row.data["arquivo"]): (str(row.data["resultado"]), str(row.data["detalhe"])) for row in found.records}


def outcomes(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """File to result of a collection that must have succeeded."""
    assert result.success, failures(result)
    return {name: outcome for name, (outcome, _) in table(result).items()}


def days_plan(house: Agency) -> DaysPlan:
    """What the sensor that makes days asks for now, or waits for."""
    keys = house.definitions.resolve_job_def(job_name(NAME)).asset_layer.selected_asset_keys
    graph = house.definitions.resolve_asset_graph()
    assets = list({id(one): one for key in keys if (one := graph.get(key).assets_def)}.values())
    return look(house.runtime, DayRuns(NAME, job_name(NAME), assets), house.instance)


# Servers and drops.


@contextmanager
def serving(protocol: str, root: Path) -> Iterator[Served]:
    """A server of a protocol over a folder."""
    root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        if protocol == "sftp":
            yield stack.enter_context(sftp_server(root))
        else:
            tls = Certificates.make(root.with_name(f"{root.name}.tls")) if protocol == "ftps" else None
            yield stack.enter_context(ftp_server(root, certificates=tls))


@cache
def _catalogue() -> Catalogue:
    return next(one for one in load_catalogues(LAYOUTS) if one.portfolio.portfolio == NAME)


@cache
def _kept_ticks() -> tuple[SqliteScheduleStorage, tempfile.TemporaryDirectory[str]]:
    folder = tempfile.TemporaryDirectory(prefix="atom-ticks-")
    return SqliteScheduleStorage.from_local(folder.name), folder


@contextmanager
def receiving_from(
    served: Served,
    home: Path,
    ledger_url: str,
    *,
    folder: str = "",
    patience: Patience = QUICK,
    clock: Callable[[], datetime] | None = None,
) -> Iterator[Receiving]:
    """A drop that is a folder, else the root, of a server that runs. ``clock`` is the ledger's."""
    url = f"{served.url}{folder}"
    settings = Settings(home, url, file_url(home / "manager"), LAYOUTS, drop_access=served.access)
    connections = engine(ledger_url)
    runtime = PortfolioRuntime(settings, _catalogue(), connections)
    runtime.drop = FileServer(url, served.access, patience)
    if clock is not None:
        runtime.ledger = Ledger(connections, NAME, clock=clock)
    try:
        with dg.DagsterInstance.ephemeral() as instance, _ticks_of(instance):
            yield Receiving(runtime, instance, served, served.root / folder)
    finally:
        connections.dispose()


@contextmanager
def receiving(protocol: str, folder: Path, ledger_url: str, *, patience: Patience = QUICK) -> Iterator[Receiving]:
    """A drop on a server of this protocol, empty."""
    with (
        serving(protocol, folder / "drop") as served,
        receiving_from(served, folder / "home", ledger_url, patience=patience) as one,
    ):
        yield one


@contextmanager
def receiving_house(protocol: str, home: Path, ledger_url: str) -> Iterator[tuple[Agency, Receiving]]:
    """The portfolio with its days, in a home that may have some already; its drop is on a server of this protocol."""
    with serving(protocol, home / "drop") as served, aurora(home, ledger_url) as house, _ticks_of(house.instance):
        house.runtime.drop = FileServer(served.url, served.access, QUICK)
        yield house, Receiving(house.runtime, house.instance, served, served.root)


@contextmanager
def _ticks_of(instance: dg.DagsterInstance) -> Iterator[None]:
    storage, _ = _kept_ticks()
    storage.wipe()
    instance._schedule_storage = storage
    yield


def hurry(monkeypatch: pytest.MonkeyPatch, patience: Patience = QUICK) -> None:
    """Let every server that is opened from now on be waited for no longer than this."""
    monkeypatch.setattr(file_server, "Patience", partial(replace, patience))
