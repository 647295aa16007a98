"""What is said of the base's columns, that they are made of this and that, holds for what the fold makes of files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from pathlib import Path

import pytest
from daily import BRUNO, Base, acordos, layouts, remessa

from atom_pipeline.layout.document import load_layout
from atom_pipeline.layout.model import Layout
from atom_pipeline.rules.columns import COLUMNS, Source, column_sources

LAYOUTS = Path(__file__).resolve().parents[2] / "layouts" / "banco_pan_veiculos"
MON, TUE = date(2026, 1, 5), date(2026, 1, 6)
Changed = set[Source]


def made_of(table: str, column: str, known: Iterable[Layout] = tuple(layouts().values())) -> Changed:
    """The fields of files that a column is said to be made of, through however many tables."""
    if table not in COLUMNS:
        return {(table, column)}
    sources = column_sources(table, [column], known)[column]
    return {origin for source in sources for origin in made_of(*source, known)}


def differing(one: Base, other: Base) -> Changed:
    """The columns in which the tables of two bases differ."""
    pairs = [(name, one.tables[name], other.tables[name]) for name in one.tables if name in COLUMNS]
    return {(name, column) for name, a, b in pairs for column in a.columns if not a[column].equals(b[column])}


@pytest.mark.parametrize(
    ("column", "value", "at_least"),
    [
        ("valor", 999, {("contratos", "valor"), ("cadastro", "valor")}),
        ("nome", "OUTRA", {("fichas", "nome"), ("cadastro", "nome")}),
        ("cpf_cnpj", BRUNO, {("contratos", "cpf_cnpj"), ("contratos", "id_crm"), ("fichas", "cpf_cnpj")}),
        ("contrato", "2", {("contratos", "contrato"), ("movimentos", "contrato")}),
    ],
)
def test_a_field_of_the_remessa_changes_the_columns_that_are_made_of_it_and_no_others(
    column: str, value: object, at_least: Changed
) -> None:
    one, other = Base(), Base()
    one.day(MON, remessa=remessa({}))
    other.day(MON, remessa=remessa({column: value}))
    changed = differing(one, other)
    assert at_least <= changed
    assert [found for found in sorted(changed) if ("recebido/remessa", column) not in made_of(*found)] == []


def test_an_acordo_changes_the_columns_that_are_made_of_it_and_no_others() -> None:
    one, other = Base(), Base()
    for base in (one, other):
        base.day(MON, remessa=remessa({}))
    one.day(TUE, acordos=acordos({}))
    other.day(TUE, acordos=acordos({"numero_acordo": "901"}))
    changed = differing(one, other)
    assert {("contratos", "numero_acordo"), ("acordos", "numero_acordo")} <= changed
    real = [load_layout(LAYOUTS / "acordos_baixados.yaml"), load_layout(LAYOUTS / "remessa_assessoria.yaml")]
    number = ("recebido/acordos_baixados", "numero_acordo")
    assert [found for found in sorted(changed) if number not in made_of(*found, real)] == []
