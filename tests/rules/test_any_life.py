"""Busy days folded by the rules into a lake: what is told of each contract agrees with the base."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from random import Random

import polars as pl
import pytest
from histories import CONTRATOS, LAYOUTS, PORTFOLIOS, as_files, busy_day, received

from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.rules.fold import fold_day
from atom_pipeline.rules.state import Movimento, empty
from resources.explain import explain
from resources.ledger_records import Base
from resources.postgres import engine
from resources.runtime import PortfolioRuntime
from resources.settings import Settings


@pytest.mark.parametrize("kind", sorted(PORTFOLIOS))
def test_the_last_event_of_any_life_is_what_the_base_says(kind: str, tmp_path: Path, ledger_url: str) -> None:
    portfolio, dice = PORTFOLIOS[kind], Random(kind)
    settings = Settings(tmp_path, "file:///drop", "file:///manager", tmp_path, postgres_url=ledger_url)
    connections = engine(ledger_url)
    runtime = PortfolioRuntime(settings, Catalogue(portfolio, LAYOUTS, tmp_path), connections)
    tables: dict[str, pl.DataFrame] = {}
    happened: list[pl.DataFrame] = []
    for number, day in enumerate(runtime.calendar.days(date(2026, 2, 10), date(2026, 3, 13))):
        files = received(as_files(day, busy_day(dice), 100 * number), number)
        tables = fold_day(tables, files, day=day, portfolio=portfolio, layouts=LAYOUTS).tables
        for table, frame in {**tables, "recusadas": empty("recusadas")}.items():
            runtime.lake.write(table, day, frame)
        runtime.ledger.record_base(Base(day, f"{day}", {}, "", None, None, True, {}))
        happened.append(tables["movimentos"])
    movimentos = pl.concat(happened)
    stories = {found.contrato: found for found in explain(runtime, sorted(CONTRATOS))}
    assert stories.keys() >= set(tables["contratos"]["contrato"]) and stories
    for contrato, situacao in tables["contratos"].select("contrato", "situacao").iter_rows():
        found = stories[contrato]
        lived = [event for event in found.events if event.movimento in set(Movimento)]
        assert lived[-1].depois == situacao == found.facts.situacao
        assert [event.antes for event in lived] == [None, *(event.depois for event in lived[:-1])]
        assert len(lived) == movimentos.filter(contrato=contrato).height
        assert found.facts.cause is not None and found.facts.cause.depois == situacao
        assert found.state == tables["contratos"].row(by_predicate=pl.col("contrato") == contrato, named=True)
    connections.dispose()
