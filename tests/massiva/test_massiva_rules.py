"""The pure part: answers, the breaker, hours by state, rows, the queue, when a run is due."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from massiva.massiva_house import layouts_for_tests

from atom_pipeline.errors import StructureError
from atom_pipeline.layout.catalogue import load_catalogues
from atom_pipeline.layout.checks import DDDS, UFS
from atom_pipeline.massiva.answers import answer_of_status, backoff, recorded, retry_after
from atom_pipeline.massiva.breaker import Breaker
from atom_pipeline.massiva.fates import MassivaState, massivas_due
from atom_pipeline.massiva.hours import UF_OF_DDD, may_send, next_opening
from atom_pipeline.massiva.queue import Queue, Rate
from atom_pipeline.massiva.rows import KNOWN, pedidos, set_aside_massivas
from atom_pipeline.massiva.states import Answer, Fate, Status
from atom_pipeline.portfolio import MassivaBreaker, MassivaHours, MassivaRetry, Massivas, Portfolio
from atom_pipeline.portfolio import MassivaState as StateHours
from atom_pipeline.rules.state import empty

DAY = date(2026, 11, 24)  # a Tuesday
NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)  # 10:00 in Brasília
RETRY = MassivaRetry(attempts=3, first_wait_seconds=2, longest_wait_seconds=5)
WEEK = MassivaHours(weekdays=(1, 2, 3, 4, 5), start=time(8), end=time(20))


def massivas(**more: Any) -> Massivas:
    return Massivas(templates={"jornada1": 1, "jornada2": 2}, hours=(WEEK,), **more)


def portfolio(**more: Any) -> Portfolio:
    document = {
        "portfolio": "p", "title": "t", "description": "d", "creditor": "c", "ascob": "1",
        "campaign": {"id": 7, "name": "n"}, "operation": {"start": "2026-01-01"}, "contrato_digits": 4,
    }  # fmt: skip
    return Portfolio.model_validate(document).model_copy(update={"massivas": massivas(**more)})


# Answers.


@pytest.mark.parametrize(
    ("status", "fate"),
    [
        (200, Fate.ACCEPTED),
        (202, Fate.ACCEPTED),
        (302, Fate.STOP),
        (400, Fate.REFUSED),
        (401, Fate.STOP),
        (404, Fate.STOP),
        (409, Fate.REFUSED),
        (422, Fate.REFUSED),
        (429, Fate.RETRY),
        (500, Fate.RETRY),
        (501, Fate.UNKNOWN),
        (502, Fate.UNKNOWN),
        (503, Fate.RETRY),
        (504, Fate.UNKNOWN),
        (524, Fate.UNKNOWN),
    ],
)
def test_only_an_answer_that_says_not_taken_is_tried_again(status: int, fate: Fate) -> None:
    assert answer_of_status(status, "", RETRY).fate is fate


def test_a_portfolio_may_say_that_500_says_nothing() -> None:
    strict = MassivaRetry(statuses=(429,))
    assert answer_of_status(500, "", strict).fate is Fate.UNKNOWN


def test_attempts_are_bounded_and_the_last_words_are_kept() -> None:
    fails = answer_of_status(500, "500 erro interno", RETRY)
    first = recorded(fails, attempts=1, retry=RETRY, now=NOW)
    assert (first.status, first.not_before) == (Status.PLANEJADO, NOW + timedelta(seconds=2))
    last = recorded(fails, attempts=3, retry=RETRY, now=NOW)
    assert (last.status, last.not_before) == (Status.RECUSADO, None)
    assert last.words == "desistiu após 3 tentativas; a última: 500 erro interno"
    assert [backoff(n, RETRY) for n in (1, 2, 3, 9)] == [2, 4, 5, 5]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("7", 7.0), (" 0 ", 0.0), ("Tue, 24 Nov 2026 13:00:30 GMT", 30.0),
     ("Tue, 24 Nov 2026 12:00:00 GMT", 0.0), ("soon", None), ("²", None), ("9" * 400, 86_400.0),
     ("Fri, 31 Dec 9999 23:59:59 GMT", 86_400.0)],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, NOW) == seconds


def test_what_omne_asks_for_is_honoured_though_it_is_longer_than_our_own_waits() -> None:
    answer = answer_of_status(429, "", RETRY, wait=900.0)
    assert recorded(answer, attempts=1, retry=RETRY, now=NOW).not_before == NOW + timedelta(minutes=15)
    assert answer.pauses_all and not answer.failed
    assert answer_of_status(503, "", RETRY).pauses_all and not answer_of_status(500, "", RETRY).pauses_all
    assert not Answer(Fate.UNKNOWN, "").pauses_all


# The breaker.

QUICK = MassivaBreaker(window=10, at_least=4, failures=0.5, pause_seconds=60, openings=2)


def outcomes(breaker: Breaker, failed: list[bool], at: datetime = NOW) -> None:
    for one in failed:
        breaker.record(one, at)


def test_the_pace_begins_with_one_and_doubles_up_to_the_limit() -> None:
    breaker = Breaker(QUICK, 6)
    paces = [breaker.pace]
    for failed in (False, False, False, True, True, True):
        breaker.record(failed, NOW)
        paces.append(breaker.pace)
    assert paces == [1, 2, 4, 6, 3, 1, 1]


def test_it_opens_when_half_of_enough_outcomes_failed_and_tries_one_after_the_pause() -> None:
    breaker = Breaker(QUICK, 20)
    outcomes(breaker, [False, False, True])
    assert breaker.open_until(NOW) is None
    breaker.record(True, NOW)
    until = NOW + timedelta(seconds=60)
    assert breaker.open_until(NOW) == until
    breaker.record(False, NOW)  # was on its way
    assert breaker.open_until(NOW) == until
    assert breaker.open_until(until) is None and breaker.pace == 1
    breaker.record(True, until)
    assert breaker.open_until(until) == until + timedelta(seconds=60)
    assert breaker.given_up


def test_one_success_after_the_pause_closes_it() -> None:
    breaker = Breaker(QUICK, 20)
    outcomes(breaker, [True] * 4)
    after = NOW + timedelta(seconds=60)
    assert breaker.open_until(after) is None
    breaker.record(False, after)
    outcomes(breaker, [True] * 3, after)
    assert breaker.open_until(after) is None and not breaker.given_up


def test_a_new_process_finds_it_as_the_record_left_it() -> None:
    before = [(NOW + timedelta(seconds=n), True) for n in range(4)]
    assert Breaker(QUICK, 20, before).open_until(NOW + timedelta(seconds=4)) == NOW + timedelta(seconds=63)
    healed = [*before, (NOW + timedelta(seconds=70), False)]
    assert Breaker(QUICK, 20, healed).open_until(NOW + timedelta(seconds=71)) is None
    assert Breaker(QUICK, 20).openings == 0


# Hours.


def test_every_area_code_is_of_one_state_and_every_state_has_some() -> None:
    assert set(UF_OF_DDD) == set(DDDS)
    assert set(UF_OF_DDD.values()) == set(UFS)


def at(hour: int, minute: int = 0, day: int = 24) -> datetime:
    """A moment in Brasília's time, as UTC."""
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC) + timedelta(hours=3)


