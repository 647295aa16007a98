"""Fault 24: killed while a table is written: the old one stays whole, and the next run completes."""

from __future__ import annotations

import pytest
from aurora import SAT, Place, aurora, contract, opened, put_remessa, work
from killing import Nursery


@pytest.mark.parametrize("moment", ["half", "name"], ids=["half written", "whole and not named"])
def test_a_table_killed_while_it_is_written_is_the_old_one_until_the_next_run(
    made_on_saturday: Place, children: Nursery, moment: str
) -> None:
    with aurora(*made_on_saturday) as house:
        put_remessa(house, SAT, contract(17), stamp="20261114-070000")  # the day is to be made again, with a row more
    with opened(made_on_saturday) as runtime:
        lake, before = runtime.lake, runtime.ledger.base(SAT)
        assert before is not None
        old = lake.read("contratos", SAT)

        killed = children.run(
            work("collect_and_make_day", made_on_saturday, SAT, mortal=f"^{moment} lake/aurora/contratos/")
        )
        assert killed.killed_before is not None
        assert lake.sha256("contratos", SAT) == before.tables["contratos"]
        assert lake.read("contratos", SAT).equals(old)
        assert runtime.ledger.base(SAT) == before, "the ledger speaks of nothing that was not finished"
        assert runtime.stale() == [SAT]
        assert lake.remove_leftovers() == 1

        assert children.run(work("make_day", made_on_saturday, SAT)).success
        assert runtime.stale() == []
        assert set(lake.read("contratos", SAT)["contrato"]) - set(old["contrato"]) == {"00000017"}
        now = runtime.ledger.base(SAT)
        assert now is not None
        assert now.tables["contratos"] == lake.sha256("contratos", SAT) != before.tables["contratos"]
