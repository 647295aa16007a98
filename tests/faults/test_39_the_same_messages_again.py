"""FAULTS 39: the same file again, a copy, a new version of it, or the day re-run: no message goes twice."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from massiva.massiva_house import House, active, massiva_house, messages
from massiva.omne_server import TOKEN, OmneServer, omne_server

FILE = "20261124_090000_massiva_whatsapp.csv"


@pytest.fixture
def omne() -> Iterator[OmneServer]:
    with omne_server() as server:
        yield server


@pytest.fixture
def house(tmp_path: Path, ledger_url: str, omne: OmneServer) -> Iterator[House]:
    with massiva_house(tmp_path / "home", ledger_url, omne.url, TOKEN) as one:
        yield one


def test_copies_versions_and_re_runs_send_nothing_again(house: House, omne: OmneServer) -> None:
    rows = messages(8)
    everybody = active(messages(20))

    def day_again() -> int:
        house.read()
        house.base(everybody)
        return house.send().sent

    first = house.put(FILE, rows)
    assert day_again() == 8
    assert day_again() == 0, "the day, run again"

    first.touch()
    assert day_again() == 0, "the same file, put again"

    shutil.copyfile(first, house.drop / "20261124_093000_massiva_whatsapp.csv")
    assert day_again() == 0, "the same bytes under another name"

    house.put("20261124_100000_massiva_whatsapp.csv", list(reversed(rows)))
    assert day_again() == 0, "the same rows in another order"

    house.put(FILE, [*messages(1, first=15), *rows])
    assert day_again() == 1, "a new version with a row before the others: that row alone"

    house.put(FILE, [{**rows[0], "nome": "OUTRO NOME"}, *rows[1:]])
    assert day_again() == 0, "a name that was corrected after the message went"
    assert omne.requests == 9 and omne.twice == {}


def test_another_template_id_in_the_portfolio_sends_no_row_again(
    tmp_path: Path, ledger_url: str, omne: OmneServer
) -> None:
    rows = messages(3)
    home = tmp_path / "home"
    with massiva_house(home, ledger_url, omne.url, TOKEN) as house:
        house.put(FILE, rows)
        house.read()
        house.base(active(rows))
        assert house.send().accepted == 3
    shutil.rmtree(home / "layouts")
    other = {"templates": {"jornada1": 77, "jornada2": 2}}
    with massiva_house(home, ledger_url, omne.url, TOKEN, massivas=other) as house:
        assert house.send().sent == 0
    assert omne.requests == 3
