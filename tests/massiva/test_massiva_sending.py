"""Sending on a real server and a real ledger: what goes, what does not, how fast, and how it stops and goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import psutil
import pytest
from massiva.massiva_house import DAY, MORNING, ZONE, House, active, messages, with_access
from massiva.omne_server import ACCEPT, FAIL, REFUSE, TOKEN, UNAUTHORIZED, Behaviour, OmneServer

from atom_pipeline.massiva.states import Status
from resources.ledger_massiva import Intent
from resources.ledger_waves import Busy
from resources.massiva import ACTIVITY, forecast, massiva_state
from resources.massiva_sending import Progress
from resources.omne import OmneDown, OmneRefusesUs
from resources.omne_settings import OmneMisconfigured

FILE = "20261124_090000_massiva_whatsapp.csv"
OpenHouse = Callable[..., House]


def prepared(house: House, rows: list[dict[str, Any]], **base: Any) -> House:
    house.put(FILE, rows)
    house.read()
    house.base(active(rows), **base)
    return house


def test_every_row_is_sent_once_and_its_answer_is_on_the_record(house: House, omne: OmneServer) -> None:
    prepared(house, messages(30))
    said: list[Progress] = []
    progress = house.send(told=said.append)
    assert (progress.accepted, progress.left, progress.reasons) == (30, 0, ())
    assert house.statuses() == {"aceito": 30}
    assert omne.invalid == [] and omne.twice == {} and len(omne.accepted) == 30
    assert omne.taken[0] == {
        "templateId": 1,
        "number": "31900000001",
        "parameters": ["PESSOA 1"],
        "openAttendance": False,
        "forceClose": False,
    }
    assert said and said[-1].accepted == 30
    assert house.send().sent == 0
    assert omne.requests == 30


def test_a_jornada_chooses_its_template_and_a_number_takes_each_once_a_day(house: House, omne: OmneServer) -> None:
    rows = messages(2) + messages(2, jornada="jornada2")
    house.put(FILE, rows)
    house.put("20261124_110000_massiva_whatsapp.csv", messages(3))
    house.read()
    house.base(active(messages(3)))
    house.send()
    assert dict(omne.accepted) == {
        ("31900000001", 1): 1,
        ("31900000002", 1): 1,
        ("31900000003", 1): 1,
        ("31900000001", 2): 1,
        ("31900000002", 2): 1,
    }
    assert massiva_state(house.runtime, DAY).fates == {"aceito": 5, "MENSAGEM_REPETIDA": 2}


def test_only_contracts_that_are_ativo_in_the_newest_base_are_written_to(house: House, omne: OmneServer) -> None:
    rows = messages(4)
    house.put(FILE, rows)
    house.read()
    situacoes = active(rows[:3]) | {rows[1]["contrato"]: "BLOQUEIO PARCIAL"}
    house.base(situacoes)
    house.send()
    assert set(omne.accepted) == {("31900000001", 1), ("31900000003", 1)}
    assert massiva_state(house.runtime, DAY).fates == {
        "aceito": 2,
        "CONTRATO_FORA_DA_BASE": 1,
        "CONTRATO_NAO_ATIVO": 1,
    }
    house.base(situacoes | {rows[1]["contrato"]: "ATIVO", rows[0]["contrato"]: "BAIXADO"})
    assert house.send().accepted == 1, "one returned; the one that left was sent before"


def test_a_base_that_changes_while_messages_go_is_looked_at_before_the_next_ones(
    house: House, omne: OmneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = messages(12)
    prepared(house, rows)
    monkeypatch.setattr("resources.massiva_sending.LOOK_AGAIN_SECONDS", 0.0)
    paid = rows[11]["contrato"]

    def pay(_: dict[str, Any]) -> None:
        if sum(omne.accepted.values()) == 3:
            house.base(active(rows) | {paid: "BLOQUEIO PARCIAL"})

    omne.after = pay
    progress = house.send()
    assert progress.accepted == 11
    assert (rows[11]["numero"], 1) not in omne.accepted and omne.twice == {}


def test_a_file_that_is_not_in_the_base_yet_stops_every_message(house: House, omne: OmneServer) -> None:
    prepared(house, messages(3))
    house.put("20261124_100000_massiva_whatsapp.csv", messages(1, first=50))
    house.read()
    progress = house.send()
    assert omne.requests == 0
    assert progress.left == 3
    assert progress.reasons == ("a base não é a dos arquivos e decisões que há agora: rode 2026-11-24",)


def test_decisions_and_held_steps_stop_messages(house: House, omne: OmneServer) -> None:
    prepared(house, messages(2))
    house.runtime.ledger.decide(DAY, "do-not-send", why="lista errada", author="ana")
    assert house.send().reasons == ("decisão do operador: não enviar",)
    house.runtime.ledger.decide(DAY, "send-now", why="conferida", author="ana")
    assert house.send().accepted == 2
    assert omne.requests == 2


def test_a_message_goes_on_its_own_day_in_the_hours_of_both_states(open_house: OpenHouse, omne: OmneServer) -> None:
    eight_thirty = datetime(2026, 11, 24, 8, 30, tzinfo=ZONE)
    house = open_house(now=eight_thirty, massivas={"states": {"RJ": {"closed_days": [DAY]}}})
    minas, manaus, of_rio = messages(1), messages(1, first=2, ddd="92"), messages(1, first=3)
    at_home_in_acre = messages(1, first=4)
    rows = minas + manaus + of_rio + at_home_in_acre
    prepared(house, rows, ufs={of_rio[0]["contrato"]: "RJ", at_home_in_acre[0]["contrato"]: "AC"})
    progress = house.send(minutes=0.1)
    assert set(omne.accepted) == {("31900000001", 1)}
    assert progress.left == 2
    state = massiva_state(house.runtime, DAY)
    assert state.fates == {"aceito": 1, "AGUARDA_HORARIO": 2, "FORA_DO_HORARIO": 1}
    assert state.next_at == datetime(2026, 11, 24, 9, 0, tzinfo=ZONE), "08:00 in Manaus"
    house.clock.set(datetime(2026, 11, 24, 10, 0, tzinfo=ZONE))
    assert house.send(minutes=0.1).accepted == 2
    house.clock.set(datetime(2026, 11, 25, 10, 0, tzinfo=ZONE))
    assert house.send().reasons[0] == "o dia 2026-11-24 já passou: uma mensagem vai no dia do seu arquivo"


def test_without_token_nothing_goes_and_the_dry_run_says_why(open_house: OpenHouse, omne: OmneServer) -> None:
    house = open_house(change=with_access(omne.url, None))
    prepared(house, messages(2))
    seen = forecast(house.runtime, DAY)
    assert seen.state.reasons == ("ATOM_OMNE_TOKEN não está definido no ambiente",)
    assert seen.rows["destino"].to_list() == ["ENVIAR", "ENVIAR"]
    assert house.send().reasons == seen.state.reasons
    assert omne.requests == 0


def test_a_wrong_token_stops_everything_and_marks_nobody(house: House, omne: OmneServer) -> None:
    prepared(house, messages(20))
    omne.default = UNAUTHORIZED
    progress = house.send()
    assert isinstance(progress.error, OmneRefusesUs) and not progress.error.retry_helps
    assert TOKEN not in str(progress.error)
    assert omne.requests == 1, "the first message goes alone"
    assert house.statuses() == {"planejado": 1}
    omne.default = ACCEPT
    assert house.send().accepted == 20
    assert omne.twice == {}


def test_the_breaker_opens_on_a_dead_server_and_goes_on_where_it_was(open_house: OpenHouse, omne: OmneServer) -> None:
    patient = {"attempts": 9, "first_wait_seconds": 0.01, "longest_wait_seconds": 0.05}
    pauses = {"window": 20, "at_least": 5, "failures": 0.5, "pause_seconds": 30, "openings": 1}
    house = open_house(massivas={"retry": patient, "breaker": pauses})
    prepared(house, messages(40))
    omne.default = FAIL
    progress = house.send(minutes=0.1)
    assert isinstance(progress.error, OmneDown) and progress.error.retry_helps
    assert omne.requests == 5 and not omne.accepted
    at_once = house.send(minutes=0.1)
    assert (at_once.sent, omne.requests) == (0, 5), "a new run is no way round it"
    assert at_once.resume_at is not None
    house.clock.set(MORNING + timedelta(seconds=31))
    assert house.send(minutes=0.1).put_back == 1, "after the pause one message is tried, and fails"
    house.clock.set(MORNING + timedelta(seconds=62))
    omne.default = ACCEPT
    assert house.send().accepted == 40
    assert omne.twice == {} and house.statuses() == {"aceito": 40}


def test_refusals_by_the_dozen_open_the_breaker_too(house: House, omne: OmneServer) -> None:
    prepared(house, messages(200))
    omne.default = REFUSE
    assert isinstance(house.send().error, OmneDown)
    assert sum(omne.refused.values()) < 20


def test_no_more_than_so_many_go_at_once_and_so_many_a_second(open_house: OpenHouse, omne: OmneServer) -> None:
    house = open_house(massivas={"concurrency": 3, "rate_per_second": 60})
    prepared(house, messages(30))
    omne.delay = 0.03
    started = time.monotonic()
    assert house.send().accepted == 30
    assert omne.most_at_once == 3
    assert time.monotonic() - started > 0.35, "30 at 60 a second, but for a first handful"


def test_a_second_process_does_not_send_while_one_does(house: House, omne: OmneServer) -> None:
    prepared(house, messages(2))
    with house.runtime.ledger.exclusive(ACTIVITY) as alone:
        assert alone
        with pytest.raises(Busy):
            house.send()
        assert massiva_state(house.runtime, DAY).busy
    assert omne.requests == 0


def test_even_without_the_lock_one_row_is_claimed_once(house: House) -> None:
    intents = [Intent(DAY, f"k{n}", FILE, n, f"{n:010d}", f"h{n}", "***", "jornada1", 1, None) for n in range(40)]

    def claim(_: int) -> list[str]:
        return [one.row_key for one in house.runtime.ledger.claim_messages(intents, MORNING)]

    with ThreadPoolExecutor(4) as pool:
        claimed = [key for keys in pool.map(claim, range(4)) for key in keys]
    assert sorted(claimed) == sorted(intent.row_key for intent in intents)
    other_row = Intent(DAY, "another", "b.csv", 1, "1", "h3", "***", "jornada1", 1, None)
    assert house.runtime.ledger.claim_messages([other_row], MORNING) == [], "the number takes the template today"


def test_nothing_on_the_record_names_a_person_even_when_omne_repeats_it(house: House, omne: OmneServer) -> None:
    prepared(house, messages(1))

    def echo(message: dict[str, Any]) -> Behaviour:
        name = message["parameters"][0]
        said = f"{name}, {name.title()} ({message['number']}) não tem WhatsApp, CPF 529.982.247-25"
        return Behaviour("echo", status=400, body={"error": {"message": said}})

    omne.decide = echo
    house.send()
    (message,) = house.runtime.ledger.messages(day=DAY)
    said = repr(message)
    assert message.status is Status.RECUSADO and "não tem WhatsApp" in message.words
    assert not any(value in said for value in ("PESSOA 1", "Pessoa 1", "31900000001", "529.982.247-25"))
    assert message.number_masked == "*********01"


@pytest.mark.parametrize(
    "body", [{"message": "fila\0cheia \ud800"}, "[" * 8000], ids=["a NUL and half a pair", "endless lists"]
)
def test_words_that_no_database_takes_lose_no_answer(
    house: House, omne: OmneServer, body: dict[str, Any] | str
) -> None:
    prepared(house, messages(2))
    omne.decide = lambda _: replace(ACCEPT, body=body)
    assert house.send().accepted == 2
    assert house.statuses() == {"aceito": 2}


def test_a_message_is_of_the_day_on_which_it_left_though_a_person_settles_it_later(house: House) -> None:
    ledger, later = house.runtime.ledger, MORNING + timedelta(days=1)
    (claim,) = ledger.claim_messages([Intent(DAY, "k", FILE, 1, "1", "h", "***", "jornada1", 1, None)], MORNING)
    ledger.give_up_interrupted()
    ledger.settle_message(
        claim.message_id, sent=True, why="vi no OMNE", author="ana", now=later, marked_on=later.date(),
        today=later.date(),
    )  # fmt: skip
    (left,) = ledger.answers_marked_on(later.date())["enviada_em"]
    assert left == MORNING


def test_what_the_environment_must_be_like(house: House) -> None:
    def missing(url: str, token: str = TOKEN) -> str | None:
        return with_access(url, token)(house.runtime.settings).omne.missing()

    assert missing("https://omne.example.com/api") is None
    assert missing("http://127.0.0.1:8000") is None
    assert "https" in str(missing("http://omne.example.com"))
    assert "ATOM_OMNE_TOKEN" in str(missing("https://ana:segredo@omne.example.com"))
    assert missing("ftp://omne.example.com") and missing("https://omne.example.com", "linha\nnova")
    access = with_access("https://omne.example.com", "segredo")(house.runtime.settings)
    assert "segredo" not in repr(access) + repr(access.omne) and "omne.example.com" not in repr(access.omne)
    with pytest.raises(OmneMisconfigured):
        with_access(None, None)(house.runtime.settings).omne.checked()


def test_a_thousand_messages_go_fast_in_little_memory(open_house: OpenHouse, omne: OmneServer) -> None:
    house = open_house(massivas={"concurrency": 50, "timeout_seconds": 20})
    prepared(house, messages(1000))
    omne.keeps_bodies = False
    process = psutil.Process()
    before = process.memory_info().rss
    progress = house.send()
    assert progress.accepted == 1000 and omne.twice == {} and len(omne.accepted) == 1000
    assert progress.sent / progress.seconds > 20
    assert process.memory_info().rss - before < 200 * 1024 * 1024
    assert omne.most_at_once <= 50


def test_settling_needs_a_reason_and_is_about_uncertain_messages_alone(house: House) -> None:
    prepared(house, messages(2))
    ledger = house.runtime.ledger
    known = house.runtime.calendar.roll_forward(DAY)
    first = Intent(DAY, "k", FILE, 1, "1", "h", "***", "jornada1", 1, None)
    (claim,) = ledger.claim_messages([first], MORNING)
    ledger.give_up_interrupted()

    def settle(sent: bool, why: str = "vi no OMNE", now: datetime = MORNING) -> str:
        return ledger.settle_message(
            claim.message_id, sent=sent, why=why, author="ana", now=now, marked_on=known, today=now.date()
        ).status

    with pytest.raises(Exception, match="needs a reason"):
        settle(True, " ")
    assert settle(False) == "planejado"
    with pytest.raises(Exception, match="only an uncertain one"):
        settle(True)
    again = Intent(DAY, "k", FILE, 1, "1", "h", "***", "jornada1", 1, claim.message_id)
    (second,) = ledger.claim_messages([again], MORNING)
    assert second.attempt == 2
    ledger.give_up_interrupted()
    assert settle(False, now=MORNING + timedelta(days=1)) == "recusado", "its day is over"
    with pytest.raises(Exception, match="no message"):
        ledger.settle_message(10**9, sent=True, why="a", author="b", now=MORNING, marked_on=known, today=MORNING.date())
