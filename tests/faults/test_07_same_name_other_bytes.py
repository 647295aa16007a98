"""FAULTS 7: the same name with other bytes: a new version, flagged; the day is redone with it."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
from agency import ZONE, failures
from aurora import FRI, contract, put_friday, put_remessa
from receiving import LONG_AGO, days_plan, outcomes, receiving_house

REMESSA = f"aurora.71.contratos.{FRI:%Y%m%d}-060000.txt"


def test_the_day_is_made_again_with_the_new_version_and_sends_the_difference(tmp_path: Path, ledger_url: str) -> None:
    with receiving_house("sftp", tmp_path / "home", ledger_url) as (house, drop):
        house.clock[0], house.stopped = datetime(2026, 11, 13, 7, 30, tzinfo=ZONE), True
        put_friday(house)
        age(house.drop)
        assert set(outcomes(drop.obey(drop.asked())).values()) == {"coletado"}
        first = days_plan(house).request
        assert first is not None and first.day == FRI
        assert house.run(FRI).success
        sent = house.sent()
        assert days_plan(house).request is None

        put_remessa(
            house, FRI, contract(11, telefone_1_numero="977777777"), *(contract(number) for number in range(12, 15))
        )
        age(house.drop, days=1)
        told = outcomes(drop.obey(drop.asked()))
        assert told == {REMESSA: "nova versão"} | dict.fromkeys(told.keys() - {REMESSA}, "já coletado")
        assert sorted(file for file in drop.files() if file[0] == REMESSA) == [
            (REMESSA, 1, "replaced"), (REMESSA, 2, "current"),
        ]  # fmt: skip
        assert len([path for path in drop.archived() if REMESSA in path]) == 2  # the first one is kept
        again = days_plan(house).request
        assert again is not None
        assert (again.day, again.content != first.content) == (FRI, True)
        assert again.why == "há arquivos ou decisões que a base do dia não tem"
        made = house.run(FRI)
        assert made.success, failures(made)
        phones = house.table("telefones_contato", FRI).filter(pl.col("contrato") == "00000011")
        assert phones["numero"].to_list() == ["977777777"]
        # Manager gets the difference, and what it got stays as it was.
        assert set(sent) < set(house.sent())
        assert days_plan(house).request is None
        assert not drop.tick().run_requests


def age(folder: Path, *, days: int = 0) -> None:
    """Give files times of long ago, so that they need not be looked at again."""
    moment = (LONG_AGO + timedelta(days=days)).timestamp()
    for path in folder.iterdir():
        os.utime(path, (moment, moment))
