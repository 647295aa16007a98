"""Stage *models*: one asset per SELECT of ``dbt_like_sql/``, run by DuckDB over the day's tables.

What a model means is in its own file; how it is read and run is in ``atom_pipeline.sql``. Here its inputs are found in
the lake, its result is written there, and its column lineage is told to Dagster.
"""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from time import perf_counter

import dagster as dg
import polars as pl

from assets import metadata as show
from assets.common import MODELS, OpenPortfolios, asset_key, one_at_a_time, rule_tags, told_to_people, with_rules
from assets.lineage import MANAGER_BEFORE, made_columns, model_columns
from assets.partitions import day_of, working_days
from atom_pipeline.errors import AtomError
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.sql import SqlModel, calendar_table, model_parameters, run
from atom_pipeline.sql.inputs import CALENDAR_TABLE
from resources.manager import ORIGIN, origin, origin_table
from resources.runtime import PortfolioRuntime
from resources.settings import PROJECT_ROOT


def run_model(
    runtime: PortfolioRuntime, model: SqlModel, day: date, given: Mapping[str, pl.DataFrame] | None = None
) -> pl.DataFrame:
    """A model's rows for a day. ``given`` stands in for tables of the lake, e.g. what Manager holds right now."""
    tables: dict[str, Path | pl.DataFrame] = dict(given or {})
    for name in model.dependencies - tables.keys() - {CALENDAR_TABLE}:
        tables[name] = local_table(runtime, name, day)
    if CALENDAR_TABLE in model.dependencies:
        oldest = runtime.lake.read("contratos", day)["bloqueado_em"].min()
        first = oldest if isinstance(oldest, date) else day
        tables[CALENDAR_TABLE] = calendar_table(first, day, runtime.portfolio.block)
    return run(model, tables, model_parameters(runtime.portfolio, day), database=runtime.models)


def base_of(runtime: PortfolioRuntime, model: SqlModel, day: date) -> str:
    """Hash of the day's base, which all that the model reads is of. Raises AtomError when something is not."""
    base = runtime.ledger.base(day)
    if base is None:
        raise AtomError(f"{day:%Y-%m-%d} has no base: materialize base before {model.name}")
    for name in sorted(model.dependencies - {CALENDAR_TABLE, MANAGER_BEFORE}):
        if name in base.tables:
            if runtime.lake.sha256(name, day) != base.tables[name]:
                raise AtomError(f"{name} of {day:%Y-%m-%d} is not that of the day's base: materialize base")
        elif origin(runtime, name, day) != base.hash:
            raise AtomError(f"{name} of {day:%Y-%m-%d} is not made from the base there is now: materialize it first")
    return base.hash


def local_table(runtime: PortfolioRuntime, table: str, day: date) -> Path | pl.DataFrame:
    """A table as DuckDB takes it best: its file on a local lake, its rows on another."""
    if runtime.lake.is_local and runtime.lake.exists(table, day):
        return Path(runtime.lake.path(table, day))
    return runtime.lake.read(table, day)


def build_model_asset(catalogue: Catalogue, model: SqlModel) -> dg.AssetsDefinition:
    """The asset of one model, with its dependencies and columns as its own file gives them."""
    portfolio = catalogue.portfolio
    # Every model is made from a base that is recorded, so that it can say which: what is sent must be of the base
    # that there is.
    tables = sorted({*model.dependencies, "base"} - {CALENDAR_TABLE})

    @dg.asset(
        key=asset_key(portfolio.portfolio, model.name),
        pool=one_at_a_time(portfolio.portfolio),
        deps=[asset_key(portfolio.portfolio, table) for table in tables],
        partitions_def=working_days(portfolio.operation),
        group_name=MODELS,
        kinds={"duckdb", "sql"},
        owners=list(portfolio.owners),
        description=with_rules(
            f"{model.description}\n\nUma linha: {model.grain[:1].lower()}{model.grain[1:]}", model.rules
        )
        + f"\n\n```sql\n{body(model)}\n```",
        tags=rule_tags(model.rules),
        metadata={
            **model_columns(catalogue, model),
            "arquivo_sql": dg.MetadataValue.path(str(model.path.relative_to(PROJECT_ROOT))),
        },
    )
    @told_to_people
    def model_asset(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> dg.MaterializeResult:
        started = perf_counter()
        day = day_of(context)
        runtime = portfolios.portfolio(portfolio.portfolio)
        base = base_of(runtime, model, day)
        frame = run_model(runtime, model, day)
        runtime.lake.write(origin_table(model.name), day, ORIGIN.to_frame())  # a kill from here on: of no known base
        written = runtime.lake.write(model.name, day, frame)
        runtime.lake.write(origin_table(model.name), day, pl.DataFrame({"base": [base]}, schema=ORIGIN))
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": frame.height,
                **made_columns(catalogue, day, model.name, frame.schema),
                "amostra": show.sample(frame, runtime.personal_columns(day)),
                "tabela": show.link(written.path),
                "sha256": written.sha256,
                "base": base,
                "segundos": round(perf_counter() - started, 3),
            }
        )

    return model_asset


def body(model: SqlModel) -> str:
    """The SELECT of a model without the comment above it."""
    return model.sql.partition("--- */")[2].strip()
