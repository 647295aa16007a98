"""The alarm sensor over a real ledger and a Dagster instance: what it sees, records and tells, and what it survives."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from agency import QUIET, ZONE
from dagster import DagsterInstance
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.remote_origin import (
    RegisteredCodeLocationOrigin,
    RemoteInstigatorOrigin,
    RemoteRepositoryOrigin,
)
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._core.storage.schedules.sqlite import SqliteScheduleStorage
from dagster_shared.error import SerializableErrorInfo
from receivers import SECRET, http_receiver

from assets.build import job_name
from assets.common import asset_key, told_to_people
from atom_pipeline.alarm_causes import Kind
from atom_pipeline.layout.catalogue import Catalogue, load_catalogue
from atom_pipeline.layout.model import Stage
from resources.file_server import ConflictError, FileServerError
from resources.ledger import Ledger
from resources.ledger_files import Listed
from resources.ledger_records import Load, NewFile, WaveKind
from resources.notice import Notice
from resources.notify import Channel, NotDelivered
from resources.notify_settings import AlarmChannels
from resources.runtime import PortfolioRuntime
from resources.settings import PROJECT_ROOT, Settings, file_url
from sensors import alarms as module
from sensors.alarm_runs import failing_sensors
from sensors.alarms import NO_CHANNEL, build_alarm_sensor, deliver, summary
from sensors.opened import OpenedOnce

PORTFOLIO = "banco_pan_veiculos"
MON, TUE = date(2026, 11, 9), date(2026, 11, 10)
NIGHT = datetime(2026, 11, 9, 2, 30, tzinfo=ZONE)


@dataclass
class Told:
    """A channel that keeps what it is told; ``fails`` says how it does not take it."""

    name: str = "webhook"
    label: str = "webhook de teste"
    got: list[Notice] = field(default_factory=list)
    fails: NotDelivered | None = None

    def send(self, notice: Notice) -> None:
        if self.fails is not None:
            raise self.fails
        self.got.append(notice)


@dataclass
class House:
    """A portfolio with an empty ledger, an instance of Dagster that keeps ticks, and the present moment."""

    runtime: PortfolioRuntime
    instance: DagsterInstance
    clock: list[datetime]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(PROJECT_ROOT / "layouts" / PORTFOLIO)


@pytest.fixture(scope="module")
def ticks(tmp_path_factory: pytest.TempPathFactory) -> SqliteScheduleStorage:
    """Where sensors' ticks are kept; an instance that ends with its test keeps none by itself."""
    return SqliteScheduleStorage.from_local(str(tmp_path_factory.mktemp("ticks")))


@pytest.fixture
def house(tmp_path: Path, ledger: Ledger, catalogue: Catalogue, ticks: SqliteScheduleStorage) -> Iterator[House]:
    settings = Settings(tmp_path, file_url(tmp_path / "drop"), file_url(tmp_path / "manager"), PROJECT_ROOT / "layouts")
    moment = [NIGHT]
    with DagsterInstance.ephemeral() as instance:
        instance._schedule_storage = ticks
        yield House(PortfolioRuntime(settings, catalogue, ledger.engine, lambda: moment[0]), instance, moment)
        ticks.wipe()


@pytest.fixture
def channel(monkeypatch: pytest.MonkeyPatch) -> Told:
    one = Told()

    def configured(_: AlarmChannels) -> tuple[list[Channel], list[str]]:
        return [one], []

    monkeypatch.setattr(module, "configured", configured)
    return one


class Open(OpenedOnce):
    """The test's own portfolio, which is open already."""

    def __init__(self, house: House) -> None:
        super().__init__(house.runtime.settings)
        self.house = house

    def portfolio(self, name: str) -> PortfolioRuntime:
        assert name == self.house.runtime.name
        return self.house.runtime


def look(house: House) -> dg.SensorResult:
    """One tick of the sensor."""
    sensor = build_alarm_sensor(house.runtime.catalogue, Open(house))
    with dg.build_sensor_context(instance=house.instance, sensor_name=sensor.name) as context:
        found = sensor(context)
    assert isinstance(found, dg.SensorResult)
    return found


def kinds(house: House) -> list[Kind]:
    return sorted(Kind(alarm.kind) for alarm in house.runtime.ledger.open_alarms())


