"""What the tests of the models share: a day of small tables, and every model run over it in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.state import MONEY, TABLES, Schema, schema
from atom_pipeline.sql import INPUTS, Database, SqlModel, calendar_table, load_models, model_parameters, run

ROOT = Path(__file__).parents[2]
DAY = date(2026, 3, 4)
Rows = Sequence[dict[str, Any]]
Result = Callable[..., pl.DataFrame]

CARRIED: dict[str, Schema] = {
    "contratos": {
        "carteira": pl.String,
        "produto": pl.String,
        "dias_atraso": pl.Int64,
        "prazo": pl.Int64,
        "parcelas_pagas": pl.Int64,
        "vencidas": pl.Int64,
        "a_vencer": pl.Int64,
        "valor_parcela": MONEY,
        "valor_vencido": MONEY,
        "valor_total": MONEY,
        "data_vencimento_mais_antigo": pl.Date,
        "marca": pl.String,
        "modelo": pl.String,
        "ano_fabricacao": pl.Int64,
        "ano_modelo": pl.Int64,
        "placa": pl.String,
    },
    "refin_vigente": {"contrato": pl.String},
}


@pytest.fixture(scope="session")
def models() -> dict[str, SqlModel]:
    """The models of the project, each after those it depends on."""
    return {model.name: model for model in load_models(ROOT / "dbt_like_sql")}


@pytest.fixture(scope="session")
def portfolio() -> Portfolio:
    return Portfolio.model_validate(
        {
            "portfolio": "p",
            "title": "t",
            "description": "d",
            "creditor": "c",
            "ascob": "1",
            "campaign": {"id": 7, "name": "n"},
            "operation": {"start": "2026-01-01"},
        }
    )


@pytest.fixture(scope="session")
def database() -> Iterator[Database]:
    with Database(threads=2) as one:
        yield one


@pytest.fixture
def result(models: dict[str, SqlModel], portfolio: Portfolio, database: Database) -> Result:
    """``result("model", contratos=[...], ...)``: the model over a day with these rows, all other tables empty.

    Columns left out of a row are null; the models it depends on are run first. ``changes`` replace parameters.
    """

    def compute(name: str, changes: dict[str, object] | None = None, **rows: Rows) -> pl.DataFrame:
        tables: dict[str, pl.DataFrame] = {}
        for given in [*TABLES, *INPUTS]:
            columns = INPUTS.get(given) or schema(given, CARRIED.get(given))
            tables[given] = pl.DataFrame(list(rows.get(given, [])), schema=columns)
        if "calendario" not in rows:
            tables["calendario"] = calendar_table(date(2026, 1, 1), DAY, portfolio.block)
        unknown = rows.keys() - tables.keys()
        assert not unknown, f"no such table: {unknown}"
        parameters = model_parameters(portfolio, DAY) | (changes or {})

        def table(wanted: str) -> pl.DataFrame:
            if wanted not in tables:
                model = models[wanted]
                for dependency in sorted(model.dependencies):
                    table(dependency)
                tables[wanted] = run(model, tables, parameters, database=database)
            return tables[wanted]

        return table(name)

    return compute
