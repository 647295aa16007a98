"""What a newcomer reads in the catalogue: assets say what they are, whose, of which rules; columns say where from."""

from __future__ import annotations

import re
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest

from assets.build import build_defs
from assets.common import BASE, MODELS, PUBLISH, RECEIVE
from assets.lineage import SQL_FOLDER, Lineage, told_shortly
from assets.receive import freshness
from assets.steps import STEPS
from atom_pipeline.layout.catalogue import Catalogue, load_catalogue
from atom_pipeline.layout.model import Layout
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.columns import COLUMNS
from atom_pipeline.rules.state import TABLES
from atom_pipeline.sql import load_models
from resources.settings import PROJECT_ROOT, Settings

RULE = re.compile(r"\b(?:R|UC|FA)[0-9]{3}\b")
DAY = date(2026, 11, 17)
FOLDERS = [*(PROJECT_ROOT / "layouts").iterdir(), *(PROJECT_ROOT / "tests" / "portfolios").iterdir()]


@pytest.fixture(scope="module")
def catalogue() -> Catalogue:
    return load_catalogue(PROJECT_ROOT / "layouts" / "banco_pan_veiculos")


@pytest.fixture(scope="module")
def specs() -> dict[str, dg.AssetSpec]:
    """Every asset of the shipped portfolio, by its path without the portfolio."""
    found = build_defs(Settings.from_env()).resolve_all_asset_specs()
    return {"/".join(spec.key.path[1:]): spec for spec in found}


def test_every_asset_says_what_it_is_and_whose(specs: dict[str, dg.AssetSpec]) -> None:
    for name, spec in specs.items():
        first = (spec.description or "").split("\n")[0]
        assert len(first) > 20 and first[0].isupper() and first.rstrip().endswith("."), f"{name}: {first!r}"
        assert spec.group_name in {RECEIVE, BASE, MODELS, PUBLISH}, name
        assert spec.owners == ["team:engenharia-de-dados"], name
        assert spec.kinds, name
        assert spec.partitions_def is not None, name


def test_an_asset_has_the_rules_of_its_layout_step_or_model(
    specs: dict[str, dg.AssetSpec], catalogue: Catalogue
) -> None:
    wanted = {
        **{f"recebido/{layout.layout}": layout.rules for layout in catalogue.inputs()},
        **{f"etapa_{step.stage.value}": step.rules for step in STEPS},
        **{table: step.rules for step in STEPS for table in step.tables},
        **{model.name: model.rules for model in load_models(SQL_FOLDER)},
    }
    for name, rules in wanted.items():
        described, _, _ = (specs[name].description or "").partition("```")
        assert set(rules) <= set(RULE.findall(described)), name
    for name, spec in specs.items():
        tagged = {tag.removeprefix("regra/") for tag in spec.tags if tag.startswith("regra/")}
        assert tagged == set(wanted.get(name, tagged)), name
    without = [name for name, spec in specs.items() if not any(tag.startswith("regra/") for tag in spec.tags)]
    assert sorted(without) == ["abertura", "base", "guardas", "relatorio"]  # ours: no rule asks for them


def test_every_column_is_described_before_a_day_is_made(specs: dict[str, dg.AssetSpec]) -> None:
    for name, spec in specs.items():
        if spec.group_name == PUBLISH and name != "manager_atual":
            continue
        if name.startswith("etapa_") or name in {"abertura", "base", "guardas"}:
            continue
        columns = spec.metadata["dagster/column_schema"].columns
        assert columns, name
        assert [column.name for column in columns if not column.description] == [], name


