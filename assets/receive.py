"""Stage *receive*: one asset per layout that is read. The day's files, read, judged and merged into one table.

Reading is in ``atom_pipeline.layout``, the merge policies in ``atom_pipeline.rules.merge``. Here the archive, the
ledger and the lake meet them, and Dagster is told what came of it. A day without a file of the layout gives an empty
table.
"""

from collections import Counter
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from functools import cache
from time import perf_counter
from typing import Any

import dagster as dg
import polars as pl

from assets import metadata as show
from assets.common import RECEIVE, OpenPortfolios, asset_key, one_at_a_time, rule_tags, told_to_people, with_rules
from assets.errors import FOLDER as ERRORS_FOLDER
from assets.loading import LoadedDay, load_day
from assets.partitions import day_of, working_days
from atom_pipeline.day import Outcome
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import Layout, Merge, Stage
from atom_pipeline.layout.names import build_name
from atom_pipeline.layout.schema import Violation, pandera_schema, polars_schema, violations
from atom_pipeline.portfolio import Expectation, Portfolio
from resources.runtime import PortfolioRuntime
from resources.settings import PROJECT_ROOT

WEEKDAYS = ("segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo")
MERGES = {
    Merge.LATEST_PER_KEY: "de cada chave vale a linha do carimbo mais novo",
    Merge.REPLACE_PER_KEY: "o mais novo que tem uma chave troca todas as linhas dela",
    Merge.UNION: "toda linha diferente de todos eles",
    Merge.NEWEST_FILE: "vale só o mais novo",
    Merge.APPEND: "todas as linhas, na ordem de chegada",
}

CHECKED_ROWS = 131_072  # at a time


