"""The drop's sensor and the job it asks for, over a real ledger: what is brought, what is not, what is waited for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from agency import QUIET, failures
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.definitions.sensor_definition import SensorExecutionData
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import InstigatorState, InstigatorStatus, TickData, TickStatus
from dagster._core.storage.schedules.sqlite import SqliteScheduleStorage
from dagster_shared.error import SerializableErrorInfo
from sqlalchemy import text

from assets.collecting import OP, build_collect_job, collect_job_name
from assets.common import Portfolios
from atom_pipeline.layout.catalogue import Catalogue, load_catalogue
from atom_pipeline.plan.poll import Seen
from resources.alarm_facts import ledger_facts
from resources.drop_names import DropNames
from resources.file_server import AccessRefused, Downloaded, FileServer, FileServerError, RemoteFile
from resources.ledger import Ledger
from resources.runtime import PortfolioRuntime
from resources.settings import PROJECT_ROOT, Settings, file_url
from sensors.alarm_runs import with_dagster
from sensors.drop import (
    AccessRefusedBefore,
    BoundedListing,
    ListingTooLong,
    build_drop_sensor,
    drop_sensor_name,
    poll,
)
from sensors.opened import OpenedOnce

PORTFOLIO = "banco_pan_veiculos"
SENSOR = drop_sensor_name(PORTFOLIO)
LONG_AGO = datetime(2026, 11, 1, tzinfo=UTC)
ACORDOS, OTHER_ACORDOS = "AcordosBaixados_09112026_528.csv", "AcordosBaixados_10112026_528.csv"
STRANGER, CORRECTION = "foto.jpg", f"{ACORDOS}.erros.csv"


class Open(OpenedOnce):
    """The test's own portfolio, which is open already."""

    def __init__(self, runtime: PortfolioRuntime) -> None:
        super().__init__()
        self.runtime = runtime

    def portfolio(self, name: str) -> PortfolioRuntime:
        assert name == self.runtime.name
        return self.runtime


@dataclass
class Drop:
    """A drop whose sensor is evaluated as the daemon does, its cursor kept between ticks."""

    runtime: PortfolioRuntime
    instance: dg.DagsterInstance
    repository: dg.RepositoryDefinition
    folder: Path
    cursor: str | None = None

    def put(self, name: str, content: bytes = b"x", *, mtime: datetime = LONG_AGO) -> None:
        (self.folder / name).write_bytes(content)
        os.utime(self.folder / name, (mtime.timestamp(), mtime.timestamp()))

    def tick(self) -> SensorExecutionData:
        with dg.build_sensor_context(
            instance=self.instance, cursor=self.cursor, repository_def=self.repository, sensor_name=SENSOR
        ) as context:
            data = self.repository.get_sensor_def(SENSOR).evaluate_tick(context)
        self.cursor = data.cursor
        return data

    def collect(self, **config: Any) -> dg.ExecuteInProcessResult:
        """The job, as a person starts it."""
        return self.run({"ops": {OP: {"config": config}}}, {})

    def run(self, config: Any, tags: Any) -> dg.ExecuteInProcessResult:
        job = self.repository.get_job(collect_job_name(PORTFOLIO))
        return job.execute_in_process(
            instance=self.instance, run_config={**config, **QUIET}, tags=dict(tags), raise_on_error=False
        )

    def obey(self, data: SensorExecutionData) -> dg.ExecuteInProcessResult:
        """The run that the tick asked for."""
        [request] = data.run_requests or []
        return self.run(request.run_config, request.tags)

    def brought(self) -> list[str]:
        found = self.runtime.ledger.identities()
        return sorted(name for names in found.values() for _, name, _ in names)


@pytest.fixture(scope="module")
def ticks(tmp_path_factory: pytest.TempPathFactory) -> SqliteScheduleStorage:
    return SqliteScheduleStorage.from_local(str(tmp_path_factory.mktemp("ticks")))


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(PROJECT_ROOT / "layouts" / PORTFOLIO)


