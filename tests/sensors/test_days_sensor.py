"""The sensor that makes days, over real runs: what it asks for, waits for and says, and why a run failed."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import pytest
from agency import ANA, BIA, QUIET, ZONE, Agency, agency, client, failures
from sqlalchemy.exc import OperationalError

from assets.build import job_name
from assets.common import DayBusy, asset_key, day_activity, failure, told_to_people
from atom_pipeline.errors import AtomError
from atom_pipeline.plan.days import DaysPlan, Ending, Request, State
from resources.day_facts import day_facts, looking
from resources.file_server import ConflictError, FileServerError
from resources.ledger_look import Memory
from resources.ledger_records import Base, NewFile
from resources.runtime import PortfolioRuntime
from sensors.days import build_days_sensor, look, run_request
from sensors.opened import OpenedOnce
from sensors.runs import DayRuns, ending_of

PORTFOLIO = "banco_pan_veiculos"
FRI, MON, TUE = date(2026, 11, 6), date(2026, 11, 9), date(2026, 11, 10)
C1, C2 = "0000000101", "0000000102"
CARGA_MON = "mailing_banco_pan_veiculos_20261109_01_carga.csv"


# Why a run failed.


def run_of(instance: dg.DagsterInstance, *steps: Callable[[], None], opens: Callable[[], None] | None = None) -> str:
    """A run whose steps do this, each on its own; returns its id."""

    def made(number: int, does: Callable[[], None]) -> dg.OpDefinition:
        @dg.op(name=f"{PORTFOLIO}__passo_{number}", required_resource_keys={"aberto"})
        @told_to_people
        def one() -> None:
            does()

        return one

    def opened(_: dg.InitResourceContext) -> None:
        if opens:
            opens()

    @dg.job(resource_defs={"aberto": dg.ResourceDefinition(opened)}, executor_def=dg.in_process_executor)
    def day() -> None:
        for number, does in enumerate(steps):
            made(number, does)()

    return day.execute_in_process(instance=instance, raise_on_error=False, run_config=QUIET).run_id


def raising(error: Exception) -> Callable[[], None]:
    def does() -> None:
        raise error

    return does


CONFLICT, AWAY = raising(ConflictError("carga.csv is there")), raising(FileServerError("bank: away"))
CLOSED = raising(OperationalError("select 1", {}, Exception("closed")))
PERSONAL = raising(OSError(errno.ENOSPC, "no space left for 'MARIA DA SILVA'"))


@pytest.mark.parametrize(
    ("steps", "ending", "words"),
    [
        ((AWAY,), Ending.PASSING, "passo_0: bank: away"),
        ((CONFLICT,), Ending.LASTING, "passo_0: carga.csv is there"),
        ((CONFLICT, AWAY), Ending.PASSING, "passo_0: carga.csv is there; passo_1: bank: away"),
        ((CLOSED,), Ending.PASSING, "passo_0: sqlalchemy.exc.OperationalError"),
        ((PERSONAL,), Ending.PASSING, "passo_0: OSError: [Errno 28] no space left for '***'"),
        ((raising(KeyError("coluna")),), Ending.LASTING, "passo_0: KeyError: 'coluna'"),
        ((raising(failure("pronto", again=False)),), Ending.LASTING, "passo_0: pronto"),
    ],
    ids=["server", "conflict", "both", "database", "full disk", "defect", "failure"],
)
def test_a_failed_run_says_whether_trying_again_may_help(
    steps: tuple[Callable[[], None], ...], ending: Ending, words: str
) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        found, said = ending_of(instance, run_of(instance, *steps))
    assert found is ending
    assert sorted(said.split("; ")) == sorted(words.split("; ")) or said.startswith(words)


@pytest.mark.parametrize(
    ("error", "ending"),
    [(DayBusy("another run is making the day"), Ending.PASSING), (AtomError("the layouts are wrong"), Ending.LASTING)],
)
def test_a_run_that_could_not_begin_says_so_too(error: Exception, ending: Ending) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        found, said = ending_of(instance, run_of(instance, lambda: None, opens=raising(error)))
    assert (found, str(error) in said) == (ending, True)


def test_a_run_whose_process_died_may_be_tried_again() -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        run = instance.create_run_for_job(dg.GraphDefinition("vazio").to_job())
        instance.report_run_failed(run)
        assert ending_of(instance, run.run_id) == (Ending.PASSING, "o processo terminou sem dizer por quê")


def test_a_run_that_only_checks_stopped_is_held() -> None:
    key = asset_key(PORTFOLIO, "guardas")

    @dg.asset(key=key, check_specs=[dg.AssetCheckSpec("guarda", asset=key, blocking=True)])
    def guardas() -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        yield dg.MaterializeResult()
        yield dg.AssetCheckResult(passed=False)

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([guardas], instance=instance, raise_on_error=False, run_config=QUIET)
        assert not result.success
        assert ending_of(instance, result.run_id)[0] is Ending.HELD


# Days.


class Open(OpenedOnce):
    def __init__(self, runtime: PortfolioRuntime) -> None:
        super().__init__()
        self.runtime = runtime

    def portfolio(self, name: str) -> PortfolioRuntime:
        assert name == self.runtime.name
        return self.runtime


@dataclass
class Days:
    """An agency and the sensor's eyes on it."""

    house: Agency
    runs: DayRuns
    memory: Memory

    def look(self) -> DaysPlan:
        return look(self.house.runtime, self.runs, self.house.instance, self.memory)

    def asked(self) -> Request:
        request = self.look().request
        assert request is not None
        return request

    def run(self, request: Request | None = None, day: date | None = None) -> dg.ExecuteInProcessResult:
        """The run that was asked for, or one that a person starts by hand."""
        asked = run_request(PORTFOLIO, request) if request else None
        job = self.house.definitions.resolve_job_def(job_name(PORTFOLIO))
        return job.execute_in_process(
            partition_key=asked.partition_key if asked else f"{day:%Y-%m-%d}",
            instance=self.house.instance,
            raise_on_error=False,
            run_config=QUIET,
            tags=dict(asked.tags) if asked else {},
        )

    def remessa(self, stamp: str, *rows: dict[str, object]) -> None:
        self.house.put("remessa_assessoria", f"{stamp}_remessa_528_out.528", rows, day=MON)
        assert not self.house.collect().errors

    def under_way(self, day: date, status: dg.DagsterRunStatus) -> dg.DagsterRun:
        """A run that the queue or a process has."""
        job = self.house.definitions.resolve_job_def(job_name(PORTFOLIO))
        tags = {"dagster/partition": day.isoformat()}
        return self.house.instance.create_run_for_job(job, status=status, tags=tags)


