"""FAULTS 36: the POST times out after the server accepted it: unknown, never blindly resent, listed for a person."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from massiva.massiva_house import DAY, MORNING, House, active, massiva_house, messages
from massiva.omne_server import (
    ACCEPT,
    CLOSE_ACCEPTED,
    CLOSE_LOST,
    CUT_ACCEPTED,
    GATEWAY,
    HANG_ACCEPTED,
    HANG_LOST,
    TOKEN,
    Behaviour,
    OmneServer,
    omne_server,
)
from typer.testing import CliRunner

from atom_pipeline.cli import app
from atom_pipeline.cli.console import console
from atom_pipeline.massiva.states import Status

UNCERTAIN = (HANG_ACCEPTED, HANG_LOST, CLOSE_ACCEPTED, CLOSE_LOST, GATEWAY)


@pytest.fixture
def omne() -> Iterator[OmneServer]:
    with omne_server() as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, ledger_url: str, omne: OmneServer) -> Iterator[House]:
    with massiva_house(tmp_path / "home", ledger_url, omne.url, TOKEN, massivas={"timeout_seconds": 3.0}) as one:
        yield one


def test_no_answer_is_uncertain_and_no_run_sends_it_again(
    house: House, omne: OmneServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = messages(10)
    house.put("20261124_090000_massiva_whatsapp.csv", rows)
    house.read()
    house.base(active(rows))
    meets: dict[str, Behaviour] = {row["numero"]: ACCEPT for row in rows}
    meets |= {rows[2 * place]["numero"]: behaviour for place, behaviour in enumerate(UNCERTAIN)}
    meets[rows[9]["numero"]] = CUT_ACCEPTED  # the status came, and it decides
    omne.decide = lambda message: meets[message["number"]]
    assert house.send().uncertain == 5
    assert house.statuses() == {"aceito": 5, "incerto": 5}

    omne.decide = None
    for _ in range(2):
        assert house.send().sent == 0
    assert omne.requests == 10 and omne.twice == {}

    # A person finds them, masked, and says what became of each.
    settings = house.runtime.settings
    environment = settings.omne.environment() | {
        "ATOM_HOME": str(settings.home),
        "ATOM_LAYOUTS": str(settings.layouts),
        "ATOM_DROP_URL": settings.drop_url,
        "ATOM_MANAGER_URL": settings.manager_url,
        "ATOM_POSTGRES_URL": str(settings.postgres_url),
        "COLUMNS": "250",
    }
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(console, "_width", 250)  # it was made with the width of another moment
    command = CliRunner()
    listed = command.invoke(app, ["massiva", "pendentes"])
    assert listed.exit_code == 1
    uncertain = list(house.runtime.ledger.messages(day=DAY, status=Status.INCERTO))
    for message in uncertain:
        assert f"{message.contrato}" in listed.output
    assert listed.output.count("sem resposta do OMNE") == 4 and "504 gateway timeout" in listed.output
    assert not any(row["numero"] in listed.output or row["nome"] in listed.output for row in rows)

    taken = {rows[0]["contrato"], rows[4]["contrato"], rows[8]["contrato"]}
    for message in uncertain:
        was = message.contrato in taken
        house.runtime.ledger.settle_message(
            message.id, sent=was, why="conferido no painel do OMNE", author="ana", now=MORNING, marked_on=DAY, today=DAY
        )
    assert house.send().accepted == 2, "those that a person knows were not sent"
    assert house.statuses() == {"aceito": 10}
    assert omne.twice == {} and len(omne.accepted) == 10