def words(found: dg.SensorResult) -> str:
    assert found.skip_reason is not None and found.skip_reason.skip_message is not None
    return found.skip_reason.skip_message


# Runs: a small job under the day's name, whose steps do as a test says.


def small_job(
    *assets: dg.AssetsDefinition, name: str = job_name(PORTFOLIO)
) -> Callable[[DagsterInstance, date | None], dg.ExecuteInProcessResult]:
    definitions = dg.Definitions(assets=list(assets), jobs=[dg.define_asset_job(name, selection=list(assets))])

    def run(instance: DagsterInstance, day: date | None) -> dg.ExecuteInProcessResult:
        job = definitions.resolve_job_def(name)
        tags = {"dagster/partition": day.isoformat()} if day else {}
        return job.execute_in_process(instance=instance, raise_on_error=False, tags=tags, run_config=QUIET)

    return run


def step(name: str, does: Callable[[], None] = lambda: None, deps: Sequence[str] = ()) -> dg.AssetsDefinition:
    @dg.asset(key=asset_key(PORTFOLIO, name), deps=[asset_key(PORTFOLIO, dep) for dep in deps])
    @told_to_people
    def made() -> None:
        does()

    return made


def raising(error: Exception) -> Callable[[], None]:
    def does() -> None:
        raise error

    return does


def check(name: str, passed: bool, *, blocking: bool) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=asset_key(PORTFOLIO, "guardas"), name=name, blocking=blocking)
    def judge() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=passed, description=f"veredito de {name}")

    return judge


def test_a_failed_run_opens_an_alarm_and_a_good_one_ends_it(house: House, channel: Told) -> None:
    bad = small_job(step("base", raising(ValueError("CPF 529.982.247-25 sem dono"))))
    bad(house.instance, MON)
    found = look(house)
    assert kinds(house) == [Kind.RUN_FAILED]
    [alarm] = house.runtime.ledger.open_alarms(MON)
    assert "base: " in alarm.message and "529.982" not in alarm.message
    assert "1 alarme(s) aberto(s)" in words(found) and alarm.title in words(found)
    assert [event.partition for event in found.asset_events] == ["2026-11-09"]
    look(house)
    assert len(channel.got) == 1 and [one["event"] for one in channel.got[0].fields["events"]] == ["opened"]

    small_job(step("base"))(house.instance, MON)
    assert "nenhum alarme aberto" in words(look(house))
    assert [one["event"] for one in channel.got[1].fields["events"]] == ["cleared"]
    look(house)
    assert len(channel.got) == 2


def test_a_good_run_of_another_day_or_of_other_steps_ends_nothing_one_of_the_failed_step_does(house: House) -> None:
    small_job(step("base", raising(ValueError("x"))))(house.instance, MON)
    small_job(step("base"))(house.instance, TUE)
    look(house)
    assert kinds(house) == [Kind.RUN_FAILED]
    small_job(step("contratos"), name=f"{PORTFOLIO}__outro")(house.instance, MON)
    look(house)
    assert kinds(house) == [Kind.RUN_FAILED]
    small_job(step("base"), name=f"{PORTFOLIO}__outro")(house.instance, MON)
    look(house)
    assert kinds(house) == []


def test_a_failure_that_may_pass_waits_and_a_run_under_way_too(house: House) -> None:
    house.clock[0] = datetime.now(ZONE)  # run records have the real time
    bad = small_job(step("base", raising(FileServerError("Manager não responde"))))
    bad(house.instance, MON)
    look(house)
    assert Kind.RUN_FAILED not in kinds(house)
    house.clock[0] += timedelta(minutes=16)
    house.instance.create_run_for_job(
        dg.Definitions(assets=[step("base")], jobs=[dg.define_asset_job(job_name(PORTFOLIO))]).resolve_job_def(
            job_name(PORTFOLIO)
        ),
        status=dg.DagsterRunStatus.STARTED,
        tags={"dagster/partition": MON.isoformat()},
    )
    look(house)
    assert Kind.RUN_FAILED not in kinds(house)
    [run] = house.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
    house.instance.report_run_failed(run, "o processo da execução acabou sem avisar")
    look(house)
    [alarm] = [one for one in house.runtime.ledger.open_alarms() if one.kind == Kind.RUN_FAILED]
    assert "acabou sem avisar" in alarm.message


