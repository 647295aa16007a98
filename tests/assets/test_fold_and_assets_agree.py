"""The days that Dagster makes, step by step, are those that the rules fold at once: one order of a day, not two."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl
import pytest
from agency import Agency, agency, failures
from polars.testing import assert_frame_equal

from assets import loading
from assets.common import asset_key
from atom_pipeline.day import Outcome
from atom_pipeline.rules.fold import FoldedDay, fold_day
from atom_pipeline.rules.guards import Guard
from atom_pipeline.sample import generate
from resources.settings import PROJECT_ROOT

FIRST = date(2026, 11, 6)  # a Friday: the third of four days is a Tuesday, with its refin
CONTRACTS, DAYS = 150, 4
TABLES = (
    "contratos",
    "fichas",
    "cadastro",
    "enderecos",
    "telefones_contato",
    "parcelas_abertas",
    "garantias",
    "refin_vigente",
    "acordos",
    "movimentos",
    "ignoradas",
)
RELEASE = Guard.EXCLUSAO.released_by


@pytest.fixture
def house(tmp_path: Path, ledger_url: str) -> Iterator[Agency]:
    """An agency of which every exclusão is held until somebody releases it."""
    layouts = tmp_path / "layouts"
    shutil.copytree(PROJECT_ROOT / "layouts" / "banco_pan_veiculos", layouts / "banco_pan_veiculos")
    document = layouts / "banco_pan_veiculos" / "portfolio.yaml"
    text = document.read_text(encoding="utf-8")
    assert text.count("max_exclusao: 0.30") == 1
    document.write_text(text.replace("max_exclusao: 0.30", "max_exclusao: 0.0"), encoding="utf-8")
    with agency(tmp_path / "home", ledger_url, layouts=layouts) as one:
        yield one


def make_base(house: Agency, day: date) -> None:
    """Run the day's assets up to its base; what is sent from it is none of the rules'."""
    base = dg.AssetSelection.assets(asset_key(house.runtime.name, "base")).upstream()
    result = house.run(day, only=sorted(base.resolve(house.definitions.resolve_asset_graph())))
    assert result.success, failures(result)


def received(house: Agency, day: date) -> dict[str, pl.DataFrame]:
    """The day's merged rows of each layout that had a file in force."""
    loaded = pl.col("situacao") == Outcome.LOADED.value
    return {
        layout.layout: house.table(f"recebido/{layout.layout}", day)
        for layout in house.runtime.catalogue.inputs()
        if not house.table(f"arquivos/{layout.layout}", day).filter(loaded).is_empty()
    }


def verdicts_of_assets(house: Agency, day: date) -> dict[str, tuple[bool, dict[str, int | float]]]:
    return {one.guard: (one.held, dict(one.numbers)) for one in house.runtime.verdicts(day)}


def agree(house: Agency, folded: FoldedDay, day: date) -> None:
    for table in TABLES:
        try:
            assert_frame_equal(house.table(table, day), folded.tables[table], check_exact=True)
        except AssertionError as difference:
            raise AssertionError(f"{table} of {day:%Y-%m-%d}: {difference}") from None
    assert verdicts_of_assets(house, day) == {
        verdict.guard.value: (verdict.held, verdict.numbers) for verdict in folded.verdicts
    }


def made_from_large_files_too(house: Agency, day: date, monkeypatch: pytest.MonkeyPatch, *, later: int) -> None:
    """The day's files read as large ones are, by way of the disk: the same rows received, the same bytes made.

    ``later`` is for how many bytes files that came later than the first of their layout stay in memory: with 0, none.
    """
    names = [f"recebido/{layout.layout}" for layout in house.runtime.catalogue.inputs()]
    before = {name: house.table(name, day) for name in names}
    hashes = {table: house.runtime.lake.sha256(table, day) for table in TABLES}
    spooled: list[str] = []
    spool = loading.spool_file

    def spying(*args: Any, name: str, **options: Any) -> Any:
        spooled.append(name)
        return spool(*args, name=name, **options)

    with monkeypatch.context() as patch:
        patch.setattr(loading, "LARGE", 0)
        patch.setattr(loading, "LATER", later)
        patch.setattr(loading, "spool_file", spying)
        make_base(house, day)
    files = house.runtime.ledger.files(day)
    assert set(spooled) <= {file.name for file in files}
    assert {file.layout for file in files if file.name in spooled} == {file.layout for file in files}
    assert (len(spooled) < len(files)) == (later > 0)
    for name, rows in before.items():
        assert_frame_equal(house.table(name, day), rows, check_exact=True)
    assert {table: house.runtime.lake.sha256(table, day) for table in TABLES} == hashes


def test_the_assets_make_of_every_day_what_the_rules_fold(house: Agency, monkeypatch: pytest.MonkeyPatch) -> None:
    runtime = house.runtime
    sample = generate(runtime.catalogue, contracts=CONTRACTS, days=DAYS, seed=7, target=house.drop, first_day=FIRST)
    report = house.collect()  # every day at once
    assert not report.errors and not report.unstable, report

    base: dict[str, pl.DataFrame] = {}
    remessas: list[int] = []  # contracts of the remessas applied, newest first

    def fold(day: date, *decisions: str) -> FoldedDay:
        return fold_day(
            base,
            received(house, day),
            day=day,
            portfolio=runtime.portfolio,
            layouts=runtime.catalogue.layouts,
            decisions=decisions,
            previous_remessas=remessas,
        )

    held_days, released_days = [], []
    for day in sample.days:
        make_base(house, day)
        assert runtime.batimento_waits(day) == []
        folded = fold(day)
        agree(house, folded, day)
        held = [verdict.guard for verdict in folded.verdicts if verdict.held]
        assert held in ([], [Guard.EXCLUSAO])
        if held:
            held_days.append(day)
        if held and not released_days:
            runtime.ledger.decide(day, RELEASE, why="confirmado com o banco", author="ana")
            make_base(house, day)
            folded = fold(day, RELEASE)
            agree(house, folded, day)
            released_days.append(day)
        if day == sample.days[0]:
            made_from_large_files_too(house, day, monkeypatch, later=0)
        if day == sample.days[-1]:
            made_from_large_files_too(house, day, monkeypatch, later=loading.LATER)
        base = folded.tables
        remessas = [int(v.numbers["contratos"]) for v in folded.verdicts if v.guard is Guard.REMESSA] + remessas

    assert len(held_days) > len(released_days) == 1, "a day that stays held, and one that is released"
    assert all(base[table].height for table in TABLES)
    happened = pl.concat([house.table("movimentos", day) for day in sample.days])["movimento"].unique().to_list()
    assert {"ALTA", "ATUALIZACAO", "BLOQUEIO", "RETIRADA", "BAIXA_BATIMENTO"} <= set(happened)
