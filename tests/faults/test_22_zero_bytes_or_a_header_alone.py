"""Fault 22: zero bytes, or a header alone: by the layout's policy, recorded; an empty batimento closes nobody."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from agency import agency
from aurora import NewDatabase
from desk import CONTRATOS, MONDAY, NAMES, TUESDAY, Desk, before_the_deadline, desk, make_monday, remessa, situacoes


@pytest.fixture(scope="module")
def reception(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Iterator[Desk]:
    with desk(tmp_path_factory.mktemp("empty") / "home", new_database()) as one:
        yield one


@pytest.mark.parametrize("layout", ["remessa_assessoria", "exclusao_retirada", "acordos_baixados", "batimento"])
def test_a_file_of_zero_bytes_is_refused_and_on_the_record(reception: Desk, layout: str) -> None:
    found = reception.receive(layout, b"")
    assert (found.load.outcome, found.load.code) == ("refused", "VAZIO")
    assert found.rows.is_empty()


@pytest.mark.parametrize("layout", ["exclusao_retirada", "acordos_baixados", "batimento"])
def test_a_file_without_a_detail_row_is_accepted_where_the_layout_says_so(reception: Desk, layout: str) -> None:
    day = next(reception.days)
    found = reception.receive(layout, reception.written(layout, [], day), day)
    assert (found.load.outcome, found.load.rows_read) == ("loaded", 0)


def test_an_empty_batimento_closes_nobody(tmp_path: Path, ledger_url: str) -> None:
    with agency(tmp_path / "home", ledger_url) as house:
        make_monday(house)
        before = house.table("contratos", MONDAY)
        before_the_deadline(house, TUESDAY)
        for layout, rows in (("remessa_assessoria", remessa(*CONTRATOS)), ("acordos_baixados", []), ("batimento", [])):
            house.put(layout, NAMES[layout].format(day=TUESDAY), rows, day=TUESDAY)
        house.collect()
        house.run(TUESDAY)
        assert situacoes(house, TUESDAY) == {"ATIVO": 40}
        assert house.table("contratos", TUESDAY).drop("ultima_remessa").equals(before.drop("ultima_remessa"))
        held = [verdict for verdict in house.runtime.verdicts(TUESDAY) if verdict.held]
        assert [verdict.guard for verdict in held] == ["batimento"]
        assert not [name for name in house.sent() if f"{TUESDAY:%Y%m%d}" in name]
