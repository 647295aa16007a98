"""Which alarms should be open: each kind opens and ends, late files by the calendar, once each whatever happens."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.alarm_causes import Alarm, Kind, Severity
from atom_pipeline.alarm_facts import (
    WATCHED,
    Carga,
    DayAtHand,
    Facts,
    FailedCheck,
    FailedRun,
    FailingSensor,
    HeldStep,
    RefusedFile,
    StaleDay,
    UndeliveredWave,
    days_at_hand,
    days_watched,
)
from atom_pipeline.alarms import MOST_OF_A_KIND, changes, wanted
from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.day import DayFile, Decision, Outcome, Taken, carga_due_at, expected_files
from atom_pipeline.layout.catalogue import load_catalogue

ZONE = ZoneInfo("America/Sao_Paulo")
PAN = load_catalogue(Path(__file__).parents[1] / "layouts" / "banco_pan_veiculos").portfolio
CALENDAR = WorkingCalendar(PAN.operation)
# 2026-11-20 is a bank holiday, a Friday: Thursday's next working day is Monday.
THURSDAY, MONDAY, TUESDAY = date(2026, 11, 19), date(2026, 11, 23), date(2026, 11, 24)
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=ZONE)


@dataclass(frozen=True)
class Recorded:
    """An open alarm as the ledger gives it back."""

    key: str
    kind: str
    day: date | None
    opened_at: datetime = NOON


def recorded(alarm: Alarm, opened_at: datetime = NOON) -> Recorded:
    return Recorded(alarm.key, alarm.kind.value, alarm.day, opened_at)


def at(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE)


def file(layout: str, outcome: Outcome = Outcome.LOADED, stamp: datetime | None = None) -> DayFile:
    return DayFile(f"{layout}.csv", layout, "0", 1, stamp=stamp, outcome=outcome)


def at_hand(day: date, now: datetime, *files: DayFile, taken: tuple[Decision, ...] = (), **carga: object) -> DayAtHand:
    return DayAtHand(
        day,
        tuple(expected_files(PAN, day, files, [Taken(one) for one in taken], now)),
        Carga(carga_due_at(PAN, day), **({"awaited": False} | carga)),  # type: ignore[arg-type]
        waivers={one.name: one.waived_by for one in PAN.expects if one.waived_by},
    )


def late(now: datetime, *, began: date | None = THURSDAY, files: tuple[DayFile, ...] = ()) -> set[tuple[date, str]]:
    """(day, name) of the files that are late at a moment, on the days that are at hand then."""
    days = [at_hand(day, now, *files) for day in days_at_hand(CALENDAR, now.date(), began)]
    found = [alarm for alarm in wanted(Facts(now, days)) if alarm.kind is Kind.FILE_LATE]
    return {(alarm.day, alarm.key.rpartition(":")[2]) for alarm in found if alarm.day}


def open_and_end(facts: Facts) -> tuple[Alarm, str]:
    """The one alarm that the facts open, and why it ends when nothing of them is left."""
    [opened] = changes([], facts).to_open
    assert changes([recorded(opened)], facts).to_open == ()
    assert changes([recorded(opened)], facts).to_clear == ()
    [cleared] = changes([recorded(opened)], Facts(facts.now)).to_clear
    assert cleared.key == opened.key
    return opened, cleared.why


# Each kind.


def test_a_failed_run_is_told_with_its_error_and_ends_with_a_good_one() -> None:
    run = FailedRun("p__dia", MONDAY, "abcdef0123", NOON, errors=("etapa_remessa: disco cheio",))
    opened, why = open_and_end(Facts(NOON, failed_runs=[run]))
    assert opened.kind is Kind.RUN_FAILED
    assert "disco cheio" in opened.message and "abcdef01" in opened.message and "atom run 2026-11-23" in opened.message
    assert why == "uma execução posterior terminou bem"


def test_a_run_that_only_a_guard_stopped_is_told_as_a_held_step() -> None:
    run = FailedRun("p__dia", MONDAY, "1", NOON, checks=("guardas.guarda_batimento",))
    held = HeldStep(MONDAY, "batimento", "O batimento fecharia 40 de 100 contratos")
    opened, why = open_and_end(Facts(NOON, held=[held], failed_runs=[run]))
    assert opened.kind is Kind.STEP_HELD
    assert "40 de 100" in opened.message and "atom decide 2026-11-23 release-batimento" in opened.message
    assert "liberada" in why


def test_a_run_that_another_check_stopped_is_told() -> None:
    run = FailedRun("p__dia", MONDAY, "1", NOON, checks=("recebido/refin.esquema", "guardas.guarda_batimento"))
    opened, _ = open_and_end(Facts(NOON, failed_runs=[run]))
    assert "recebido/refin.esquema" in opened.message


def test_while_another_run_is_under_way_a_failed_one_neither_opens_nor_ends_an_alarm() -> None:
    failed = FailedRun("p__dia", MONDAY, "1", NOON, errors=("x",))
    [opened] = changes([], Facts(NOON, failed_runs=[failed])).to_open
    again = Facts(NOON, failed_runs=[replace(failed, again=True)])
    assert changes([], again).to_open == ()
    assert changes([recorded(opened)], again).to_clear == ()


def test_a_failure_that_may_pass_is_told_when_it_has_not_passed_for_a_while() -> None:
    run = FailedRun("p__dia", MONDAY, "1", NOON - timedelta(minutes=10), errors=("Manager não responde",), passing=True)
    assert changes([], Facts(NOON, failed_runs=[run])).to_open == ()
    assert len(changes([], Facts(NOON + timedelta(minutes=5), failed_runs=[run])).to_open) == 1


def test_a_failed_collection_has_no_day() -> None:
    opened, _ = open_and_end(Facts(NOON, failed_runs=[FailedRun("p__coletar", None, "1", NOON, errors=("x",))]))
    assert (opened.day, opened.key) == (None, "execucao-falhou:p__coletar")


def test_a_check_that_no_other_alarm_tells_of_is_told() -> None:
    told = FailedCheck(MONDAY, "publicado/manager_baixa", "baixas_dentro_do_limite", "50 de 60 sairiam")
    others = [
        FailedCheck(MONDAY, "recebido/refin", "arquivos_aceitos", "x"),
        FailedCheck(MONDAY, "guardas", "guarda_remessa", "x"),
    ]
    opened, why = open_and_end(Facts(NOON, failed_checks=[told, *others]))
    assert "50 de 60" in opened.message and why == "a verificação passou"


def test_a_refused_file_is_told_once_per_version() -> None:
    refused = RefusedFile(MONDAY, "refin", "refin_1.csv", 1, "refin_1.csv:1: TRAILER_DIVERGE: 3 e 4")
    opened, why = open_and_end(Facts(NOON, refused=[refused]))
    assert "TRAILER_DIVERGE" in opened.message and "mesmo nome" in opened.message and "substituído" in why
    after = changes([recorded(opened)], Facts(NOON, refused=[replace(refused, version=2)]))
    assert len(after.to_open) == 1 and len(after.to_clear) == 1


def test_an_unknown_file_is_told_without_the_personal_data_of_its_name() -> None:
    opened, why = open_and_end(Facts(NOON, unknown=["relatorio 529.982.247-25.pdf"]))
    assert opened.severity is Severity.WARNING
    assert "529.982" not in f"{opened.key} {opened.title} {opened.message}" and "relatorio" in opened.title
    assert "não está mais no drop" in why


def test_a_drop_that_misses_a_poll_or_two_is_no_alarm() -> None:
    down = FailingSensor("p__drop", timedelta(minutes=1), "sftp://***: cannot be listed: 421")
    assert changes([], Facts(NOON, failing_sensors=[down])).to_open == ()
    opened, why = open_and_end(Facts(NOON, failing_sensors=[replace(down, lasting=timedelta(minutes=2))]))
    assert opened.kind is Kind.DROP_UNREACHABLE and "421" in opened.message and why == "o drop voltou a ser lido"
    assert changes([recorded(opened)], Facts(NOON, failing_sensors=[down])).to_clear == ()


def test_a_refused_key_or_password_is_told_at_once() -> None:
    opened, _ = open_and_end(
        Facts(NOON, failing_sensors=[FailingSensor("p__drop", timedelta(0), "host key", refused=True)])
    )
    assert "ATOM_DROP_" in opened.message


def test_another_sensor_that_fails_is_told() -> None:
    opened, _ = open_and_end(Facts(NOON, failing_sensors=[FailingSensor("p__dias", timedelta(minutes=2), "x")]))
    assert opened.kind is Kind.SENSOR_FAILING


def test_a_day_that_nobody_makes_is_told_unless_a_run_is_under_way_or_failed() -> None:
    stale = StaleDay(MONDAY, NOON - timedelta(minutes=31))
    opened, why = open_and_end(Facts(NOON, stale=stale))
    assert opened.kind is Kind.DAY_NOT_MADE and "11:29" in opened.message and why == "o dia foi feito"
    assert changes([], Facts(NOON, stale=replace(stale, since=NOON))).to_open == ()
    assert changes([], Facts(NOON, stale=stale, under_way=True)).to_open == ()
    failed = FailedRun("p__dia", MONDAY, "1", NOON, errors=("x",))
    assert [one.kind for one in changes([], Facts(NOON, stale=stale, failed_runs=[failed])).to_open] == [
        Kind.RUN_FAILED
    ]


def test_files_that_came_before_their_day_can_be_made_are_told_only_where_the_date_must_be_wrong() -> None:
    def told(days: int) -> list[Severity]:
        stale = StaleDay(TUESDAY, NOON - timedelta(hours=1), opens=NOON + timedelta(days=days))
        return [one.severity for one in changes([], Facts(NOON, stale=stale)).to_open]

    assert (told(1), told(7), told(8)) == ([], [], [Severity.WARNING])


def test_a_conflict_at_manager_is_told_with_its_wave_and_not_as_a_failed_run_too() -> None:
    wave = UndeliveredWave("2026-11-23/01", MONDAY, NOON)
    run = FailedRun("p__dia", MONDAY, "1", NOON, errors=("mailing.csv is there with other content",), conflict=True)
    opened, why = open_and_end(Facts(NOON, waves=[wave], failed_runs=[run]))
    assert opened.kind is Kind.CONFLICT and "other content" in opened.message and "entregue ou cancelada" in why


def test_a_wave_that_does_not_arrive_is_told_after_a_while() -> None:
    wave = UndeliveredWave("2026-11-23/01", MONDAY, NOON)
    assert changes([], Facts(NOON + timedelta(minutes=14), waves=[wave])).to_open == ()
    opened, _ = open_and_end(Facts(NOON + timedelta(minutes=15), waves=[wave]))
    assert opened.kind is Kind.WAVE_NOT_DELIVERED


# The carga.


def test_a_carga_that_went_without_something_is_told_until_it_came() -> None:
    now = at(MONDAY, 7)
    lacking = at_hand(MONDAY, now, without="enviada sem: acordos: atrasado", reasons=("acordos: atrasado",))
    lacking = replace(lacking, expected=())
    opened, _ = open_and_end(Facts(now, [lacking]))
    assert opened.kind is Kind.CARGA_INCOMPLETE and "sem: acordos" in opened.message
    came = replace(lacking, carga=replace(lacking.carga, reasons=()))
    [cleared] = changes([recorded(opened)], Facts(now, [came])).to_clear
    assert cleared.why == "o que faltava chegou e foi processado"
    [ended] = changes([recorded(opened)], Facts(at(TUESDAY, 0))).to_clear
    assert ended.why == "o dia terminou assim"
    asked = replace(lacking, carga=replace(lacking.carga, by_decision=True))
    assert changes([], Facts(now, [asked])).to_open == ()


@pytest.mark.parametrize(("now", "told"), [(at(MONDAY, 6, 44), False), (at(MONDAY, 6, 45), True)])
def test_a_carga_that_has_not_gone_is_told_a_little_after_its_deadline(now: datetime, told: bool) -> None:
    waiting = replace(at_hand(MONDAY, now, awaited=True, reasons=("remessa: atrasado",)), expected=())
    found = changes([], Facts(now, [waiting])).to_open
    assert [alarm.kind for alarm in found] == ([Kind.CARGA_NOT_SENT] if told else [])
    sent = replace(waiting, carga=replace(waiting.carga, awaited=False))
    assert changes([], Facts(now, [sent])).to_open == ()


# Late files: by portfolio.yaml, on working days only.


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        # Sunday evening: Monday's remessa is late, Thursday's are told until Monday begins.
        (at(date(2026, 11, 22), 21, 59), set()),
        (at(date(2026, 11, 22), 22, 1), {"remessa", "parcelas", "garantias"}),
        (at(MONDAY, 2, 59), {"remessa", "parcelas", "garantias"}),
        (at(MONDAY, 3, 1), {"remessa", "parcelas", "garantias", "acordos", "batimento"}),
        (at(MONDAY, 21, 59), {"remessa", "parcelas", "garantias", "acordos", "batimento"}),
        (at(TUESDAY, 0, 1), set()),  # Monday is over
    ],
)
def test_files_are_late_by_their_own_hour(now: datetime, expected: set[str]) -> None:
    assert {name for day, name in late(now) if day == MONDAY} == expected


def test_refin_is_late_on_tuesdays_only() -> None:
    assert (TUESDAY, "refin") in late(at(TUESDAY, 6, 1))
    assert not any(name == "refin" for _, name in late(at(MONDAY, 6, 1)))


def test_no_file_is_late_for_a_day_that_does_not_operate() -> None:
    friday, saturday = date(2026, 11, 20), date(2026, 11, 21)  # Friday is a bank holiday
    assert {day for now in (at(friday, 4), at(saturday, 4)) for day, _ in late(now)} == {THURSDAY}


def test_a_portfolio_that_has_not_begun_expects_nothing() -> None:
    assert late(at(MONDAY, 23), began=None) == set()
    assert {day for day, _ in late(at(MONDAY, 23), began=TUESDAY)} == {TUESDAY}


def test_a_late_file_ends_when_it_comes_is_waived_or_its_day_is_over() -> None:
    now = at(MONDAY, 4)
    [acordos] = [one for one in wanted(Facts(now, [at_hand(MONDAY, now)])) if one.key.endswith(":acordos")]
    assert "atom decide 2026-11-23 no-acordos" in acordos.message and acordos.severity is Severity.ERROR
    whole = [file(layout) for layout in ("remessa_assessoria", "remessa_parcelas", "remessa_garantias", "batimento")]

    def ending(facts: Facts) -> str:
        [cleared] = [one for one in changes([recorded(acordos)], facts).to_clear if one.key == acordos.key]
        return cleared.why

    came = at_hand(MONDAY, now, *whole, file("acordos_baixados", stamp=datetime(2026, 11, 23, 2)))
    assert ending(Facts(now, [came])) == "situação agora: carregado"
    waived = at_hand(MONDAY, now, *whole, taken=(Decision.NO_ACORDOS,))
    assert ending(Facts(now, [waived])) == "situação agora: dispensado"
    assert ending(Facts(at(TUESDAY, 0))) == "o dia terminou assim"


def test_a_late_file_says_that_the_batimento_waits_for_it() -> None:
    now = at(MONDAY, 4)
    day = replace(at_hand(MONDAY, now, file("batimento")), batimento_waits=("acordos: atrasado",))
    told = {one.key.rpartition(":")[2]: one.message for one in wanted(Facts(now, [day]))}
    assert "batimento já chegou" in told["acordos"] and "batimento já chegou" not in told["remessa"]


def test_the_days_watched_are_the_last_five_and_the_next() -> None:
    assert days_watched(CALENDAR, MONDAY) == [date(2026, 11, day) for day in (16, 17, 18, 19, 23, 24)]


# Many, and long.


def test_of_a_kind_that_comes_in_masses_the_oldest_are_told_and_the_rest_counted() -> None:
    names = [f"{number}.doc" for number in range(MOST_OF_A_KIND + 5)]
    found = wanted(Facts(NOON, unknown=names))
    assert len(found) == MOST_OF_A_KIND + 1
    assert "35 ao todo" in found[-1].message
    assert {one.key for one in wanted(Facts(NOON, unknown=names[:MOST_OF_A_KIND]))} == {one.key for one in found[:-1]}


@pytest.mark.parametrize("kind", ["arquivo-atrasado", "de-outra-versao"])
def test_an_alarm_of_any_kind_without_a_day_can_end(kind: str) -> None:
    [cleared] = changes([Recorded(f"{kind}:muitos", kind, None)], Facts(NOON)).to_clear
    assert cleared.why == "a causa não existe mais"


def test_an_alarm_that_is_too_old_to_be_watched_does_not_end_as_if_it_were_solved() -> None:
    run = FailedRun("p__dia", MONDAY, "1", NOON, errors=("x",))
    [opened] = changes([], Facts(NOON, failed_runs=[run])).to_open
    [cleared] = changes([recorded(opened)], Facts(NOON + WATCHED + timedelta(minutes=1))).to_clear
    assert "tempo demais" in cleared.why


def test_an_open_alarm_keeps_its_identity_when_its_words_change() -> None:
    held = HeldStep(MONDAY, "batimento", "40 %")
    [opened] = changes([], Facts(NOON, held=[held])).to_open
    after = changes([recorded(opened)], Facts(NOON, held=[replace(held, words="45 %")]))
    assert (after.to_open, after.to_clear) == ((), ())
    assert "45 %" in after.to_keep[0].message


RUNS = st.builds(
    FailedRun,
    job=st.sampled_from(["p__dia", "p__coletar"]),
    day=st.sampled_from([MONDAY, TUESDAY, None]),
    run_id=st.just("1"),
    since=st.just(NOON),
    errors=st.just(("x",)),
    again=st.booleans(),
)
MOMENTS = st.builds(
    Facts,
    now=st.just(NOON),
    failed_runs=st.lists(RUNS, max_size=3),
    held=st.lists(st.builds(HeldStep, st.just(MONDAY), st.sampled_from(["remessa", "batimento"]), st.text(max_size=5))),
    unknown=st.lists(st.sampled_from(["a.doc", "b.doc", "c.doc"]), unique=True),
    failing_sensors=st.lists(
        st.builds(
            FailingSensor, st.just("p__drop"), st.sampled_from([timedelta(0), timedelta(minutes=9)]), st.just("x")
        ),
        max_size=1,
    ),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(MOMENTS, max_size=8))
def test_an_alarm_is_opened_once_and_cleared_once_whatever_happens(moments: list[Facts]) -> None:
    ledger: dict[str, Recorded] = {}
    told: dict[str, int] = {}  # opened minus cleared
    for facts in moments:
        found = changes(list(ledger.values()), facts)
        for alarm in found.to_open:
            told[alarm.key] = told.get(alarm.key, 0) + 1
            ledger[alarm.key] = recorded(alarm)
        for cleared in found.to_clear:
            told[cleared.key] -= 1
            del ledger[cleared.key]
        assert all(count in (0, 1) for count in told.values())
        sure = {alarm.key for alarm in wanted(facts) if not alarm.tentative}
        possible = {alarm.key for alarm in wanted(facts)}
        assert sure <= ledger.keys() <= possible
        assert changes(list(ledger.values()), facts).to_open == changes(list(ledger.values()), facts).to_clear == ()