def assets_of_the_day(house: Agency) -> list[dg.AssetsDefinition]:
    """As the code location has them: what sends messages is not among them."""
    of_the_day = house.definitions.resolve_job_def(job_name(PORTFOLIO)).asset_layer.selected_asset_keys
    every = [one for one in house.definitions.assets or () if isinstance(one, dg.AssetsDefinition)]
    return [one for one in every if one.keys <= of_the_day]


@pytest.fixture
def days(tmp_path: Path, ledger_url: str) -> Iterator[Days]:
    with agency(tmp_path, ledger_url, now=datetime(2026, 11, 9, 5, 0, tzinfo=ZONE)) as house:
        yield Days(house, DayRuns(PORTFOLIO, job_name(PORTFOLIO), assets_of_the_day(house)), Memory())


def test_days_are_made_in_order_once_and_what_cannot_be_mended_by_trying_is_left_to_people(days: Days) -> None:
    assert days.look() == DaysPlan(None, ("2026-11-09: nenhum arquivo do dia chegou",))
    days.remessa("20261108_190000", client(C1, ANA))
    first = days.asked()
    assert (first.day, first.attempt, days.asked().key) == (MON, 1, first.key)

    # Whoever makes the day, or is about to, is left to it.
    for status, words in ((dg.DagsterRunStatus.NOT_STARTED, "na fila"), (dg.DagsterRunStatus.STARTED, "em andamento")):
        other = days.under_way(MON, status)
        assert days.look().said[0].startswith(f"2026-11-09: execução {other.run_id[:8]} {words}")
        days.house.instance.delete_run(other.run_id)
    with days.house.runtime.ledger.exclusive(day_activity("2026-11-09")):
        assert days.look().said[0] == "2026-11-09: outro processo está fazendo o dia"

    assert days.run(first).success
    done = days.look()
    assert done.request is None
    assert "2026-11-09: não enviado: acordos: atrasado" in done.said

    # A file comes late for Friday: Friday, then Monday.
    days.remessa("20261106_090000", client(C2, BIA))
    friday = days.asked()
    assert (friday.day, friday.attempt) == (FRI, 1)
    assert days.run(friday).success
    assert days.asked().day == MON

    # Meanwhile an operator wants the carga now, and another file has its name at Manager.
    days.house.manager.mkdir(exist_ok=True)
    (days.house.manager / CARGA_MON).write_text("de outro")
    days.house.runtime.ledger.decide(MON, "send-now", why="o banco pediu", author="ana")
    monday = days.asked()
    assert monday.attempt == 1
    assert monday.content != first.content
    result = days.run(monday)
    assert any("other content" in line for line in failures(result))
    stopped = days.look()
    assert stopped.request is None
    assert "onda planejada e não enviada: 2026-11-09/01" in stopped.said[0]
    assert "repetir não resolve: corrija a causa e rode o dia" in stopped.said[0]

    # A person moves it away and runs the day by hand: all is well, and nothing is run again.
    (days.house.manager / CARGA_MON).unlink()
    assert days.run(day=MON).success
    assert CARGA_MON in days.house.sent()
    assert days.look().request is None
    ended = days.runs.ended(days.house.instance, [MON, FRI])
    assert [(run.day, run.state) for run in ended] == [
        (MON, State.DONE), (MON, State.FAILED), (FRI, State.DONE), (MON, State.DONE),
    ]  # fmt: skip
    assert ended[1].ending is Ending.LASTING


