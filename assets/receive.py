"""Stage *receive*: one asset per layout that is read. The day's files, read, judged and merged into one table.

Reading is in ``atom_pipeline.layout``, the merge policies in ``atom_pipeline.rules.merge``. Here the archive, the
ledger and the lake meet them, and Dagster is told what came of it. A day without a file of the layout gives an empty
table.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from time import perf_counter
from typing import Any

import dagster as dg
import polars as pl

from assets import metadata as show
from assets.common import RECEIVE, OpenPortfolios, asset_key, one_at_a_time, rule_tags, told_to_people, with_rules
from assets.errors import FOLDER as ERRORS_FOLDER
from assets.partitions import day_of, working_days
from atom_pipeline.day import Outcome
from atom_pipeline.errors import FileRefused
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import Layout, Merge, Stage
from atom_pipeline.layout.names import build_name
from atom_pipeline.layout.outcome import FileOutcome
from atom_pipeline.layout.reading import read_file
from atom_pipeline.layout.schema import Violation, in_shape, pandera_schema, polars_schema, violations
from atom_pipeline.layout.storing import spool_file
from atom_pipeline.portfolio import Expectation, Portfolio
from atom_pipeline.rules.merge import merge_files, merge_in_order
from atom_pipeline.rules.state import empty
from resources.ledger_records import FileRecord, Load
from resources.runtime import OUTCOMES, PortfolioRuntime
from resources.settings import PROJECT_ROOT

WEEKDAYS = ("segunda", "terça", "quarta", "quinta", "sexta", "sábado", "domingo")
MERGES = {
    Merge.LATEST_PER_KEY: "de cada chave vale a linha do carimbo mais novo",
    Merge.REPLACE_PER_KEY: "o mais novo que tem uma chave troca todas as linhas dela",
    Merge.UNION: "toda linha diferente de todos eles",
    Merge.NEWEST_FILE: "vale só o mais novo",
    Merge.APPEND: "todas as linhas, na ordem de chegada",
}

LARGE = 64 * 1024 * 1024  # bytes of a day's files of a layout: from here on their rows are not in memory all at once
CHECKED_ROWS = 131_072  # at a time
ORIGIN_SCHEMA: dict[str, pl.DataType] = {
    "arquivo": pl.String(),
    "carimbo": pl.Datetime("us"),
    "ordem": pl.Int64(),
}


@dataclass(frozen=True)
class LoadedDay:
    """All that one layout's files of a day gave."""

    received: pl.LazyFrame  # accepted rows after the merge
    stored: Path | None  # the Parquet file with all of them and no others, where there is one
    rows: int  # in it
    refused: pl.DataFrame  # recusadas
    flagged: pl.DataFrame  # sinalizadas
    files: pl.DataFrame  # cargas
    versions: dict[str, date]  # of the files that were read: since when the version that they follow is in force
    by_reason: dict[str, int]


def load_day(runtime: PortfolioRuntime, layout: Layout, day: date, spool: Path | None = None) -> LoadedDay:
    """Read every current file of a layout and day, record each one's outcome, and merge the accepted rows.

    A refused file (FA001) leaves its rows out and is recorded with its reason; the others count. Running it again
    records and returns the same. Rows of large files are stored in the folder ``spool`` (None: they are in memory), and
    ``received`` is of use while it is there.
    """
    frames: list[pl.LazyFrame] = []
    stored: list[Path] = []
    stamps: list[tuple[datetime | None, int]] = []
    refused: list[pl.DataFrame] = [empty("recusadas")]
    flagged: list[pl.DataFrame] = [empty("sinalizadas")]
    loads: list[tuple[FileRecord, Load]] = []
    by_reason: Counter[str] = Counter()
    # Where rows are appended, a new version keeps its name's place, and so each enriched phone its number; elsewhere
    # the newest arrival is the newest word.
    first_arrivals = runtime.ledger.first_arrivals(day) if layout.merge is Merge.APPEND else {}
    current = runtime.ledger.files(day, layout.layout)
    if sum(file.size for file in current) < LARGE:
        spool = None
    schema = received_schema(layout, day)
    for file in current:
        order = first_arrivals.get(file.name, file.arrival)
        load, reading, accepted = _read(runtime, layout, file, day, order, schema, spool)
        loads.append((file, load))
        by_reason.update(load.refused_by_reason)
        if reading is None:
            continue
        refused.append(_of_file(reading.rejects, "recusadas", file, day))
        flagged.append(_of_file(reading.flags, "sinalizadas", file, day))
        if isinstance(accepted, Path):
            stored.append(accepted)
            accepted = pl.scan_parquet(accepted, glob=False, hive_partitioning=False)
        if accepted is not None:
            frames.append(accepted)
            stamps.append((file.stamp, order))
    received = pl.LazyFrame(schema=schema)
    superseded_files = _behind_a_refused_one(layout, loads)
    if superseded_files:
        frames = []
    if frames:
        if spool is None:
            whole = [frame.collect() for frame in frames]
            received = merge_files(whole, layout.merge, layout.key, stamps=stamps).frame.lazy()
        else:
            received = merge_in_order(frames, layout.merge, layout.key, stamps=stamps)
    unmerged = [path for path, frame in zip(stored, frames, strict=False) if frame is received]
    received = received.select(list(schema))
    kept = dict(received.select("arquivo").group_by("arquivo").len().collect(engine="streaming").iter_rows())
    rows = []
    for file, load in loads:
        superseded = load.rows_accepted - kept.get(file.name, 0) if load.outcome == "loaded" else 0
        runtime.ledger.record_load(replace(load, rows_superseded=superseded))
        outcome = Outcome.SUPERSEDED if file.id in superseded_files else OUTCOMES[load.outcome]
        rows.append(_file_row(file, load, day, outcome, superseded))
    files = pl.DataFrame(rows, schema=empty("cargas").schema)
    versions = {file.name: load.version_since for file, load in loads if load.version_since is not None}
    return LoadedDay(
        received,
        unmerged[0] if unmerged else None,
        sum(kept.values()),
        pl.concat(refused),
        pl.concat(flagged),
        files,
        versions,
        dict(by_reason),
    )