@pytest.mark.parametrize(
    ("ufs", "moment", "may"),
    [
        ("SP", at(7, 59), False),
        ("SP", at(8), True),
        ("SP", at(19, 59), True),
        ("SP", at(20), False),
        ("AM", at(8, 30), False),  # 07:30 in Manaus
        ("AM", at(20, 30), True),  # 19:30 there
        ("AC", at(9, 30), False),  # 07:30 in Rio Branco
        ("SP|AC", at(20, 30), False),
        ("SP|AC", at(10), True),
        ("SP", at(10, day=22), False),  # a Sunday
        ("SP", at(10, day=20), False),  # Consciência Negra, a bank holiday
        ("RJ", at(9), False),
        ("RJ", at(11), True),
        ("ES", at(11), False),
    ],
)
def test_a_message_goes_in_the_hours_of_its_states(ufs: str, moment: datetime, may: bool) -> None:
    states = {
        "RJ": StateHours(hours=(MassivaHours(weekdays=(2,), start=time(10), end=time(12)),)),
        "ES": StateHours(closed_days=(DAY,)),
    }
    assert may_send(ufs.split("|"), moment, massivas(states=states)) is may


def test_the_next_opening_is_the_first_moment_at_which_all_states_allow_it() -> None:
    config, midnight = massivas(), at(23, 59)
    assert next_opening(["SP"], at(6), config, midnight) == at(8)
    assert next_opening(["SP", "AC"], at(6), config, midnight) == at(10)
    assert next_opening(["SP"], at(9), config, midnight) == at(9)
    assert next_opening(["SP"], at(20), config, midnight) is None
    assert next_opening(["SP"], at(20), config, at(23, day=25)) == at(8, day=25)