def test_files_of_a_day_that_has_not_come_wait_for_it(days: Days) -> None:
    days.house.runtime.ledger.record_file(NewFile("cedo", "remessa_assessoria", date(2026, 11, 12), "x", 1, "x"))
    plan = days.look()
    assert plan.request is None
    assert plan.said[0] == "2026-11-12: chegaram arquivos antes da hora: o dia pode ser feito a partir de 2026-11-11"


def test_a_file_replaced_by_another_is_seen_by_the_next_look(days: Days) -> None:
    record = days.house.runtime.ledger.record_file
    record(NewFile("um", "remessa_assessoria", MON, "a", 1, "x"))
    before = days.asked()
    record(NewFile("um", "remessa_assessoria", MON, "b", 1, "x"))
    assert days.asked().content != before.content
    record(NewFile("um", "remessa_assessoria", MON, "a", 1, "x"))
    assert days.asked().content == before.content


def test_before_anything_was_ever_sent_an_early_file_of_tomorrow_hides_no_deadline_of_today(days: Days) -> None:
    runtime = days.house.runtime
    for day in (MON, TUE):
        runtime.ledger.record_file(NewFile(f"{day}", "telefones", day, f"{day}", 1, "x"))
        inputs = runtime.inputs()[1][day]
        runtime.ledger.record_base(Base(day, f"{day}", {}, inputs, None, None, complete=False, waiting={}))
    found = day_facts(looking(runtime)).days
    assert [(one.day, one.deadline is not None) for one in found] == [(MON, True), (TUE, True)]


def test_the_tick_asks_for_the_day_as_a_partition_of_its_job(days: Days) -> None:
    sensor = build_days_sensor(days.house.runtime.catalogue, assets_of_the_day(days.house), Open(days.house.runtime))
    definitions = dg.Definitions.merge(days.house.definitions, dg.Definitions(sensors=[sensor]))
    repository = definitions.get_repository_def()

    def tick() -> tuple[list[dg.RunRequest], str]:
        with dg.build_sensor_context(
            instance=days.house.instance, repository_def=repository, sensor_name=sensor.name
        ) as context:
            data = repository.get_sensor_def(sensor.name).evaluate_tick(context)
        return list(data.run_requests or []), data.skip_message or ""

    assert tick() == ([], "2026-11-09: nenhum arquivo do dia chegou")
    days.house.runtime.ledger.record_file(NewFile("um", "remessa_assessoria", MON, "a", 1, "x"))
    [request], _ = tick()
    plan = days.asked()
    assert (request.run_key, request.partition_key) == (plan.key, "2026-11-09")
    assert request.tags["dagster/partition"] == "2026-11-09"
    assert request.tags["atom/motivo"] == "o dia não tem base"
