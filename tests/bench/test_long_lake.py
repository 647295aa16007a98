"""The lake that `atom explain` and `atom diff` are measured on, in small: what is asked of it is there, and is told."""

from __future__ import annotations

from pathlib import Path

from bench.long_lake import LongLake, contrato, make
from resources.diff import compare_days
from resources.explain import contratos_of_client, explain_contrato
from resources.explain_record import record_of
from resources.runtime import open_portfolios
from resources.settings import Settings


def test_a_contract_of_the_long_lake_has_a_life_on_every_day_and_a_record(tmp_path: Path, ledger_url: str) -> None:
    settings = Settings(tmp_path, "file:///drop", "file:///manager", Settings.from_env({}).layouts, ledger_url)
    with open_portfolios(settings) as portfolios:
        (runtime,) = portfolios.values()
        shape = LongLake(contracts=300, days=5, written=2, copied=1, remessa_megabytes=1.5)
        days = make(runtime, shape)
        assert make(runtime, shape) == days and len(runtime.ledger.bases()) == 5
        moved = runtime.lake.read("movimentos", days[-1])["contrato"]
        story = explain_contrato(runtime, moved[100])
        assert story is not None and runtime.stale() == []
        assert {event.kind for event in story.events} >= {"ONDA"} and len(story.phones) == 3
        newest = [event for event in story.events if event.linha is not None][-1]
        record = record_of(runtime, newest)
        assert record is not None and record.fault is None
        assert {cell.field.name: cell.raw for cell in record.cells}["contrato"] == story.contrato
        assert contratos_of_client(runtime, contrato(7).zfill(11)) == [contrato(7)]
        found = compare_days(runtime, days[-2], days[-1])
        assert found.notes == [] and found.found.mailing is not None
        assert found.found.base.before == found.found.base.after == 300