# Rows.


def received(*rows: tuple[str, str, str, int, str]) -> dict[str, pl.DataFrame]:
    """Rows of (contrato, numero, jornada, line, file); files arrive in the order of their names."""
    orders = {name: place for place, name in enumerate(sorted({row[4] for row in rows}))}
    frame = pl.DataFrame(
        [
            {"contrato": contrato, "numero": numero, "nome": "N", "jornada": jornada, "linha": line, "arquivo": name,
             "carimbo": None, "ordem": orders[name]}
            for contrato, numero, jornada, line, name in rows
        ],
        schema={"contrato": pl.String, "numero": pl.String, "nome": pl.String, "jornada": pl.String,
                "linha": pl.UInt32, "arquivo": pl.String, "carimbo": pl.Datetime("us"), "ordem": pl.Int64},
    )  # fmt: skip
    return {"massiva_whatsapp": frame}


def contratos(**situacoes: str) -> pl.DataFrame:
    rows = [{"contrato": name.removeprefix("c"), "situacao": situacao} for name, situacao in situacoes.items()]
    return pl.concat([empty("contratos"), pl.DataFrame(rows)], how="diagonal")


BASE = contratos(c0001="ATIVO", c0002="ATIVO", c0003="BLOQUEIO PARCIAL", c0004="BAIXADO")
ONE, TWO = "11987654321", "21987654321"


def test_each_refused_row_has_its_reason_file_and_line() -> None:
    rows = received(
        ("0009", ONE, "jornada1", 2, "a"),
        ("0003", ONE, "jornada1", 3, "a"),
        ("0004", ONE, "jornada1", 4, "a"),
        ("1", ONE, "jornada1", 5, "a"),
        ("0002", ONE, "jornada1", 6, "a"),
        ("0002", ONE, "jornada2", 7, "a"),
        ("0001", ONE, "jornada1", 2, "b"),
    )
    aside = set_aside_massivas(rows, BASE, empty("enderecos"), day=DAY, portfolio=portfolio())
    assert aside.select("arquivo", "linha", "contrato", "motivo", "detalhe").rows() == [
        ("a", 2, "0009", "CONTRATO_FORA_DA_BASE", None),
        ("a", 3, "0003", "CONTRATO_NAO_ATIVO", "o contrato está BLOQUEIO PARCIAL"),
        ("a", 4, "0004", "CONTRATO_NAO_ATIVO", "o contrato está BAIXADO"),
        ("a", 6, "0002", "MENSAGEM_REPETIDA", "o número já recebe este template hoje, por outra linha: a, linha 5"),
        ("b", 2, "0001", "MENSAGEM_REPETIDA", "o número já recebe este template hoje, por outra linha: a, linha 5"),
    ]


def test_a_row_is_told_by_its_file_and_content_and_not_by_its_line() -> None:
    def key(*row: Any) -> str:
        return str(pedidos(received(row), BASE, empty("enderecos"), portfolio=portfolio())["chave"].item())

    same = key("0001", ONE, "jornada1", 2, "a")
    assert key("1", ONE, "jornada1", 9, "a") == same
    assert len({same, key("0001", ONE, "jornada1", 2, "b"), key("0001", TWO, "jornada1", 2, "a"),
                key("0002", ONE, "jornada1", 2, "a"), key("0001", ONE, "jornada2", 2, "a")}) == 5  # fmt: skip


