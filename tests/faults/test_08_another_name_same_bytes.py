"""FAULTS 8: another name with the same bytes: recognised by its hash as a duplicate, and not loaded twice."""

from __future__ import annotations

from pathlib import Path

from aurora import FRI, NAME, contract, put_remessa
from receiving import LONG_AGO, outcomes, receiving_house

from assets.common import asset_key

REMESSA, AGAIN = (f"aurora.71.contratos.{FRI:%Y%m%d}-0{hour}0000.txt" for hour in (6, 7))


def test_a_copy_under_another_name_is_told_and_changes_no_day(tmp_path: Path, ledger_url: str) -> None:
    with receiving_house("ftps", tmp_path / "home", ledger_url) as (house, drop):
        content = put_remessa(house, FRI, *(contract(number) for number in range(11, 15))).read_bytes()
        drop.put(REMESSA, content, mtime=LONG_AGO)
        assert outcomes(drop.obey(drop.asked())) == {REMESSA: "coletado"}
        before = (house.runtime.inputs(), drop.archived())
        drop.put(AGAIN, content, mtime=LONG_AGO)
        assert outcomes(drop.obey(drop.asked())) == {AGAIN: "duplicado"}
        assert drop.files() == [(REMESSA, 1, "current"), (AGAIN, 1, "duplicate")]
        assert (house.runtime.inputs(), drop.archived()) == before
        result = house.run(FRI, only=[asset_key(NAME, "recebido", "remessa")])
        assert result.success
        assert [(one.file.name, one.load.rows_read) for one in house.runtime.ledger.loads(FRI)] == [(REMESSA, 4)]
        assert drop.quiet()
