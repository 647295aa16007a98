"""What a day expects, waits for, may send, and which days must be made: pure decisions over plain values."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time
from zoneinfo import ZoneInfo

import pytest

from atom_pipeline.day import (
    DayFile,
    Decision,
    Expected,
    KnownBase,
    Outcome,
    Status,
    Taken,
    days_to_run,
    decisions_fingerprint,
    expected_files,
    fold_fingerprint,
    is_verdict_on,
    sending,
    stale_days,
    step_fingerprint,
    verdict_fingerprint,
    waits_of_batimento,
)
from atom_pipeline.portfolio import Portfolio

ZONE = ZoneInfo("America/Sao_Paulo")
MON, TUE, WED = date(2026, 11, 9), date(2026, 11, 10), date(2026, 11, 11)
PORTFOLIO = Portfolio.model_validate(
    {
        "portfolio": "teste",
        "title": "Teste",
        "description": "Teste",
        "creditor": "Banco",
        "ascob": "528",
        "campaign": {"id": 1, "name": "Teste"},
        "operation": {"start": "2026-01-02"},
        "expects": [
            {"name": "remessa", "any_of": ["remessa"], "due": "22:00", "due_day": "before", "required_for_carga": True,
             "waived_by": "no-remessa"},
            {"name": "acordos", "any_of": ["acordos", "baixa"], "of_the_day": True, "due": "03:00",
             "required_for_carga": True, "waived_by": "no-acordos"},
            {"name": "refin", "any_of": ["refin"], "weekdays": [2]},
        ],
        "batimento": {"waits_for": ["remessa", "acordos"]},
    }
)  # fmt: skip


def at(day: date, clock: str) -> datetime:
    return datetime.combine(day, time.fromisoformat(clock), tzinfo=ZONE)


def file(layout: str, outcome: Outcome = Outcome.LOADED, stamp: datetime | None = None, sha: str = "a") -> DayFile:
    return DayFile(f"{layout}.txt", layout, sha, 1, stamp, outcome)


def statuses(*files: DayFile, day: date = MON, now: datetime, taken: tuple[Taken, ...] = ()) -> dict[str, Status]:
    return {item.name: item.status for item in expected_files(PORTFOLIO, day, files, taken, now)}


def test_what_has_not_come_is_awaited_until_its_hour_and_late_after_it() -> None:
    evening = at(date(2026, 11, 8), "21:00")
    assert statuses(now=evening) == {"remessa": Status.WAITING, "acordos": Status.WAITING}
    assert statuses(now=at(MON, "02:00")) == {"remessa": Status.LATE, "acordos": Status.WAITING}
    assert statuses(now=at(MON, "03:01"))["acordos"] is Status.LATE


def test_a_file_of_other_weekdays_is_not_expected_and_shown_when_it_comes() -> None:
    assert "refin" not in statuses(now=at(MON, "01:00"))
    assert statuses(day=TUE, now=at(TUE, "01:00"))["refin"] is Status.WAITING
    assert statuses(file("refin"), now=at(MON, "01:00"))["refin"] is Status.LOADED


@pytest.mark.parametrize(
    ("outcome", "status"),
    [(Outcome.LOADED, Status.LOADED), (Outcome.REFUSED, Status.REFUSED), (Outcome.PENDING, Status.PENDING)],
)
def test_a_file_that_came_is_where_its_reading_left_it(outcome: Outcome, status: Status) -> None:
    assert statuses(file("remessa", outcome), now=at(MON, "01:00"))["remessa"] is status


def test_one_file_that_was_loaded_does_not_hide_another_that_was_refused() -> None:
    mixed = (file("acordos"), file("baixa", Outcome.REFUSED, stamp=datetime(2026, 11, 9, 2, 0)))
    assert statuses(*mixed, now=at(MON, "02:10"))["acordos"] is Status.REFUSED
    waived = statuses(*mixed, now=at(MON, "02:10"), taken=(Taken(Decision.NO_ACORDOS),))
    assert waived["acordos"] is Status.WAIVED


def test_a_decision_stands_in_for_a_file_and_a_loaded_file_for_the_decision() -> None:
    taken = (Taken(Decision.NO_ACORDOS),)
    assert statuses(now=at(MON, "01:00"), taken=taken)["acordos"] is Status.WAIVED
    assert statuses(file("acordos"), now=at(MON, "01:00"), taken=taken)["acordos"] is Status.LOADED


def test_an_acordo_file_of_the_evening_before_does_not_stand_in_for_the_list_of_the_night() -> None:
    evening = file("baixa", stamp=datetime(2026, 11, 8, 19, 30))
    assert statuses(evening, now=at(MON, "01:00"))["acordos"] is Status.WAITING
    night = file("baixa", stamp=datetime(2026, 11, 9, 2, 0))
    assert statuses(night, now=at(MON, "02:10"))["acordos"] is Status.LOADED
    assert statuses(file("acordos"), now=at(MON, "02:10"))["acordos"] is Status.LOADED  # the date alone in its name


def test_batimento_waits_for_a_remessa_and_acordos_that_were_loaded_and_for_what_is_not_read_yet() -> None:
    def waits(*files: DayFile, taken: tuple[Taken, ...] = ()) -> list[str]:
        expected = expected_files(PORTFOLIO, MON, files, taken, at(MON, "01:00"))
        return waits_of_batimento(PORTFOLIO, expected, files, {"exclusao"})

    assert waits() == ["remessa: atrasado", "acordos: aguardando"]
    assert waits(file("remessa", Outcome.REFUSED), file("acordos")) == ["remessa: recusado"]
    assert waits(file("remessa"), taken=(Taken(Decision.NO_ACORDOS),)) == []
    unread = (file("remessa"), file("acordos"), file("exclusao", Outcome.PENDING))
    assert waits(*unread) == ["exclusao: exclusao.txt ainda não foi lido"]
    assert waits(*unread[:2], file("exclusao", Outcome.REFUSED)) == []
    assert waits(*unread[:2], file("massiva", Outcome.PENDING)) == []


def test_fingerprints_are_of_files_fold_decisions_and_the_base_before() -> None:
    files = [file("remessa").identity, file("acordos").identity]
    none = decisions_fingerprint([])
    same = fold_fingerprint(list(reversed(files)), decisions_fingerprint([Taken(Decision.SEND_NOW)]), "x")
    assert fold_fingerprint(files, none, "x") == same
    others = {
        fold_fingerprint(files[:1], none, "x"),
        fold_fingerprint(files, none, "y"),
        fold_fingerprint(files, none, None),
        fold_fingerprint([replace(file("remessa"), sha256="b").identity, files[1]], none, "x"),
        fold_fingerprint(files, decisions_fingerprint([Taken(Decision.NO_ACORDOS)]), "x"),
        fold_fingerprint(files, decisions_fingerprint([Taken(Decision.RELEASE_BATIMENTO, "f")]), "x"),
    }
    assert len(others) == 6
    assert same not in others


def test_a_release_is_about_the_files_of_its_step_and_the_base_they_were_applied_to() -> None:
    files = [file("batimento").identity, file("remessa").identity]
    first = step_fingerprint(files, {"batimento"})
    assert step_fingerprint([files[0], file("remessa", sha="b").identity], {"batimento"}) == first
    other = step_fingerprint([file("batimento", sha="b").identity], {"batimento"})
    assert other != first
    verdict = verdict_fingerprint(first, "a base")
    assert is_verdict_on(verdict, first)
    assert not is_verdict_on(verdict, other)
    assert verdict_fingerprint(first, "a larger base") != verdict


def base(day: date, inputs: str = "now") -> KnownBase:
    return KnownBase(day, f"hash of {day}", inputs, None, None)


def test_a_day_made_from_other_inputs_is_stale_and_so_is_every_day_after_it() -> None:
    bases = {day: base(day) for day in (MON, TUE, WED)}
    fresh = dict.fromkeys(bases, "now")
    assert stale_days(bases, fresh, [MON]) == []
    assert stale_days(bases, fresh | {TUE: "other"}, [MON]) == [TUE, WED]
    assert stale_days({WED: base(WED)}, {TUE: "x", WED: "now"}, [TUE]) == [TUE, WED]


def test_the_days_to_run_are_those_the_target_needs_and_those_that_follow_from_it() -> None:
    assert days_to_run(WED, stale=[], bases=[]) == [WED]
    assert days_to_run(TUE, stale=[MON, WED], bases=[]) == [MON, TUE]
    assert days_to_run(MON, stale=[MON, TUE, WED], bases=[MON, TUE, WED]) == [MON, TUE, WED]
    assert days_to_run(WED, stale=[], bases=[MON, TUE, WED], first=TUE) == [TUE, WED]


EXPECTED = [Expected("remessa", ("remessa",), Status.LOADED, None, True, ("a",))]
LATE = [*EXPECTED, Expected("acordos", ("acordos",), Status.LATE, None, True, ())]


def may_send(**given: object) -> tuple[bool, bool, bool]:
    values = {
        "expected": EXPECTED, "held": [], "waits": [], "decisions": [], "now": at(MON, "04:00"), "last_sent": None,
        "stale": False, "over": False,
    } | given  # fmt: skip
    found = sending(PORTFOLIO, MON, **values)  # type: ignore[arg-type]
    assert found.reasons or (found.carga and found.baixa)
    return found.carga, found.baixa, found.forced


def test_the_carga_goes_when_nothing_is_missing_and_baixas_never_wait() -> None:
    assert may_send() == (True, True, False)
    assert may_send(expected=LATE) == (False, True, False)
    assert may_send(held=["batimento"]) == (False, True, False)
    assert may_send(waits=["acordos: aguardando"]) == (False, True, False)


def test_at_its_deadline_or_by_decision_the_carga_goes_with_what_there_is() -> None:
    assert may_send(expected=LATE, now=at(MON, "06:30")) == (True, True, True)
    assert may_send(expected=LATE, now=at(MON, "06:29")) == (False, True, False)
    assert may_send(held=["batimento"], decisions=[Taken(Decision.SEND_NOW)]) == (True, True, True)
    nothing_came = LATE[1:]
    assert may_send(expected=nothing_came, now=at(MON, "06:30")) == (False, True, False)
    assert may_send(expected=nothing_came, decisions=[Taken(Decision.SEND_NOW)]) == (True, True, True)


def test_a_day_that_is_over_is_never_sent_without_what_it_expects() -> None:
    assert may_send(over=True, now=at(WED, "07:00")) == (True, True, False)
    assert may_send(over=True, expected=LATE, now=at(WED, "07:00")) == (False, True, False)


def test_no_mailing_goes_from_a_base_that_is_behind_its_files_and_baixas_do() -> None:
    assert may_send(stale=True) == (False, True, False)
    assert may_send(stale=True, decisions=[Taken(Decision.SEND_NOW)]) == (False, True, False)


def test_a_file_that_came_and_was_not_read_is_missed_even_where_it_is_optional() -> None:
    refused = Expected("exclusao", ("exclusao",), Status.REFUSED, None, False, ("x.528",))
    assert may_send(expected=[*EXPECTED, refused]) == (False, True, False)
    assert may_send(expected=[*EXPECTED, replace(refused, status=Status.WAITING, files=())]) == (True, True, False)


def test_nothing_goes_for_an_older_day_or_against_a_decision() -> None:
    assert may_send(last_sent=TUE) == (False, False, False)
    assert may_send(last_sent=MON) == (True, True, False)
    stop, go = Taken(Decision.DO_NOT_SEND), Taken(Decision.SEND_NOW)
    assert may_send(decisions=[stop]) == (False, False, False)
    assert may_send(decisions=[stop, go]) == (True, True, False)  # the last word counts
    assert may_send(decisions=[go, stop]) == (False, False, False)