def test_a_number_that_was_sent_from_another_row_is_taken_whatever_became_of_that_row() -> None:
    sent = received(("0003", ONE, "jornada1", 2, "a"))
    known = pedidos(sent, BASE, empty("enderecos"), portfolio=portfolio()).select(list(KNOWN))
    both = received(("0003", ONE, "jornada1", 2, "a"), ("0001", ONE, "jornada1", 3, "a"))
    judged = pedidos(both, BASE, empty("enderecos"), portfolio=portfolio(), known=known)
    assert judged["motivo"].to_list() == ["CONTRATO_NAO_ATIVO", "MENSAGEM_REPETIDA"]
    assert pedidos(both, BASE, empty("enderecos"), portfolio=portfolio())["motivo"].to_list()[1] is None


def test_the_states_are_those_of_the_area_code_and_of_the_first_address() -> None:
    homes = pl.concat(
        [
            empty("enderecos"),
            pl.DataFrame(
                {"contrato": ["0001", "0001", "0002"], "ordem": [2, 1, 1], "uf": ["SP", "MG", "RJ"]},
                schema_overrides={"ordem": pl.Int64},
            ),
        ],
        how="diagonal",
    )
    rows = received(("0001", ONE, "jornada1", 2, "a"), ("0002", TWO, "jornada1", 3, "a"), ("0003", TWO, "x", 4, "a"))
    judged = pedidos(rows, BASE, homes, portfolio=portfolio())
    assert judged["ufs"].to_list() == ["SP|MG", "RJ", "RJ"]
    assert judged["template"].to_list() == [1, 1, None]


# The queue and the rate.


def test_rows_go_as_they_came_those_to_be_tried_again_first_and_closed_states_wait() -> None:
    states = {"ES": StateHours(closed_days=(DAY,))}
    queue = Queue(["SP", "ES", "MG", "SP", "SP"], [(NOW, 4), (NOW + timedelta(seconds=9), 3)], massivas(states=states))
    assert queue.take(2, NOW) == [4, 0]
    assert queue.take(9, NOW) == [2]
    later = NOW + timedelta(seconds=9)
    assert queue.next_moment(NOW, NOW + timedelta(hours=1)) == later
    queue.put_back(0, later)
    assert queue.take(9, later) == [0, 3]
    assert queue.next_moment(later, later + timedelta(hours=3)) is None, "nothing goes to ES today"


def test_the_rate_saves_nothing_up() -> None:
    rate = Rate(20, 0.0)
    assert rate.allowed(0.0) == 1
    rate.use(1)
    assert rate.seconds_to_next() == pytest.approx(0.05)
    assert (rate.allowed(0.05), rate.allowed(60.0)) == (1, 2)


# When a run is due.


def state(**more: Any) -> MassivaState:
    return MassivaState(DAY, {"ENVIAR": 3, "aceito": 2} | more.pop("fates", {}), **more)


@pytest.mark.parametrize(
    ("given", "due", "reason"),
    [
        (state(), True, "3 mensagens a enviar"),
        (state(fates={"ENVIAR": 0}), False, "nenhuma mensagem a enviar hoje"),
        (state(busy=True), False, "as mensagens estão sendo enviadas"),
        (state(reasons=("acordos: aguardando",)), False, "3 mensagens esperam: acordos: aguardando"),
        (state(resume_at=NOW + timedelta(minutes=2)), False, "3 mensagens esperam o OMNE até 13:02:00"),
        (state(resume_at=NOW - timedelta(minutes=2)), True, "3 mensagens a enviar"),
        (
            state(fates={"ENVIAR": 0, "AGUARDA_HORARIO": 4}, next_at=NOW + timedelta(hours=1)),
            False,
            "4 mensagens esperam o horário permitido até 14:00:00",
        ),
    ],
)
def test_a_run_is_due_only_when_it_has_something_to_do(given: MassivaState, due: bool, reason: str) -> None:
    found = massivas_due(given, NOW)
    assert (found.due, found.reason) == (due, reason)


# The documents.


def test_every_jornada_has_a_template_and_every_template_a_jornada(tmp_path: Path) -> None:
    layouts = layouts_for_tests(tmp_path / "layouts", {"templates": {"jornada1": 1, "jornada9": 9}})
    with pytest.raises(StructureError) as refused:
        load_catalogues(layouts)
    said = [(one.path, one.message) for one in refused.value.findings]
    assert said == [
        ("massivas.templates", "jornada jornada2 has no template"),
        ("massivas.templates.jornada9", "no layout of stage massiva has a jornada jornada9"),
    ]