def test_checks_of_the_last_run_of_a_day_are_told_but_those_that_a_held_step_tells_of(house: House) -> None:
    guarded = step("guardas")

    def run(limit: bool) -> None:
        checks = [
            check("guarda_batimento", False, blocking=True),
            check("baixas_dentro_do_limite", limit, blocking=False),
        ]
        definitions = dg.Definitions(
            assets=[guarded],
            asset_checks=checks,
            jobs=[dg.define_asset_job(job_name(PORTFOLIO), selection=[guarded])],
        )
        job = definitions.resolve_job_def(job_name(PORTFOLIO))
        tags = {"dagster/partition": MON.isoformat()}
        assert not job.execute_in_process(
            instance=house.instance, raise_on_error=False, tags=tags, run_config=QUIET
        ).success

    run(limit=False)
    look(house)
    [alarm] = house.runtime.ledger.open_alarms()
    assert alarm.kind == Kind.CHECK_FAILED and "veredito de baixas_dentro_do_limite" in alarm.message
    run(limit=True)
    look(house)
    assert kinds(house) == []


def test_decisions_and_other_portfolios_are_not_its_runs(house: House) -> None:
    for name in (f"{PORTFOLIO}__decidir_send_now", "aurora_motos__dia"):
        small_job(step("x", raising(ValueError("x"))), name=name)(house.instance, MON)
    assert words(look(house)).startswith("nenhum alarme aberto")


# The ledger.


def test_what_the_ledger_knows_is_told_and_ends(house: House, channel: Told) -> None:
    ledger = house.runtime.ledger
    house.clock[0] = datetime(2026, 11, 9, 3, 30, tzinfo=ZONE)
    stamp = datetime(2026, 11, 8, 19)
    for layout in ("remessa_assessoria", "remessa_garantias"):
        file = ledger.record_file(NewFile(f"{layout}.528", layout, MON, layout, 10, f"x/{layout}", stamp=stamp)).file
        refused = layout == "remessa_garantias"
        ledger.record_load(
            Load(file.id, "refused", code="FORA_DO_LAYOUT", message=f"{file.name}: FORA_DO_LAYOUT: 3 bytes")
            if refused
            else Load(file.id, "loaded")
        )
    ledger.record_unknown([Listed("leia-me.doc", 1, None)])
    ledger.record_verdict(MON, "batimento", house.runtime.guard_fingerprint(MON, Stage.BATIMENTO), held=True,
                          numbers={}, message="O batimento fecharia 40 de 100")  # fmt: skip
    with ledger.wave_slot(MON) as slot:
        wave = ledger.plan_wave(slot, WaveKind.CARGA, files=[], rows_path="x", rows_sha256="0")
    small_job(step("publicado", raising(ConflictError("mailing.csv is there with other content"))))(house.instance, MON)
    look(house)
    late = {alarm.key.rpartition(":")[2] for alarm in ledger.open_alarms() if alarm.kind == Kind.FILE_LATE}
    assert late == {"parcelas", "acordos", "batimento"}
    others = [Kind.FILE_REFUSED, Kind.UNKNOWN_FILE, Kind.CONFLICT, Kind.STEP_HELD]
    assert kinds(house) == sorted([Kind.FILE_LATE] * 3 + others)
    [conflict] = [alarm for alarm in ledger.open_alarms() if alarm.kind == Kind.CONFLICT]
    assert "other content" in conflict.message and "2026-11-09/01" in conflict.title

    ledger.record_unknown([])
    ledger.decide(MON, "no-acordos", why="teste", author="ana")
    ledger.decide(MON, "release-batimento", why="teste", author="ana")
    ledger.mark_wave_sent(wave)
    small_job(step("publicado"))(house.instance, MON)
    look(house)
    assert kinds(house) == sorted([Kind.FILE_LATE] * 2 + [Kind.FILE_REFUSED])
    [opened, ended] = [notice.fields["events"] for notice in channel.got]
    assert {event["event"] for event in opened} == {"opened"} and len(opened) == 7
    assert {event["event"] for event in ended} == {"cleared"}
    why = {event["kind"]: event["cleared_why"] for event in ended}
    assert why.keys() == {Kind.FILE_LATE, Kind.UNKNOWN_FILE, Kind.CONFLICT, Kind.STEP_HELD}
    assert why[Kind.FILE_LATE] == "situação agora: dispensado"