@pytest.fixture
def drop(tmp_path: Path, ledger: Ledger, catalogue: Catalogue, ticks: SqliteScheduleStorage) -> Iterator[Drop]:
    folder = tmp_path / "drop"
    folder.mkdir()
    settings = Settings(tmp_path, file_url(folder), file_url(tmp_path / "manager"), PROJECT_ROOT / "layouts")
    runtime = PortfolioRuntime(settings, catalogue, ledger.engine)
    opened = dg.ResourceDefinition.hardcoded_resource(Portfolios({PORTFOLIO: runtime}))
    definitions = dg.Definitions(
        jobs=[build_collect_job(catalogue)],
        sensors=[build_drop_sensor(catalogue, Open(runtime))],
        resources={"portfolios_beside_runs": opened},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        instance._schedule_storage = ticks
        yield Drop(runtime, instance, definitions.get_repository_def(), folder)
        ticks.wipe()


def said(data: SensorExecutionData) -> str:
    return data.skip_message or ""


def table(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """File to result, as the job shows it: on its output, or on the failure of its step."""
    outputs = [
        event.step_output_data.metadata for event in result.filter_events(lambda event: event.is_successful_output)
    ]
    stops = result.filter_events(lambda event: event.is_step_failure)
    outputs += [event.step_failure_data.user_failure_data.metadata for event in stops]
    [found] = [one["arquivos"] for one in outputs]
    return {str(row.data["arquivo"]): str(row.data["resultado"]) for row in found.records}


def test_a_file_is_brought_after_two_looks_and_then_left_alone(drop: Drop) -> None:
    drop.put(ACORDOS)
    drop.put(STRANGER)
    first = drop.tick()
    assert not first.run_requests
    assert f"{ACORDOS}: ainda não está estável" in said(first)
    before = drop.cursor
    [killed] = drop.tick().run_requests or []
    drop.cursor = before  # as when the daemon is killed before the tick is kept: the next one asks for the very same
    second = drop.tick()
    [request] = second.run_requests or []
    assert request.run_key == killed.run_key
    assert request.tags["atom/portfolio"] == PORTFOLIO
    result = drop.obey(second)
    assert result.success
    assert table(result) == {ACORDOS: "coletado", STRANGER: "nenhum layout conhece"}
    assert drop.brought() == [ACORDOS]
    third = drop.tick()
    assert not third.run_requests
    assert f"já relatados: {STRANGER}" in said(third)
    assert drop.cursor == "{}"


def test_a_file_that_changed_after_the_second_look_is_not_brought_and_asked_for_again(drop: Drop) -> None:
    drop.put(ACORDOS)
    drop.tick()
    asked = drop.tick()
    drop.put(ACORDOS, b"xy")
    result = drop.obey(asked)
    assert (result.success, table(result), drop.brought()) == (True, {ACORDOS: "ainda não está estável"}, [])
    assert not drop.tick().run_requests
    drop.obey(drop.tick())
    assert drop.brought() == [ACORDOS]


def test_one_that_cannot_be_brought_fails_the_run_after_the_others_were(drop: Drop) -> None:
    drop.put(CORRECTION, b"linha;original\n")  # about a file that never came
    drop.put(OTHER_ACORDOS)
    drop.put(ACORDOS)
    drop.tick()
    asked = drop.tick()
    (drop.folder / OTHER_ACORDOS).unlink()
    result = drop.obey(asked)
    assert not result.success
    assert table(result) == {ACORDOS: "coletado", OTHER_ACORDOS: "não está mais na entrada", CORRECTION: "erro"}
    assert [CORRECTION in line and ACORDOS in line for line in failures(result)] == [True]
    [event] = result.filter_events(lambda event: event.is_step_failure)
    assert event.step_failure_data.user_failure_data.metadata["tentar de novo"].value is False
    assert drop.brought() == [ACORDOS]
    assert not drop.tick().run_requests  # not before its pause is over


def test_a_file_that_is_not_brought_stays_told_while_others_are(drop: Drop, monkeypatch: pytest.MonkeyPatch) -> None:
    download = FileServer.download

    def refuse(server: FileServer, listed: RemoteFile, target: Path) -> Downloaded:
        if listed.name == ACORDOS:
            raise FileServerError("sem permissão de leitura")
        return download(server, listed, target)

    def failing() -> list[str]:
        facts = with_dagster(ledger_facts(drop.runtime), drop.instance, PORTFOLIO, [])
        return [error for run in facts.failed_runs for error in run.errors]

    drop.put(ACORDOS)
    drop.put(OTHER_ACORDOS)
    monkeypatch.setattr(FileServer, "download", refuse)
    assert not drop.collect(nomes=[ACORDOS]).success
    assert drop.collect(nomes=[OTHER_ACORDOS]).success
    assert ["sem permissão" in error for error in failing()] == [True]
    monkeypatch.undo()
    assert drop.collect(nomes=[ACORDOS, OTHER_ACORDOS]).success
    assert failing() == []


def test_a_person_brings_one_named_file_now(drop: Drop) -> None:
    drop.put(ACORDOS)
    drop.put(OTHER_ACORDOS)
    result = drop.collect(nomes=[ACORDOS])
    assert (result.success, table(result), drop.brought()) == (True, {ACORDOS: "coletado"}, [ACORDOS])
    result = drop.collect(nomes=["nada.csv"])
    assert failures(result) == [f"{OP}: nada.csv: não está na entrada"]
    assert table(drop.collect()) == {ACORDOS: "já coletado", OTHER_ACORDOS: "coletado"}


def test_two_at_the_same_moment_one_collects_and_the_other_says_so(drop: Drop) -> None:
    drop.put(ACORDOS)
    drop.tick()
    with drop.runtime.ledger.exclusive("coleta") as alone:
        assert alone
        waiting = drop.tick()
        assert not waiting.run_requests
        assert "depois da coleta em andamento (em outro processo)" in said(waiting)
        result = drop.collect(nomes=[ACORDOS])
        assert (result.success, table(result), drop.brought()) == (True, {}, [])
    drop.obey(drop.tick())
    assert drop.brought() == [ACORDOS]


def test_a_drop_that_cannot_be_listed_fails_the_tick_and_keeps_the_cursor(drop: Drop) -> None:
    drop.put(ACORDOS)
    drop.tick()
    before = drop.cursor
    drop.folder.rename(drop.folder.with_name("away"))
    with pytest.raises(FileServerError):
        drop.tick()
    assert drop.cursor == before
    drop.folder.with_name("away").rename(drop.folder)
    assert drop.tick().run_requests


COLLECTED = (
    """insert into controle.sightings (portfolio, name, size, mtime, first_seen_at, verified_at)
    select :portfolio, unnest(cast(:names as text[])), 1, :mtime, :mtime, :verified""",
    """insert into controle.files
    (portfolio, name, layout, day, sha256, size, version, status, arrival, archived_path, excel, collected_at)
    select :portfolio, name, 'remessa_assessoria', day, name, 1, 1, 'current', number, '', false, :mtime
    from unnest(cast(:names as text[]), cast(:days as date[])) with ordinality as one (name, day, number)""",
)


def refused(drop: Drop, *minutes_ago: int, error: str = "AccessRefused") -> None:
    """Ticks of the sensor that failed since the server refused us."""
    location = RegisteredCodeLocationOrigin("atom")
    origin = RemoteInstigatorOrigin(RemoteRepositoryOrigin(location, "__repository__"), SENSOR)
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE)
    if drop.instance.get_instigator_state(state.instigator_origin_id, state.selector_id) is None:
        drop.instance.add_instigator_state(state)
    cause = SerializableErrorInfo(f"resources.transport.{error}: sftp://banco: senha recusada\n", [], error)
    for ago in minutes_ago:
        drop.instance.create_tick(
            TickData(
                instigator_origin_id=state.instigator_origin_id,
                instigator_name=SENSOR,
                instigator_type=InstigatorType.SENSOR,
                status=TickStatus.FAILURE,
                timestamp=time.time() - 60 * ago,
                selector_id=state.selector_id,
                error=SerializableErrorInfo("Error in sensor", [], "SensorExecutionError", cause=cause),
            )
        )


def test_a_server_that_refused_us_is_not_asked_again_for_a_while(drop: Drop) -> None:
    refused(drop, 9)
    with pytest.raises(AccessRefused, match=r"^sftp://banco: senha recusada\. Não foi tentado agora"):
        drop.tick()
    assert drop.collect().success  # a person corrected the access and tried at once
    assert not drop.tick().run_requests


@pytest.mark.parametrize(
    ("refusals", "asked"), [((11,), True), ((11, 12), False), ((31, 32), True), ((59, 80, 90, 100), False)]
)
def test_it_is_asked_more_rarely_the_more_it_refused(drop: Drop, refusals: tuple[int, ...], asked: bool) -> None:
    refused(drop, *refusals)
    refused(drop, *range(1, min(refusals), 7), error="AccessRefusedBefore")  # ticks that did not ask count for nothing
    if asked:
        drop.tick()
    else:
        with pytest.raises(AccessRefusedBefore):
            drop.tick()


class Hanging(FileServer):
    """A server that accepts and answers when it is let."""

    def __init__(self) -> None:
        self.label = "sftp://banco"
        self.let = threading.Event()
        self.listings = 0

    def list(self) -> list[RemoteFile]:
        self.listings += 1
        self.let.wait(60)
        return []


def test_a_server_that_hangs_holds_neither_the_tick_nor_more_than_one_thread() -> None:
    server, listing = Hanging(), BoundedListing(0.1)
    started = time.monotonic()
    with pytest.raises(ListingTooLong, match="não terminou em 0 s"):
        listing.of(server)
    with pytest.raises(ListingTooLong, match="uma listagem começada há"):
        listing.of(server)
    assert time.monotonic() - started < 20
    server.let.set()
    until = time.monotonic() + 20
    while time.monotonic() < until:
        try:
            assert listing.of(server) == []
            break
        except ListingTooLong:
            time.sleep(0.01)
    assert server.listings == 2


def test_a_drop_of_ten_thousand_files_costs_less_than_two_seconds_and_no_cursor(drop: Drop) -> None:
    runtime = drop.runtime
    names = DropNames(runtime.catalogue, runtime.calendar, runtime.others)
    stamps = [LONG_AGO + timedelta(seconds=31 * number) for number in range(10_000)]
    listed = [RemoteFile(f"{stamp:%Y%m%d_%H%M%S}_remessa_528_out.528", 1, LONG_AGO) for stamp in stamps]
    days = [names.day(names.matches(file.name)[0]) for file in listed]
    collected = {
        "portfolio": PORTFOLIO,
        "names": [file.name for file in listed],
        "days": days,
        "mtime": LONG_AGO,
        "verified": LONG_AGO + timedelta(hours=1),
    }
    with runtime.engine.begin() as connection:
        for statement in COLLECTED:
            connection.execute(text(statement), collected)
    fresh = DropNames(runtime.catalogue, runtime.calendar, runtime.others)
    seconds: list[float] = []
    for _ in range(2):
        started = time.perf_counter()
        plan = poll(runtime, fresh, listed, None, None)
        seconds.append(time.perf_counter() - started)
        assert (plan.collect, plan.cursor) == ((), {})
        assert plan.said == ("10000 arquivo(s) na entrada, 10000 já tratado(s)",)
    assert min(seconds) < 2, seconds
    plan = poll(runtime, fresh, [replace(listed[0], size=2), *listed[1:]], None, None)
    assert (plan.collect, list(plan.cursor)) == ((), [listed[0].name])


def test_a_date_beyond_the_calendar_is_reported_and_keeps_no_other_file_from_its_turn(drop: Drop) -> None:
    names = DropNames(drop.runtime.catalogue, drop.runtime.calendar)
    stamps = ("20351231", "20360101", "20991231")
    kinds = [names.meaning(f"{stamp}_190000_remessa_528_out.528").kind.value for stamp in stamps]
    assert kinds == ["file", "unknown", "unknown"]


def test_names_that_are_no_plain_names_are_only_reported(drop: Drop) -> None:
    names = DropNames(drop.runtime.catalogue, drop.runtime.calendar)
    found = [
        RemoteFile(name, 1, LONG_AGO) for name in (f"../{ACORDOS}", f"/{ACORDOS}", f"{ACORDOS}\n", ACORDOS.upper())
    ]
    first = poll(drop.runtime, names, found, None, None)
    assert {names.meaning(file.name).kind.value for file in found[:3]} == {"unknown"}
    assert names.meaning(found[3].name).kind.value == "file"
    assert len(first.cursor) == 4
    assert all(Seen(name, 1, LONG_AGO).name.isprintable() for name in first.cursor)
