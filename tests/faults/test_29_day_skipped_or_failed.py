"""Fault 29: a day was skipped or failed: the next one refuses, names it, and is made after it."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

from agency import Agency, failures
from aurora import FRI, NAME, SAT, Place, aurora, put_friday, put_saturday

from assets.common import asset_key


def refused(house: Agency, day: date) -> str:
    """Why the day does not open; nothing of it is made but what its files say."""
    result = house.run(day, only=[asset_key(NAME, table) for table in ("abertura", "etapa_remessa", "cadastro")])
    assert not result.success
    assert house.runtime.ledger.base(day) is None
    (why,) = failures(result)
    return why


def test_a_day_after_one_that_was_skipped_is_refused_by_name_until_that_one_is_made(
    tmp_path: Path, ledger_url: str
) -> None:
    with aurora(tmp_path / "home", ledger_url) as house:
        put_friday(house)
        put_saturday(house)
        house.collect()
        said = refused(house, SAT)
        assert "the day 2026-11-13 has files and no base made from them: run it first" in said
        assert "(`atom run 2026-11-14` makes both, in order)" in said
        assert house.runtime.stale() == [FRI, SAT]


def test_a_day_after_one_that_failed_is_refused_by_name_until_that_one_is_made(
    on_saturday: Place,
) -> None:
    with aurora(*on_saturday) as house:
        # Friday's list comes again with another acordo, and its making fails halfway: a table has no place to go to.
        house.put(
            "acordos",
            f"aurora.71.acordos.{FRI:%d%m%Y}.csv",
            [{"numero_acordo": "7", "contrato": "00000013", "parcela": 1, "motivo": "PAGO", "data_movimento": FRI}],
            day=FRI,
        )
        house.collect()
        place = Path(house.runtime.lake.path("fichas", FRI))
        place.rename(place.with_name("aside"))
        place.mkdir()
        result = house.run(FRI)
        assert not result.success
        assert any("fechamento" in line for line in failures(result)), failures(result)
        assert "the day 2026-11-13 has files and no base made from them" in refused(house, SAT)

        shutil.rmtree(place)
        assert house.run(FRI).success
        assert house.run(SAT).success
        assert house.situacoes(SAT)["00000013"] == "BLOQUEIO PARCIAL"
        assert house.runtime.stale() == []
