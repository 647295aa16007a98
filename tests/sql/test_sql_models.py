"""Every model of the project, against the project's own layouts: names, types, lineage."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from atom_pipeline.errors import StructureError
from atom_pipeline.layout.document import load_layout, load_portfolio
from atom_pipeline.layout.model import Field, Layout
from atom_pipeline.layout.schema import field_type
from atom_pipeline.rules.state import TABLES, Schema, schema
from atom_pipeline.sql import INPUTS, SqlModel, lineage, load_model, model_parameters, run

ROOT = Path(__file__).parents[2]
LAYOUTS = ROOT / "layouts" / "banco_pan_veiculos"
FILES = sorted((ROOT / "dbt_like_sql").glob("*.sql"))
MODELS = pytest.mark.parametrize("name", [path.stem for path in FILES])


def detail(name: str) -> tuple[Field, ...]:
    """The fields of the one detail record of a layout."""
    layout: Layout = load_layout(LAYOUTS / f"{name}.yaml")
    (record,) = layout.versions[-1].details
    return record.fields


@pytest.fixture(scope="module")
def carried() -> dict[str, Schema]:
    """The fields that tables of the base carry from this portfolio's layouts."""
    remessa = {field.name: field_type(field) for field in detail("remessa_assessoria")}
    names = load_portfolio(LAYOUTS / "portfolio.yaml").contratos_columns
    return {
        "contratos": {name: remessa[name] for name in names},
        "refin_vigente": {field.name: field_type(field) for field in detail("refin")},
    }


@pytest.fixture(scope="module")
def columns(models: dict[str, SqlModel], carried: dict[str, Schema]) -> dict[str, tuple[str, ...]]:
    """The columns of every table that a model can read, with this portfolio's fields."""
    return {
        **{table: tuple(schema(table, carried.get(table))) for table in TABLES},
        **{table: tuple(columns) for table, columns in INPUTS.items()},
        **{model.name: tuple(model.columns) for model in models.values()},
    }


@pytest.fixture(scope="module")
def schemas(models: dict[str, SqlModel], carried: dict[str, Schema]) -> dict[str, pl.Schema]:
    """The columns and types that each model gives on a day without rows."""
    tables = {table: pl.DataFrame(schema=schema(table, carried.get(table))) for table in TABLES}
    tables |= {table: pl.DataFrame(schema=columns) for table, columns in INPUTS.items()}
    parameters = model_parameters(load_portfolio(LAYOUTS / "portfolio.yaml"), date(2026, 3, 4))
    for model in models.values():
        tables[model.name] = run(model, tables, parameters)
    return {name: tables[name].schema for name in models}


@MODELS
def test_a_model_selects_what_it_describes_and_orders_by_its_key(name: str, models: dict[str, SqlModel]) -> None:
    model = models[name]
    assert set(model.key) <= model.columns.keys()
    assert all(description and "{n}" not in description for description in model.columns.values())


@MODELS
def test_a_model_reads_only_tables_that_exist(name: str, models: dict[str, SqlModel]) -> None:
    assert models[name].dependencies <= TABLES.keys() | INPUTS.keys() | models.keys()


@MODELS
def test_the_lineage_of_a_model_names_only_columns_that_exist(
    name: str, models: dict[str, SqlModel], columns: dict[str, tuple[str, ...]]
) -> None:
    traced = lineage(models[name], columns)
    assert list(traced) == list(models[name].columns)
    for sources in traced.values():
        for table, column in sources:
            assert table in models[name].dependencies
            assert column in columns[table]


def test_lineage_follows_a_column_through_its_expressions(
    models: dict[str, SqlModel], columns: dict[str, tuple[str, ...]]
) -> None:
    mailing = lineage(models["manager_mailing"], columns)
    assert mailing["nome"] == [("fichas", "nome")]
    assert mailing["valor_total"] == [("contratos", "valor_total")]
    assert mailing["telefone_9_score"] == [("telefones_posicionados", "lugar"), ("telefones_posicionados", "score")]
    quality = lineage(models["qualidade_arquivos"], columns)
    assert quality["recusadas_por_motivo"] == [("recusadas", "motivo")]
    assert quality["sinalizadas"] == [], "a count of rows is made of no column"


def test_lineage_of_a_union_is_that_of_its_parts(
    models: dict[str, SqlModel], columns: dict[str, tuple[str, ...]]
) -> None:
    item = lineage(models["resumo_dia"], columns)["item"]
    assert {("movimentos", "movimento"), ("contratos", "situacao"), ("recusadas", "motivo")} <= set(item)


def test_a_column_that_no_table_has_is_refused_by_lineage_even_in_a_join(tmp_path: Path) -> None:
    path = tmp_path / "modelo.sql"
    path.write_text(
        "/* ---\ndescription: D.\ngrain: G.\nkey: [contrato]\ncolumns:\n  contrato: C.\n--- */\n"
        "SELECT a.contrato FROM a INNER JOIN b ON b.numero = a.contrato ORDER BY contrato",
        encoding="utf-8",
    )
    model = load_model(path)
    with pytest.raises(StructureError, match=r"modelo.sql:1: the SQL does not fit the tables: .*numero"):
        lineage(model, {"a": ["contrato"], "b": ["contrato"]})
    with pytest.raises(StructureError, match="unknown tables: b"):
        lineage(model, {"a": ["contrato"]})


@MODELS
def test_a_model_gives_only_types_that_the_lake_knows(name: str, schemas: dict[str, pl.Schema]) -> None:
    known = {pl.String(), pl.Int64(), pl.Float64(), pl.Decimal(18, 2), pl.Date(), pl.Boolean()}
    assert {column: dtype for column, dtype in schemas[name].items() if dtype not in known} == {}


@pytest.mark.parametrize("name", ["manager_mailing", "manager_baixa"])
def test_what_manager_is_given_has_exactly_the_columns_and_types_of_its_layout(
    name: str, schemas: dict[str, pl.Schema]
) -> None:
    assert list(schemas[name].items()) == [(field.name, field_type(field)) for field in detail(name)]