def _behind_a_refused_one(layout: Layout, loads: list[tuple[FileRecord, Load]]) -> set[int]:
    """Files that were read and do not count, since the newest of a layout of which only the newest counts was refused.

    Yesterday's truth must not close a contract because today's could not be read.
    """
    if layout.merge is not Merge.NEWEST_FILE or not loads:
        return set()
    newest, load = max(loads, key=lambda one: (one[0].stamp or datetime.min, one[0].arrival))
    return set() if load.outcome == "loaded" else {file.id for file, _ in loads if file.id != newest.id}


def received_schema(layout: Layout, day: date) -> dict[str, pl.DataType]:
    """Columns of ``recebido/<layout>``: the layout's fields and where each row comes from."""
    return {**polars_schema(layout, layout.version_on(day)), **ORIGIN_SCHEMA}


def _read(
    runtime: PortfolioRuntime,
    layout: Layout,
    file: FileRecord,
    day: date,
    order: int,
    schema: dict[str, pl.DataType],
    spool: Path | None,
) -> tuple[Load, FileOutcome | None, pl.LazyFrame | Path | None]:
    """What reading a file gave: what to record, what came of its rows when it came to rows, those that are accepted.

    These are in the columns of ``schema``, in a Parquet file where there is a ``spool``. There are none of a file that
    is refused as a whole.
    """
    started = perf_counter()
    came: FileOutcome | None
    source, origin = runtime.archived(file), _origin(file, order)
    accepted: pl.LazyFrame | Path | None = None
    try:
        if spool is None:
            reading = read_file(layout, source, name=file.name, day=day, excel=file.excel)
            came, accepted = reading, in_shape(reading.frame().lazy().with_columns(origin), schema)
        else:
            target = spool / f"{file.id}.parquet"
            came = spool_file(
                layout, source, target, name=file.name, day=day, excel=file.excel, added=origin, shape=schema
            )
            accepted = target
        code = message = None
    except FileRefused as refusal:
        came, code, message = getattr(refusal, "reading", None), refusal.code, str(refusal)
    load = Load(
        file.id,
        "loaded" if code is None else "refused",
        code=code,
        message=message,
        rows_read=came.rows_read if came else 0,
        rows_accepted=came.rows_accepted if came else 0,
        rows_refused=came.rows_refused if came else 0,
        refused_by_reason=came.refused_by_reason if came else {},
        flags=show.counts(came.flags, "motivo") if came else {},
        version_since=came.version.since if came else None,
        seconds=perf_counter() - started,
    )
    return load, came, accepted


def _origin(file: FileRecord, order: int) -> list[pl.Expr]:
    """Where a row comes from: ORIGIN_SCHEMA."""
    return [
        pl.lit(file.name).alias("arquivo"),
        pl.lit(file.stamp, dtype=pl.Datetime("us")).alias("carimbo"),
        pl.lit(order, dtype=pl.Int64).alias("ordem"),
    ]


def _of_file(frame: pl.DataFrame, table: str, file: FileRecord, day: date) -> pl.DataFrame:
    schema = empty(table).schema
    return frame.with_columns(dia=pl.lit(day), layout=pl.lit(file.layout), arquivo=pl.lit(file.name)).select(
        pl.col(name).cast(dtype) for name, dtype in schema.items()
    )


def _file_row(file: FileRecord, load: Load, day: date, outcome: Outcome, superseded: int) -> dict[str, Any]:
    return {
        "dia": day,
        "layout": file.layout,
        "arquivo": file.name,
        "versao": file.version,
        "tamanho": file.size,
        "sha256": file.sha256,
        "situacao": outcome.value,
        "motivo": load.message,
        "lidas": load.rows_read,
        "aceitas": load.rows_accepted,
        "recusadas": load.rows_refused,
        "substituidas": superseded,
    }


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