def test_a_day_that_waits_to_be_made_and_a_carga_that_does_not_go_are_told(house: House) -> None:
    ledger = house.runtime.ledger
    ledger._clock = lambda: NIGHT
    ledger.record_file(NewFile("r.528", "remessa_assessoria", MON, "1", 1, "x", stamp=datetime(2026, 11, 8, 19)))
    house.clock[0] = NIGHT + timedelta(minutes=20)
    look(house)
    assert Kind.DAY_NOT_MADE not in kinds(house)
    house.clock[0] = NIGHT + timedelta(minutes=30)
    look(house)
    assert Kind.DAY_NOT_MADE in kinds(house)
    house.clock[0] = datetime(2026, 11, 9, 6, 45, tzinfo=ZONE)
    look(house)
    assert {Kind.DAY_NOT_MADE, Kind.CARGA_NOT_SENT} <= set(kinds(house))
    ledger.decide(MON, "do-not-send", why="teste", author="ana")
    look(house)
    assert Kind.CARGA_NOT_SENT not in kinds(house)


def test_a_day_whose_files_came_early_is_told_only_when_it_could_have_been_made(house: House) -> None:
    ledger = house.runtime.ledger
    ledger._clock = lambda: NIGHT
    ledger.record_file(NewFile("t.csv", "telefones", date(2026, 11, 12), "1", 1, "x"))
    opens = datetime(2026, 11, 11, tzinfo=ZONE)
    for moment, told in (
        (opens - timedelta(hours=1), 0),
        (opens + timedelta(minutes=29), 0),
        (opens.replace(hour=1), 1),
    ):
        house.clock[0] = moment
        look(house)
        assert kinds(house).count(Kind.DAY_NOT_MADE) == told


# Sensors.


def tick(
    instance: DagsterInstance, sensor: str, status: TickStatus, at: float, error: str = "", kind: str = ""
) -> None:
    """A tick of a sensor as the daemon records it, the sensor's state included."""
    origin = RemoteInstigatorOrigin(
        RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("atom"), "__repository__"), sensor
    )
    state = InstigatorState(origin, InstigatorType.SENSOR, InstigatorStatus.DECLARED_IN_CODE, SensorInstigatorData())
    if instance.get_instigator_state(state.instigator_origin_id, state.selector_id) is None:
        instance.add_instigator_state(state)
    cause = SerializableErrorInfo(error, [], kind or "FileServerError") if error else None
    instance.create_tick(
        TickData(
            instigator_origin_id=state.instigator_origin_id,
            instigator_name=sensor,
            instigator_type=InstigatorType.SENSOR,
            status=status,
            timestamp=at,
            end_timestamp=at,
            selector_id=state.selector_id,
            error=cause and SerializableErrorInfo("Error in sensor", [], "SensorExecutionError", cause=cause),
        )
    )


def test_a_drop_that_cannot_be_listed_three_times_is_told_until_it_can(house: House) -> None:
    drop, now = f"{PORTFOLIO}__drop", time.time()
    for minute in (3, 2):
        tick(house.instance, drop, TickStatus.FAILURE, now - 60 * minute, "sftp://bank: cannot be listed: 421")
    look(house)
    assert kinds(house) == []
    tick(house.instance, drop, TickStatus.FAILURE, now - 60, "sftp://bank: cannot be listed: 421")
    look(house)
    [alarm] = house.runtime.ledger.open_alarms()
    assert alarm.kind == Kind.DROP_UNREACHABLE and "421" in alarm.message
    tick(house.instance, drop, TickStatus.SKIPPED, now)
    look(house)
    assert kinds(house) == []


def test_a_sensor_that_failed_a_few_times_in_a_restart_is_no_alarm(house: House) -> None:
    stopped = time.time() - 600
    for seconds in (0, 10, 20):
        tick(house.instance, f"{PORTFOLIO}__dias", TickStatus.FAILURE, stopped + seconds, "no code location")
    look(house)
    assert kinds(house) == []


