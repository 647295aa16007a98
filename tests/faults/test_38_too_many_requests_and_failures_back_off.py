"""FAULTS 38: 429 or 5xx backs off, honours Retry-After, bounded; 4xx is marked as failed with the server's words."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from massiva.massiva_house import DAY, House, active, massiva_house, messages
from massiva.omne_server import ACCEPT, FAIL, REFUSE, TOKEN, OmneServer, omne_server, too_many


@pytest.fixture
def omne() -> Iterator[OmneServer]:
    with omne_server() as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, ledger_url: str, omne: OmneServer) -> Iterator[House]:
    calm = {"breaker": {"window": 50, "at_least": 50, "failures": 1.0, "pause_seconds": 1, "openings": 1}}
    with massiva_house(tmp_path / "home", ledger_url, omne.url, TOKEN, massivas=calm) as one:
        yield one


def prepared(house: House, count: int) -> list[str]:
    rows = messages(count)
    house.put("20261124_090000_massiva_whatsapp.csv", rows)
    house.read()
    house.base(active(rows))
    return [row["numero"] for row in rows]


def test_retry_after_is_honoured_by_all_and_the_message_goes_once(house: House, omne: OmneServer) -> None:
    prepared(house, 6)
    at: list[float] = []
    omne.before = lambda _: at.append(time.monotonic())
    omne.behaves(ACCEPT, too_many(1))
    progress = house.send()
    assert (progress.accepted, progress.put_back, progress.refused) == (6, 1, 0)
    answered = at.index(max(one for one in at if one - at[0] < 0.9))  # the last request before the pause
    assert at[answered + 1] - at[answered] >= 0.9, "nobody is sent to while OMNE asks to wait"
    assert omne.twice == {} and house.statuses() == {"aceito": 6}


def test_a_wait_longer_than_the_run_outlives_it(house: House, omne: OmneServer) -> None:
    prepared(house, 3)
    omne.behaves(too_many(600))
    progress = house.send(minutes=0.2)
    assert progress.put_back == 1 and progress.left == 3
    assert progress.resume_at is not None
    assert 590 < (progress.resume_at - house.clock()).total_seconds() <= 600
    assert house.send(minutes=0.2).sent == 0, "a new run waits too"
    assert omne.requests == 1


def test_a_failure_is_tried_again_so_often_and_no_more(house: House, omne: OmneServer) -> None:
    numbers = prepared(house, 3)
    omne.decide = lambda message: FAIL if message["number"] == numbers[1] else ACCEPT
    progress = house.send()
    assert (progress.accepted, progress.refused, progress.put_back) == (2, 1, 2)
    assert omne.requests == 5
    refused = [one for one in house.runtime.ledger.messages(day=DAY) if one.status == "recusado"]
    assert [one.words for one in refused] == ["desistiu após 3 tentativas; a última: 500 erro interno"]
    assert house.send().sent == 0


def test_a_refusal_is_final_and_kept_in_the_servers_words(house: House, omne: OmneServer) -> None:
    numbers = prepared(house, 3)
    omne.decide = lambda message: REFUSE if message["number"] == numbers[0] else ACCEPT
    assert house.send().refused == 1
    words = [one.words for one in house.runtime.ledger.messages(day=DAY) if one.status == "recusado"]
    assert words == ["400 número não tem WhatsApp"]
    assert house.send().sent == 0 and omne.requests == 3
