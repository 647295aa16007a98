"""FAULTS 37: killed at row k of n, at each boundary in turn: rows already sent are not sent again."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from massiva.massiva_house import DAY, House, active, massiva_house, messages
from massiva.omne_server import TOKEN, OmneServer, omne_server
from massiva.sender_process import BOUNDARIES, Start, senders

from atom_pipeline.massiva.states import Status

ROWS, AT_ONCE = 12, 4


@pytest.fixture(scope="module")
def omne() -> Iterator[OmneServer]:
    with omne_server() as server:
        yield server


@pytest.fixture(scope="module")
def start() -> Iterator[Start]:
    with senders() as one:
        yield one


def test_killed_at_each_boundary_nothing_is_lost_or_sent_twice(
    tmp_path: Path, ledger_url: str, omne: OmneServer, start: Start
) -> None:
    home = tmp_path / "home"
    with massiva_house(home, ledger_url, omne.url, TOKEN) as house:
        rows = messages(ROWS * len(BOUNDARIES))
        house.put("20261124_090000_massiva_whatsapp.csv", rows)
        house.read()
        house.base(active(rows))
        for boundary in BOUNDARIES:
            before = sum(omne.accepted.values())
            # Two passes, so that some rows are sent before it.
            assert start(home, ledger_url, omne.url, boundary, 2) == -signal.SIGKILL
            assert sum(omne.accepted.values()) - before <= 2 * AT_ONCE
            house.runtime.ledger.give_up_interrupted()
            assert omne.twice == {}
            agree(house, omne)
        assert house.send().accepted > 0
        uncertain = list(house.runtime.ledger.messages(day=DAY, status=Status.INCERTO))
        assert 0 < len(uncertain) <= AT_ONCE * len(BOUNDARIES)
        # What nobody knows of waits for a person, who looks it up; the rest was sent once.
        number_of = {row["contrato"]: row["numero"] for row in rows}
        for message in uncertain:
            sent = omne.accepted[number_of[message.contrato], 1] > 0
            house.runtime.ledger.settle_message(
                message.id, sent=sent, why="conferido", author="ana", now=house.clock(), marked_on=DAY, today=DAY
            )
        house.send()
        assert house.statuses() == {"aceito": len(rows)}
    assert omne.twice == {} and len(omne.accepted) == len(rows)


def agree(house: House, omne: OmneServer) -> None:
    """What is accepted on the record the server accepted; what it accepted is there as accepted or uncertain."""
    digits = {f"{n:010d}": f"319{n:08d}" for n in range(1, ROWS * len(BOUNDARIES) + 1)}
    status = {digits[one.contrato]: one.status for one in house.runtime.ledger.messages(day=DAY)}
    for number, found in status.items():
        if found is Status.ACEITO:
            assert omne.accepted[number, 1] == 1
    for number, _ in omne.accepted:
        assert status[number] in (Status.ACEITO, Status.INCERTO)