def test_a_server_that_refuses_the_key_is_told_at_once(house: House) -> None:
    tick(house.instance, f"{PORTFOLIO}__drop", TickStatus.FAILURE, time.time(), "host key changed", "AccessRefused")
    [found] = failing_sensors(house.instance, PORTFOLIO)
    assert (found.lasting, found.refused) == (timedelta(0), True)
    look(house)
    assert kinds(house) == [Kind.DROP_UNREACHABLE]


# Telling.


def test_without_a_channel_it_says_so(house: House) -> None:
    assert NO_CHANNEL in words(look(house))


def test_a_channel_that_is_set_up_wrong_stops_nothing(house: House) -> None:
    house.runtime.settings = replace(house.runtime.settings, alarms=AlarmChannels(webhook="not-a-url"))
    small_job(step("base", raising(ValueError("x"))))(house.instance, MON)
    assert "ATOM_ALARM_WEBHOOK" in words(look(house))
    assert kinds(house) == [Kind.RUN_FAILED]


def test_a_channel_that_fails_does_not_keep_another_from_being_told_and_is_told_later(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    down, well = Told(fails=NotDelivered("webhook answered 503", certain=False)), Told(name="e-mail")

    def configured(_: AlarmChannels) -> tuple[list[Channel], list[str]]:
        return [down, well], []

    monkeypatch.setattr(module, "configured", configured)
    small_job(step("base", raising(ValueError("x"))))(house.instance, MON)
    assert "503" in words(look(house)) and len(well.got) == 1
    down.fails = None
    look(house)  # it rests for a minute
    assert down.got == [] and len(well.got) == 1
    [backlog] = house.runtime.ledger.backlogs()
    assert (backlog.channel, backlog.count) == ("webhook", 1)
    house.runtime.ledger._clock = lambda: datetime.now(ZONE) + timedelta(minutes=2)
    assert deliver(house.runtime, [down, well]) == []
    assert [notice.fields["repeated"] for notice in down.got] == [True]


def test_a_real_webhook_is_told_once_and_its_address_stands_nowhere(house: House) -> None:
    with http_receiver() as receiver:
        house.runtime.settings = replace(house.runtime.settings, alarms=AlarmChannels(webhook=receiver.url))
        small_job(step("base", raising(ValueError("x"))))(house.instance, MON)
        receiver.answers = [404, 200]
        assert "404" in words(look(house)) and SECRET not in words(look(house))
        house.runtime.ledger._clock = lambda: datetime.now(ZONE) + timedelta(minutes=2)
        for _ in range(2):
            assert "404" not in words(look(house))
    keys = [headers["Idempotency-Key"] for headers, _ in receiver.got]
    assert len(keys) == 2 and keys[0] != keys[1]  # what was surely refused is another message the next time
    [event] = receiver.got[1][1]["events"]
    assert event["event"] == "opened" and receiver.got[1][1]["portfolio"] == PORTFOLIO


def test_a_tick_leaves_for_the_next_one_what_it_has_no_time_to_tell(house: House, channel: Told) -> None:
    small_job(step("base", raising(ValueError("x"))))(house.instance, MON)
    look(house)
    small_job(step("base"))(house.instance, MON)
    count = len(channel.got)
    assert deliver(house.runtime, [channel], seconds=1) == [] and len(channel.got) == count


def test_another_process_at_the_same_time_leaves_it_to_the_first(house: House) -> None:
    with house.runtime.ledger.exclusive("alarmes") as alone:
        assert alone
        assert "outro processo" in words(look(house))


def test_the_summary_is_bounded(house: House) -> None:
    small_job(step("base", raising(ValueError("x"))))(house.instance, MON)
    look(house)
    [alarm] = house.runtime.ledger.open_alarms()
    assert "e mais 80" in summary([alarm] * 100, [], told=True)
    # The UI shows a line break as a space.
    assert summary([alarm] * 2, ["503"], told=True) == f"2 alarme(s) aberto(s):\n{alarm.title};\n{alarm.title};\n503"


def test_alarms_work_while_the_drop_and_manager_are_gone(house: House) -> None:
    gone = {"drop_url": "sftp://nobody.invalid/drop", "manager_url": "sftp://nobody.invalid/out"}
    house.runtime.settings = replace(house.runtime.settings, **gone)
    small_job(step("base", raising(ConflictError("x"))))(house.instance, MON)
    look(house)
    assert kinds(house) == [Kind.RUN_FAILED]
