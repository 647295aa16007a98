"""Which day is made now: the oldest that needs it, once for what it has, again only where that can help."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.plan.days import PAUSES, Day, DaysPlan, Ending, Request, Run, State, content_of, plan_days

MON, TUE, WED = date(2026, 11, 9), date(2026, 11, 10), date(2026, 11, 11)
NOW = datetime(2026, 11, 10, 5, 0, tzinfo=UTC)
DEADLINE = datetime(2026, 11, 10, 6, 30, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

STALE = Day(TUE, "files 1", stale=True, deadline=DEADLINE)
MADE = Day(TUE, "files 1", stale=False, built=NOW - 30 * MINUTE, baixa=True, deadline=DEADLINE)


def run(
    day: Day = STALE,
    state: State = State.FAILED,
    *,
    attempt: int = 1,
    ago: int = 20,
    took: int = 5,
    ending: Ending | None = None,
    by_plan: bool = True,
    content: str | None = None,
    words: str = "",
) -> Run:
    """A run asked for so many minutes ago; of what the day has now, unless said otherwise."""
    asked = NOW - ago * MINUTE
    over = state not in (State.QUEUED, State.RUNNING)
    return Run(
        run_id=f"{attempt:08}-{ago}",
        day=day.day,
        state=state,
        asked=asked,
        started=None if state is State.QUEUED else asked,
        ended=asked + took * MINUTE if over else None,
        content=(content or content_of(day, NOW)) if by_plan else None,
        attempt=attempt if by_plan else 0,
        ending=ending,
        words=words,
    )


def plan(*days: Day, runs: tuple[Run, ...] = (), now: datetime = NOW, **given: tuple[date, ...]) -> DaysPlan:
    return plan_days(days, runs, now, **given)


def asked(*days: Day, runs: tuple[Run, ...] = (), now: datetime = NOW) -> tuple[date, int] | None:
    request = plan(*days, runs=runs, now=now).request
    return (request.day, request.attempt) if request else None


def test_a_day_that_is_behind_its_files_is_asked_for_once_under_a_name_of_its_own() -> None:
    request = plan(STALE).request
    assert request is not None
    assert request.key == f"2026-11-10:{content_of(STALE, NOW)}:1"
    assert request.why == "o dia não tem base"
    behind = plan(replace(STALE, built=NOW)).request
    assert behind is not None
    assert behind.why == "há arquivos ou decisões que a base do dia não tem"


def test_of_a_late_file_for_yesterday_yesterday_is_made_and_today_waits() -> None:
    yesterday = replace(STALE, day=MON, deadline=None, over=True, built=NOW)
    assert asked(yesterday) == (MON, 1)
    failing = run(yesterday, ending=Ending.LASTING, words="etapa_remessa: coluna desconhecida")
    found = plan(yesterday, runs=(failing,), later=(TUE, WED))
    assert found.request is None
    assert "etapa_remessa: coluna desconhecida" in found.said[0]
    assert found.said[1] == "2026-11-10, 2026-11-11: espera(m) pelo dia anterior"


@pytest.mark.parametrize("state", [State.QUEUED, State.RUNNING])
@pytest.mark.parametrize("by_plan", [True, False])
def test_one_run_of_a_portfolio_at_a_time_whoever_asked_for_it(state: State, by_plan: bool) -> None:
    found = plan(STALE, runs=(run(replace(STALE, day=MON), state, by_plan=by_plan, ago=1),))
    assert found.request is None
    assert found.said[0] == f"2026-11-09: execução 00000001 {state.value} desde 04:59"


def test_a_day_that_a_process_holds_without_a_run_is_left_to_it() -> None:
    found = plan(STALE, held=(TUE,))
    assert (found.request, found.said[0]) == (None, "2026-11-10: outro processo está fazendo o dia")


def test_a_run_that_says_it_is_at_work_and_holds_nothing_is_told_of_after_a_while() -> None:
    quiet = "nenhum processo segura o dia"
    assert quiet not in plan(STALE, runs=(run(state=State.RUNNING, ago=4),)).said[0]
    assert quiet in plan(STALE, runs=(run(state=State.RUNNING, ago=6),)).said[0]
    assert quiet not in plan(STALE, runs=(run(state=State.RUNNING, ago=6),), held=(TUE,)).said[0]
    assert quiet not in plan(STALE, runs=(run(state=State.QUEUED, ago=60),)).said[0]


def test_a_failure_that_may_pass_is_tried_again_for_some_hours_and_then_left() -> None:
    late = replace(STALE, deadline=None)
    runs: list[Run] = []
    now, waits = NOW, []
    for attempt in range(1, 14):
        last = run(late, attempt=attempt, ago=0, took=0, ending=Ending.PASSING)
        runs.append(replace(last, asked=now, ended=now))
        waited = 0
        while (found := plan(late, runs=tuple(runs), now=now)).request is None and waited < 120:
            now, waited = now + MINUTE, waited + 1
        waits.append(waited)
        assert found.request is None or found.request.attempt == attempt + 1
    assert waits == [1, 5, 15, *[30] * 9, 120]
    assert "foram 13 tentativas: corrija a causa e rode o dia" in found.said[0]


def test_while_it_waits_for_the_next_attempt_it_says_when_and_why() -> None:
    failed = run(ending=Ending.PASSING, ago=5, took=5, words="publicado: o servidor não responde")
    said = plan(STALE, runs=(failed,)).said[0]
    assert "o servidor não responde; tentativa 2 às 05:01:00" in said


def test_a_failure_that_will_not_pass_and_a_run_that_a_person_ended_are_not_repeated() -> None:
    assert asked(STALE, runs=(run(ending=Ending.LASTING),)) is None
    assert asked(STALE, runs=(run(ending=Ending.HELD),)) is None
    assert "repetir não resolve" in plan(STALE, runs=(run(ending=Ending.LASTING),)).said[0]
    canceled = plan(STALE, runs=(run(state=State.CANCELED),))
    assert canceled.request is None
    assert "não é refeita sem um novo arquivo" in canceled.said[0]


def test_a_new_file_or_decision_starts_anew_and_a_spent_name_is_never_used_again() -> None:
    other = replace(STALE, inputs="files 2")
    failed = run(ending=Ending.LASTING)
    assert asked(other, runs=(failed,)) == (TUE, 1)
    assert asked(replace(STALE, words=("send-now",)), runs=(failed,)) == (TUE, 1)
    back = (run(attempt=1, ago=50), run(other, attempt=1, ago=30))  # the first files are back
    assert asked(STALE, runs=back) == (TUE, 2)


def test_a_good_run_that_left_its_day_behind_is_repeated_like_a_failure() -> None:
    assert asked(STALE, runs=(run(state=State.DONE, ago=6, took=6),)) is None
    assert asked(STALE, runs=(run(state=State.DONE, ago=9),)) == (TUE, 2)
    many = tuple(run(state=State.DONE, attempt=number, ago=60 - number) for number in range(1, len(PAUSES) + 2))
    assert asked(STALE, runs=many) is None


def test_a_run_by_hand_leaves_the_attempts_as_they_are() -> None:
    by_hand = run(ending=Ending.LASTING, ago=10, by_plan=False)
    assert asked(STALE, runs=(by_hand,)) == (TUE, 1)
    assert asked(STALE, runs=(run(ending=Ending.PASSING, ago=30), by_hand)) == (TUE, 2)


def test_a_day_that_ran_to_its_end_is_done() -> None:
    assert asked(MADE, runs=(run(MADE, State.DONE, ago=35, took=10),)) is None
    assert asked(MADE, runs=(run(MADE, State.DONE, ago=35, took=10, by_plan=False),)) is None
    held = run(MADE, ending=Ending.HELD, ago=35, took=10)
    found = plan(replace(MADE, hindrances=("não enviado: batimento: retido",)), runs=(held,))
    assert (found.request, found.said) == (None, ("2026-11-10: não enviado: batimento: retido",))


def test_a_day_with_a_good_base_whose_run_failed_after_it_is_run_again() -> None:
    failed = run(MADE, ending=Ending.PASSING, ago=35, took=10)
    assert asked(MADE, runs=(failed,)) == (TUE, 2)
    assert asked(replace(MADE, over=True, deadline=None), runs=(failed,)) == (TUE, 2)
    assert asked(MADE, runs=(replace(failed, ending=Ending.LASTING),)) is None


def test_a_base_that_was_made_again_alone_lacks_the_rest_of_the_day() -> None:
    before = run(MADE, State.DONE, ago=60)
    assert asked(MADE, runs=(before,)) == (TUE, 2)
    assert asked(MADE) == (TUE, 1)


def test_a_day_that_is_over_and_of_which_no_run_is_known_is_left_as_it_is() -> None:
    assert asked(replace(MADE, over=True, deadline=None)) is None


DONE = run(MADE, State.DONE, ago=35, took=10)
AT_DEADLINE = replace(MADE, carga=True, forced=True)


def test_at_its_deadline_a_day_is_run_once_more_to_send_what_there_is() -> None:
    assert asked(AT_DEADLINE, runs=(DONE,), now=DEADLINE - MINUTE) is None
    found = plan(AT_DEADLINE, runs=(DONE,), now=DEADLINE).request
    assert found is not None
    assert (found.attempt, found.why) == (1, "prazo da carga, 06:30: vai com o que há")
    after = run(AT_DEADLINE, State.DONE, ago=-91, took=2, content=found.content)
    rebuilt = replace(AT_DEADLINE, built=after.asked)
    assert asked(rebuilt, runs=(DONE, after), now=DEADLINE + 5 * MINUTE) is None


def test_at_its_deadline_a_day_that_is_complete_or_may_not_send_is_left_alone() -> None:
    assert asked(replace(MADE, carga=True), runs=(DONE,), now=DEADLINE) is None
    assert asked(MADE, runs=(DONE,), now=DEADLINE) is None
    assert asked(replace(AT_DEADLINE, deadline=None, over=True), runs=(DONE,), now=DEADLINE) is None


def test_a_held_day_is_run_again_at_its_deadline() -> None:
    held = replace(DONE, state=State.FAILED, ending=Ending.HELD)
    assert asked(AT_DEADLINE, runs=(held,), now=DEADLINE) == (TUE, 1)


def test_a_decision_to_send_is_obeyed_once_and_one_not_to_send_needs_no_run() -> None:
    decided = replace(AT_DEADLINE, spoken=NOW - MINUTE, words=("send-now",))
    assert asked(decided, runs=(DONE,)) == (TUE, 1)
    obeyed = run(decided, State.DONE, ago=0, took=1)
    assert asked(replace(decided, built=NOW), runs=(DONE, obeyed)) is None
    stopped = replace(MADE, baixa=False, spoken=NOW - MINUTE, words=("do-not-send",))
    assert asked(stopped, runs=(DONE,)) is None


def test_a_wave_that_was_planned_and_never_sent_is_seen_to() -> None:
    planned = replace(MADE, planned=("2026-11-10/02",))
    found = plan(planned, runs=(DONE,)).request
    assert found is not None
    assert (found.attempt, found.why.split(";")[0]) == (2, "onda planejada e não enviada: 2026-11-10/02")


def test_a_day_that_cannot_be_made_says_why_and_holds_no_other() -> None:
    early = replace(STALE, day=WED, refusal="chegaram arquivos antes da hora")
    assert plan(early).said[0] == "2026-11-11: chegaram arquivos antes da hora"
    assert asked(AT_DEADLINE, early, runs=(DONE,), now=DEADLINE) == (TUE, 1)


def test_with_nothing_to_do_it_says_so() -> None:
    assert plan().said == ("nenhum dia para fazer",)
    assert plan_days((), (), NOW, said=("2026-11-10: nenhum arquivo do dia chegou",)).said == (
        "2026-11-10: nenhum arquivo do dia chegou",
    )


OUTCOMES = st.sampled_from(["done", "passing", "lasting", "canceled", "publishing failed"])


@given(st.lists(st.one_of(st.sampled_from(["file mon", "file tue", "wait"]), OUTCOMES), max_size=40))
@settings(max_examples=150, deadline=None)
def test_whatever_happens_days_are_made_in_order_and_never_for_ever(events: list[str]) -> None:
    """A small world of two days: files come, runs end one way or another, time passes."""
    now = NOW
    files = {MON: 1, TUE: 1}
    bases: dict[date, tuple[str, datetime]] = {}
    runs: list[Run] = []
    made: list[Request] = []

    def inputs(day: date) -> str:
        before = bases[MON][0] if day == TUE and MON in bases else "-"
        return f"{day} {files[day]} from {before}"

    def look() -> DaysPlan:
        stale = [day for day in (MON, TUE) if bases.get(day, ("",))[0] != inputs(day)]
        if stale and stale[0] == MON:
            stale = [MON, TUE]
        days = [Day(d, inputs(d), stale=False, built=bases[d][1], baixa=True) for d in (MON, TUE) if d not in stale]
        days += [Day(stale[0], inputs(stale[0]), stale=True)] if stale else []
        found = plan_days(days, runs, now, later=stale[1:])
        assert found.request is not None or found.said
        if found.request is not None and stale:
            assert found.request.day <= stale[0], "an earlier day is behind"
        return found

    def step(outcome: str) -> bool:
        nonlocal now
        found = look().request
        if found is None:
            return False
        assert found.key not in {request.key for request in made}
        made.append(found)
        now += MINUTE
        if outcome in ("done", "publishing failed"):
            bases[found.day] = (inputs(found.day), now)
        now += MINUTE
        state = {"done": State.DONE, "canceled": State.CANCELED}.get(outcome, State.FAILED)
        ending = None if state is not State.FAILED else Ending.LASTING if outcome == "lasting" else Ending.PASSING
        asked_at = now - 2 * MINUTE
        runs.append(
            Run(str(len(runs)), found.day, state, asked_at, asked_at, now, found.content, found.attempt, ending)
        )
        return True

    for event in events:
        if event.startswith("file"):
            files[MON if event == "file mon" else TUE] += 1
        elif event == "wait":
            now += 20 * MINUTE
        else:
            step(event)
    asked_for = 0
    while asked_for < 30:  # everything fails from here on, with all the time in the world
        now += 60 * MINUTE
        if not step("passing"):
            break
        asked_for += 1
    assert asked_for <= 2 * (len(PAUSES) + 1)
    files[MON] += 1  # a person sends another file: both days are made, in order, and that is all
    before = len(made)
    for _ in range(6):
        now += 60 * MINUTE
        step("done")
    assert [request.day for request in made[before:]] == [MON, TUE]
