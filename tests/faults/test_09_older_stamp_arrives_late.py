"""FAULTS 9: an older stamp arrives late: processed for its own day, and it cannot overwrite newer state."""

from __future__ import annotations

import os
from datetime import datetime

from agency import ZONE, failures
from aurora import FRI, SAT, Place, contract, put_remessa
from receiving import LONG_AGO, days_plan, outcomes, receiving_house

OLDER = f"{FRI:%Y%m%d}-050000"  # than Friday's own remessa, of 06:00
LATE = f"aurora.71.contratos.{OLDER}.txt"


def names(table: object) -> dict[str, str]:
    return dict(table.select("contrato", "nome").iter_rows())  # type: ignore[attr-defined]


def test_a_late_file_makes_its_own_day_again_and_then_the_next_and_overwrites_nothing(on_saturday: Place) -> None:
    with receiving_house("sftp", *on_saturday) as (house, drop):
        for path in house.drop.iterdir():  # else bytes are looked at again that turn two minutes old in the middle
            os.utime(path, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
        house.clock[0], house.stopped = datetime(2026, 11, 14, 7, 30, tzinfo=ZONE), True
        drop.obey(drop.asked())
        made = house.run(SAT)
        assert made.success, failures(made)
        sent, cadastro = house.sent(), names(house.table("cadastro", SAT))

        late = put_remessa(house, FRI, contract(11, nome="NOME ANTIGO"), contract(17), stamp=OLDER)
        os.utime(late, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
        assert outcomes(drop.obey(drop.asked()))[LATE] == "coletado"
        for day in (FRI, SAT):
            asked = days_plan(house).request
            assert asked is not None and asked.day == day, (day, asked)
            made = house.run(day)
            assert made.success, failures(made)
            # What the newer stamp of the day said stands.
            assert "NOME ANTIGO" not in names(house.table("cadastro", day)).values()
        assert days_plan(house).request is None
        assert names(house.table("cadastro", SAT)) == cadastro | {"00000017": "CLIENTE DE TESTE"}
        # The batimentos do not have the late contract: Manager needs nothing of it.
        assert [house.situacoes(day)["00000017"] for day in (FRI, SAT)] == ["BAIXADO", "BAIXADO"]
        assert house.sent() == sent