def build_receive_asset(catalogue: Catalogue, layout: Layout) -> dg.AssetsDefinition:
    """The asset of one layout that is read, with its columns, its checks and what the UI shows of a day."""
    portfolio = catalogue.portfolio
    key = asset_key(portfolio.portfolio, "recebido", layout.layout)
    version = layout.versions[-1]

    @dg.asset(
        key=key,
        pool=one_at_a_time(portfolio.portfolio),
        partitions_def=working_days(portfolio.operation),
        group_name=RECEIVE,
        kinds={"polars", "parquet", *({"excel"} if any(name.excel for name in layout.names) else ())},
        owners=list(portfolio.owners),
        description=describe(layout, portfolio),
        tags=rule_tags(layout.rules),
        metadata={"dagster/column_schema": show.layout_columns(layout, version), **layout_links(catalogue, layout)},
        freshness_policy=freshness(layout, portfolio),
        check_specs=[
            dg.AssetCheckSpec(
                "lidas_fecham", asset=key, blocking=True, description="De cada arquivo, aceitas + recusadas = lidas."
            ),
            dg.AssetCheckSpec(
                "esquema",
                asset=key,
                blocking=True,
                description="As linhas aceitas cumprem o esquema Pandera que sai do layout.",
            ),
            dg.AssetCheckSpec(
                "arquivos_aceitos", asset=key, description="Nenhum arquivo do dia foi recusado inteiro (FA001)."
            ),
            dg.AssetCheckSpec("sem_recusas", asset=key, description="Nenhuma linha foi recusada."),
        ],
    )
    @told_to_people
    def recebido(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> dg.MaterializeResult:
        started = perf_counter()
        day = day_of(context)
        runtime = portfolios.portfolio(portfolio.portfolio)
        with runtime.lake.workshop() as spool:
            loaded = load_day(runtime, layout, day, spool)
            faults = schema_faults(layout, day, loaded)
            if not faults:
                write_day(runtime, layout, day, loaded)
            for row in loaded.files.filter(pl.col("situacao") == Outcome.REFUSED.value).iter_rows(named=True):
                context.log.error(row["motivo"])
            return dg.MaterializeResult(
                metadata=_metadata(runtime, layout, day, loaded, perf_counter() - started),
                check_results=list(_checks(loaded, faults)),
            )

    return recebido


def write_day(runtime: PortfolioRuntime, layout: Layout, day: date, loaded: LoadedDay) -> None:
    """Leave what a day's files gave in the lake. Always all of it: an empty table says that nothing came."""
    received = f"recebido/{layout.layout}"
    if loaded.stored is not None:
        runtime.lake.take(received, day, loaded.stored, loaded.rows)
    else:
        runtime.lake.write(received, day, loaded.received)
    runtime.lake.write(f"recusado/{layout.layout}", day, loaded.refused)
    runtime.lake.write(f"sinalizado/{layout.layout}", day, loaded.flagged)
    runtime.lake.write(f"arquivos/{layout.layout}", day, loaded.files)


def schema_faults(layout: Layout, day: date, loaded: LoadedDay) -> list[str]:
    """What of the Pandera schema the accepted rows do not meet, in words without values; empty when all is met."""
    version = layout.version_on(day)
    types = polars_schema(layout, version)
    rows = loaded.received.select(list(types))
    if not loaded.rows and dict(rows.collect_schema()) == types:
        return []  # most layouts of most days: no row to break a check, and Pandera takes longer than such a day
    schema = pandera_schema(layout, version, one_file=False, also=layout.versions_on(day)[1:])
    found = Counter({(one.column, one.check): one.rows for one in violations(rows.head(0).collect(), schema)})
    looked_at = [name for name, column in schema.columns.items() if column.checks or not column.nullable]
    values = schema.select_columns(looked_at)  # of the others the types are all that is said
    for some in rows.select(looked_at).collect_batches(chunk_size=CHECKED_ROWS):
        found.update({(one.column, one.check): one.rows for one in violations(some, values)})
    broken = [Violation(column, check, count) for (column, check), count in sorted(found.items())]
    return [f"{one.column}: {one.check} ({one.rows} linhas)" for one in broken]


def describe(layout: Layout, portfolio: Portfolio) -> str:
    """The description of a layout's asset: what it is, when it is expected, its names, its rules."""
    names = "\n".join(f"- `{name.pattern}`" for name in layout.names)
    expected = "".join(
        f"\n\nEsperado: {when_expected(one)}." for one in portfolio.expects if layout.layout in one.any_of
    )
    merged = f"Vários arquivos do dia: {MERGES[layout.merge]} (`{layout.merge.value}`)."
    return with_rules(f"{' '.join(layout.description.split())}{expected}\n\n{names}\n\n{merged}", layout.rules)


def when_expected(expectation: Expectation) -> str:
    """When a day expects a file, in the words of operators."""
    every = len(expectation.weekdays) == len(WEEKDAYS)
    days = "todo dia útil" if every else ", ".join(WEEKDAYS[day - 1] for day in expectation.weekdays)
    if expectation.due is None:
        return f"{days}, se houver; não atrasa"
    day = {"before": "da véspera", "same": "do dia"}[expectation.due_day]
    carga = "; a carga espera por ele até o prazo dela" if expectation.required_for_carga else ""
    return f"{days}, até {expectation.due:%H:%M} {day}{carga}"


def freshness(layout: Layout, portfolio: Portfolio) -> dg.FreshnessPolicy | None:
    """By when the asset of an expected layout should have been made, as the UI's freshness; None where nothing is due.

    Dagster knows neither partitions nor holidays here, and a day that ran without the file made the asset too: that a
    file is late is told by the day's panel and the alarms. Of a day that does not follow another one that operates no
    deadline is set the evening before.
    """
    expectation = next((one for one in portfolio.expects if layout.layout in one.any_of and one.due), None)
    if expectation is None or expectation.due is None:
        return None
    operation, due = portfolio.operation, expectation.due
    days = [day for day in operation.weekdays if day in expectation.weekdays]
    if expectation.due_day == "before":
        days = [before for day in days if (before := (day - 2) % 7 + 1) in operation.weekdays]
    noon = date.min + timedelta(days=1)
    end = datetime.combine(noon + timedelta(days=expectation.due_day == "same"), due)
    room = end - datetime.combine(noon, operation.cutover)
    if not days or room <= timedelta():
        return None
    cron = f"{due.minute} {due.hour} * * {','.join(str(day % 7) for day in days)}"
    return _due_by(cron, room, operation.timezone)


@cache
def _due_by(cron: str, room: timedelta, timezone: str) -> dg.FreshnessPolicy:
    """Layouts share a few deadlines, and for each policy Dagster goes through a thousand of its ticks."""
    return dg.FreshnessPolicy.cron(cron, lower_bound_delta=room, timezone=timezone)


def layout_links(catalogue: Catalogue, layout: Layout) -> dict[str, dg.MetadataValue[Any]]:
    """The layout's document and page, as files that a person opens."""
    pages = PROJECT_ROOT / "docs" / "layouts" / catalogue.portfolio.portfolio
    found = {
        "documento do layout": catalogue.folder / f"{layout.layout}.yaml",
        "página do layout": pages / f"{layout.layout}.html",
    }
    return {name: dg.MetadataValue.path(str(path)) for name, path in found.items() if path.is_file()}


def _metadata(
    runtime: PortfolioRuntime, layout: Layout, day: date, loaded: LoadedDay, seconds: float
) -> dict[str, Any]:
    files = loaded.files
    return {
        "dagster/row_count": loaded.rows,
        "arquivos": show.table(
            ({**row, "layout desde": loaded.versions.get(row["arquivo"])} for row in files.iter_rows(named=True)),
            ("arquivo", "versao", "layout desde", "situacao", "motivo", "lidas", "aceitas", "recusadas",
             "substituidas", "tamanho", "sha256"),
        ),
        "lidas": int(files["lidas"].sum()),
        "aceitas": int(files["aceitas"].sum()),
        "recusadas": int(files["recusadas"].sum()),
        "substituidas": int(files["substituidas"].sum()),
        **{f"recusadas {reason}": count for reason, count in sorted(loaded.by_reason.items())},
        **{f"sinalizadas {reason}": count for reason, count in show.counts(loaded.flagged, "motivo").items()},
        "segundos": round(seconds, 3),
        "amostra": show.sample(loaded.received.head(show.SAMPLE_ROWS).collect(), layout),
        "tabela": show.link(runtime.lake.path(f"recebido/{layout.layout}", day)),
        **{f"erros de {name}": show.link(error_file_url(runtime, name)) for name in loaded.refused["arquivo"].unique()},
    }  # fmt: skip


def error_file_url(runtime: PortfolioRuntime, name: str) -> str:
    """Where the run leaves the error file of a source file."""
    layout = runtime.output_layout(Stage.ERROS)
    return runtime.drop.url(build_name(layout, arquivo=name), ERRORS_FOLDER)


def _checks(loaded: LoadedDay, faults: list[str]) -> Iterator[dg.AssetCheckResult]:
    files = loaded.files
    read, accepted, refused = (int(files[column].sum()) for column in ("lidas", "aceitas", "recusadas"))
    open_rows = files.filter(pl.col("lidas") != pl.col("aceitas") + pl.col("recusadas"))
    yield dg.AssetCheckResult(
        check_name="lidas_fecham",
        passed=open_rows.is_empty(),
        description=f"{accepted} aceitas + {refused} recusadas, {read} lidas",
        metadata={"lidas": read, "aceitas": accepted, "recusadas": refused},
    )
    yield dg.AssetCheckResult(
        check_name="esquema", passed=not faults, description="; ".join(faults[:20]) or "O esquema é cumprido."
    )
    refusals = files.filter(pl.col("situacao") == Outcome.REFUSED.value)
    yield dg.AssetCheckResult(
        check_name="arquivos_aceitos",
        passed=refusals.is_empty(),
        description="\n".join(refusals["motivo"]) or f"{files.height} arquivos aceitos.",
        metadata={"arquivos": files.height, "recusados": refusals.height},
    )
    yield dg.AssetCheckResult(
        check_name="sem_recusas",
        passed=refused == 0,
        severity=dg.AssetCheckSeverity.WARN,
        description="; ".join(f"{reason}: {count}" for reason, count in sorted(loaded.by_reason.items())) or "Nenhuma.",
        metadata={"recusadas": refused},
    )