def test_a_layouts_asset_leads_to_its_page(specs: dict[str, dg.AssetSpec], catalogue: Catalogue) -> None:
    for layout in catalogue.inputs():
        metadata = specs[f"recebido/{layout.layout}"].metadata
        page, document = (metadata[f"{what} do layout"].value for what in ("página", "documento"))
        assert Path(page).read_text(encoding="utf-8").startswith("<!doctype html>")
        assert f"layout: {layout.layout}\n" in Path(document).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "cron", "hours"),
    [
        ("remessa_assessoria", "0 22 * * 1,2,3,4", 10),  # the evenings before Tuesday to Friday
        ("batimento", "0 3 * * 1,2,3,4,5", 15),
        ("refin", "0 6 * * 2", 18),
    ],
)
def test_an_expected_layout_has_the_portfolios_deadline_as_freshness(
    specs: dict[str, dg.AssetSpec], name: str, cron: str, hours: int
) -> None:
    policy = specs[f"recebido/{name}"].freshness_policy
    assert policy == dg.FreshnessPolicy.cron(cron, timedelta(hours=hours), "America/Sao_Paulo")


def test_what_is_not_due_has_no_freshness(catalogue: Catalogue) -> None:
    due = {name for one in catalogue.portfolio.expects if one.due for name in one.any_of}
    policies = {layout.layout: freshness(layout, catalogue.portfolio) for layout in catalogue.inputs()}
    assert {name for name, policy in policies.items() if policy} == due


def test_a_deadline_that_is_no_later_than_the_cutover_gives_none(catalogue: Catalogue) -> None:
    layout: Layout = catalogue.layouts["remessa_assessoria"]
    early = {"name": "remessa", "any_of": [layout.layout], "due": "11:00", "due_day": "before"}
    portfolio = Portfolio.model_validate(catalogue.portfolio.model_dump() | {"expects": [early]})
    assert freshness(layout, portfolio) is None


# Columns.


def test_the_words_on_columns_are_of_the_tables_that_there_are() -> None:
    assert COLUMNS.keys() == TABLES.keys()
    for table, columns in COLUMNS.items():
        assert columns.keys() >= TABLES[table].keys(), table
        assert columns.keys() - TABLES[table].keys() <= {"contrato"}, table


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_what_a_column_is_made_of_exists(folder: Path) -> None:
    lineage = Lineage(load_catalogue(folder), DAY)
    origin = {"arquivo", "carimbo", "ordem"}
    for table in [*COLUMNS, *(model.name for model in load_models(SQL_FOLDER))]:
        for column, sources in lineage.sources(table).items():
            assert column in lineage.columns(table)
            for of, name in sources:
                assert name in {*lineage.columns(of), *origin}, f"{table}.{column} of {of}.{name}"


@pytest.mark.parametrize("column", ["contrato", "cpf_cnpj", "nome", "dias_atraso", "valor_total", "placa"])
def test_a_column_of_the_mailing_leads_back_to_a_field_of_the_remessa(catalogue: Catalogue, column: str) -> None:
    lineage = Lineage(catalogue, DAY)
    assert lineage.origins("manager_mailing", column) == [("recebido/remessa_assessoria", column)]


def test_phones_and_offers_of_the_mailing_lead_back_to_their_files(catalogue: Catalogue) -> None:
    lineage = Lineage(catalogue, DAY)
    files = {table for table, _ in lineage.origins("manager_mailing", "telefone_3_numero")}
    assert files == {"recebido/remessa_assessoria", "recebido/telefones"}
    assert {table for table, _ in lineage.origins("manager_mailing", "refin_disponivel")} == {"recebido/refin"}


def test_a_person_follows_a_column_by_the_links_in_its_description(catalogue: Catalogue) -> None:
    lineage = Lineage(catalogue, DAY)
    columns = lineage.described("manager_mailing", {"dias_atraso": "Int64"}, {"dias_atraso": "Dias de atraso."}).columns
    assert columns[0].description == (
        "Dias de atraso.\n\n"
        "Vem de [contratos.dias_atraso](/assets/banco_pan_veiculos/contratos).\n\n"
        "Na origem: [remessa_assessoria.dias_atraso](/assets/banco_pan_veiculos/recebido/remessa_assessoria)."
    )


def test_columns_of_a_repeating_group_are_told_as_one() -> None:
    phones = [("cadastro", f"telefone_{place}_ddd") for place in range(1, 11)]
    assert list(told_shortly([*phones, ("cadastro", "endereco_1_uf")])) == [
        ("cadastro", "telefone_n_ddd"),
        ("cadastro", "endereco_1_uf"),
    ]
