"""Stage *base* as Dagster assets: the opening of a day, its steps, and its closing.

What each step does is in ``steps``; here are the assets around them: dependencies, what the UI shows, and the checks
that stop what must not go on. The base of a day is good from the moment the ledger has the hashes of its tables.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import date
from time import perf_counter
from typing import Any

import dagster as dg
import polars as pl

from assets import metadata as show
from assets.common import BASE, OpenPortfolios, asset_key, asset_spec, one_at_a_time, told_to_people
from assets.lineage import base_columns, made_columns
from assets.partitions import day_of
from assets.steps import (
    CLOSING_ORIGIN,
    STEPS,
    Applied,
    StepPlan,
    apply_step,
    decisions_applied,
    files_read,
    origin_of_closing,
    origin_of_step,
    received,
    step_table,
    write_step,
)
from atom_pipeline.day import fold_fingerprint
from atom_pipeline.errors import AtomError
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import Stage
from atom_pipeline.massiva.marks import set_aside_histories
from atom_pipeline.massiva.rows import set_aside_massivas
from atom_pipeline.rules.enrichment import enderecos
from atom_pipeline.rules.fichas import fichas
from atom_pipeline.rules.guards import Guard
from atom_pipeline.rules.state import (
    OPEN,
    empty,
    ignoradas_of_day,
    movimentos_of_day,
    sinalizadas_of_day,
)
from resources.ledger_records import Base
from resources.runtime import PortfolioRuntime

# Every table of the base; the hash of a day is over all of them.
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
    "recusadas",
    "ignoradas",
    "sinalizadas",
    "cargas",
)
CLOSED_HERE = ("contratos", "fichas", "enderecos", "movimentos", "recusadas", "ignoradas", "sinalizadas", "cargas")
DESCRIPTIONS = {
    "contratos": "Um contrato por linha: situação, desde quando, último bloqueio e o que o mailing precisa.",
    "fichas": "Um cliente (CPF/CNPJ) por linha, com o status derivado dos contratos (R019, UC006).",
    "cadastro": "A última linha aceita da remessa de cada contrato, com todos os campos (R004).",
    "enderecos": "Um endereço por linha, na ordem da remessa.",
    "telefones_contato": "Um telefone de um contrato por linha, na ordem do mailing (R023 a R025).",
    "parcelas_abertas": "Uma parcela em aberto por linha (R005).",
    "garantias": "Uma garantia por linha; o tipo do registro em `registro` (R006 a R009).",
    "refin_vigente": "A oferta de refinanciamento vigente, uma por contrato (R026 a R029).",
    "acordos": "Todo acordo recebido de um contrato da base, com o primeiro dia em que foi visto (R017).",
    "movimentos": "O que aconteceu com cada contrato no dia, com arquivo e linha.",
    "recusadas": "As linhas do dia que um layout recusou, com motivo, campo e a linha original.",
    "ignoradas": "As linhas do dia que uma regra pôs de lado (R020, R031, FA003, FA006).",
    "sinalizadas": "As linhas do dia usadas com um valor que merece conferência.",
    "cargas": "Um arquivo do dia por linha: lidas, aceitas, recusadas e a situação.",
}

RULES = {
    "contratos": ("R004", "R015", "R019", "R020", "R022", "UC001", "UC004", "UC005", "UC006"),
    "fichas": ("R019", "UC001", "UC006"),
    "enderecos": ("R004",),
    "movimentos": ("R019", "R020", "R022", "UC001", "UC004", "UC005", "UC006"),
    "recusadas": ("FA001",),
    "ignoradas": ("R020", "R022", "R031", "FA003", "FA006"),
    "sinalizadas": ("R017",),
    "cargas": ("R002", "R003", "FA001"),
}


def build_base_assets(catalogue: Catalogue) -> list[dg.AssetsDefinition]:
    """The assets of a portfolio's base, in the order of a day."""
    return [
        _opening(catalogue),
        *(_step(catalogue, plan) for plan in STEPS),
        _closing(catalogue),
        _base(catalogue),
        _guards(catalogue),
    ]


def _spec(
    catalogue: Catalogue,
    path: str,
    deps: Sequence[str],
    description: str,
    kinds: set[str],
    rules: Sequence[str] = (),
) -> dg.AssetSpec:
    return asset_spec(
        catalogue,
        BASE,
        path,
        deps=deps,
        description=description,
        kinds=kinds,
        rules=rules,
        metadata=base_columns(catalogue, path) if path in DESCRIPTIONS else None,
    )


def received_keys(catalogue: Catalogue, *stages: Stage) -> list[str]:
    """The receiving assets of some stages, all of them when none is given, as paths of keys."""
    return [
        f"recebido/{layout.layout}"
        for layout in sorted(catalogue.layouts.values(), key=lambda one: one.layout)
        if layout.direction == "in" and (not stages or layout.stage in stages)
    ]


# The opening.


def previous_base(runtime: PortfolioRuntime, day: date) -> Base | None:
    """The base the day starts from: the newest before it. Raises AtomError when an earlier day must be made first.

    That is so when a day before has files and no good base: never made, made from other files than it has now, or
    with tables that are not what the ledger recorded (a run that was killed halfway). An import that was begun and
    not finished comes before any day.
    """
    runtime.refuse_unfinished_import()
    first = [stale for stale in runtime.stale() if stale < day]
    if first:
        raise AtomError(
            f"the day {first[0]:%Y-%m-%d} has files and no base made from them: run it first "
            f"(`atom run {day:%Y-%m-%d}` makes both, in order)"
        )
    base = runtime.ledger.newest_base_before(day)
    if base is None:
        return None
    changed = [
        table
        for table, sha256 in base.tables.items()
        if not runtime.lake.exists(table, base.day) or runtime.lake.sha256(table, base.day) != sha256
    ]
    if changed:
        again = f"run {base.day:%Y-%m-%d} again"
        if base.imported:
            again = (
                f"restore the lake from its backup, or import the same file again, kept in "
                f"{runtime.archive / base.day.isoformat()}"
            )
        raise AtomError(f"tables of {base.day:%Y-%m-%d} are not those of its base ({', '.join(changed)}): {again}")
    return base


def _refuse_base_beside_import(runtime: PortfolioRuntime, day: date, previous_day: date | None) -> None:
    """A day that was opened before a base was imported did not start from it: what it made is no base. AtomError."""
    runtime.refuse_unfinished_import()
    start = runtime.ledger.newest_base_before(day)
    if start is not None and start.imported and previous_day != start.day:
        raise AtomError(
            f"the base of {start.day:%Y-%m-%d} was imported while {day:%Y-%m-%d} was made: run {day:%Y-%m-%d} again"
        )


def _opening(catalogue: Catalogue) -> dg.AssetsDefinition:
    name = catalogue.portfolio.portfolio

    @dg.multi_asset(
        name=f"{name}__abertura",
        pool=one_at_a_time(name),
        specs=[
            _spec(
                catalogue,
                "abertura",
                [],
                "De qual dia a base do dia parte. Recusa o dia quando um dia anterior tem arquivos e não tem base.",
                {"polars", "parquet"},
            )
        ],
    )
    @told_to_people
    def abertura(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> Iterator[dg.MaterializeResult]:
        runtime, day = portfolios.portfolio(name), day_of(context)
        base = previous_base(runtime, day)
        frame = pl.DataFrame(
            {"dia_anterior": [base.day] if base else [], "hash_anterior": [base.hash] if base else []},
            schema={"dia_anterior": pl.Date, "hash_anterior": pl.String},
        )
        runtime.lake.write("abertura", day, frame)
        yield dg.MaterializeResult(
            asset_key=asset_key(name, "abertura"),
            metadata={
                "dia_anterior": f"{base.day:%Y-%m-%d}" if base else "nenhum: a base começa neste dia",
                "hash_anterior": base.hash if base else "-",
            },
        )

    return abertura


# The steps.


def _step(catalogue: Catalogue, plan: StepPlan) -> dg.AssetsDefinition:
    portfolio = catalogue.portfolio
    name = portfolio.portfolio
    step_name = f"etapa_{plan.stage.value}"
    place = STEPS.index(plan)
    before = [f"etapa_{earlier.stage.value}" for earlier in STEPS[:place] if earlier.changes_contratos][-1:]
    # Each step follows the one before it, and what it reads; batimento waits for all that the steps read (R021).
    read = [step.stage for step in STEPS] if plan.waits else [plan.stage]
    deps = [*(before or ["abertura"]), *received_keys(catalogue, *read)]
    if plan.stage is Stage.TELEFONES:
        deps.append("cadastro")
    specs = [_spec(catalogue, step_name, deps, plan.description, {"polars", "parquet"}, plan.rules)]
    specs += [
        _spec(catalogue, table, deps, DESCRIPTIONS[table], {"polars", "parquet"}, plan.rules) for table in plan.tables
    ]

    @dg.multi_asset(name=f"{name}__{step_name}", pool=one_at_a_time(name), specs=specs)
    @told_to_people
    def step(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> Iterator[dg.MaterializeResult]:
        started = perf_counter()
        runtime, day = portfolios.portfolio(name), day_of(context)
        origin = origin_of_step(runtime, day, plan)
        applied = apply_step(runtime, day, plan)
        written = write_step(runtime, day, plan, applied, origin)
        yield dg.MaterializeResult(
            asset_key=asset_key(name, step_name),
            metadata={**_step_metadata(applied), "segundos": round(perf_counter() - started, 3)},
        )
        for table in plan.tables:
            frame = runtime.lake.scan(table, day)
            shown = frame.head(show.SAMPLE_ROWS).collect()
            yield dg.MaterializeResult(
                asset_key=asset_key(name, table),
                metadata={
                    "dagster/row_count": written[table].rows,
                    **made_columns(catalogue, day, table, frame.collect_schema()),
                    "amostra": show.sample(shown, runtime.personal_columns(day)),
                    "tabela": show.link(written[table].path),
                    "sha256": written[table].sha256,
                    "segundos": round(perf_counter() - started, 3),
                },
            )

    return step


def _step_metadata(applied: Applied) -> dict[str, Any]:
    step = applied.step
    said: dict[str, Any] = {
        "arquivo_do_dia": "chegou" if applied.came else "não chegou: a base passa como está",
        "ignoradas": step.ignoradas.height,
    }
    if "contratos" in step.tables:
        said["contratos"] = step.tables["contratos"].lazy().select(pl.len()).collect().item()
    if applied.waits:
        said["espera"] = dg.MetadataValue.md("\n".join(f"- {wait}" for wait in applied.waits))
    for movimento, count in show.counts(step.movimentos, "movimento").items():
        said[f"movimento {movimento}"] = count
    for motivo, count in show.counts(step.ignoradas, "motivo").items():
        said[f"ignoradas {motivo}"] = count
    if applied.verdict is not None:
        said["veredito"] = applied.verdict.message
        said["retido"] = applied.held
        said |= {f"guarda {name}": value for name, value in applied.verdict.numbers.items()}
    return said


# The closing.


def close_day(runtime: PortfolioRuntime, day: date) -> dict[str, pl.DataFrame]:
    """The tables that are made when every step is done: the contracts' last state and the day's lists."""
    changed = [plan for plan in STEPS if plan.changes_contratos]
    contratos = runtime.lake.read(step_table(changed[-1], "contratos"), day)
    cadastro = runtime.lake.scan("cadastro", day)

    def parts(name: str) -> list[pl.DataFrame]:
        return [runtime.lake.read(step_table(plan, name), day) for plan in STEPS]

    def of_layouts(folder: str, table: str) -> list[pl.DataFrame]:
        frames = [runtime.lake.read(f"{folder}/{layout.layout}", day) for layout in runtime.layouts()]
        return [empty(table), *frames]

    places = enderecos(cadastro, runtime.remessa_codes(day, "endereco"))
    telefones = runtime.lake.read("telefones_contato", day)
    messages = received(runtime, day, Stage.MASSIVA) or {}
    histories = received(runtime, day, Stage.HISTORICO) or {}
    no_message = set_aside_massivas(messages, contratos, places, day=day, portfolio=runtime.portfolio)
    no_mark = set_aside_histories(histories, contratos, telefones, day=day)
    return {
        "contratos": contratos,
        "fichas": fichas(contratos, cadastro, runtime.portfolio),
        "enderecos": places,
        "movimentos": movimentos_of_day(parts("movimentos")),
        "ignoradas": ignoradas_of_day([*parts("ignoradas"), no_message, no_mark]),
        "recusadas": pl.concat(of_layouts("recusado", "recusadas")).sort("layout", "arquivo", "linha"),
        "sinalizadas": sinalizadas_of_day([*of_layouts("sinalizado", "sinalizadas"), *parts("sinalizadas")]),
        "cargas": pl.concat(of_layouts("arquivos", "cargas")).sort("layout", "arquivo"),
    }


def _closing(catalogue: Catalogue) -> dg.AssetsDefinition:
    name = catalogue.portfolio.portfolio
    steps = [f"etapa_{plan.stage.value}" for plan in STEPS]
    read = received_keys(catalogue)
    deps = {
        "contratos": steps[-1:],
        "fichas": ["contratos", "cadastro"],
        "enderecos": ["cadastro"],
        "movimentos": steps,
        "ignoradas": [*steps, "telefones_contato", *received_keys(catalogue, Stage.MASSIVA, Stage.HISTORICO)],
        "recusadas": read,
        "sinalizadas": read,
        "cargas": read,
    }

    @dg.multi_asset(
        name=f"{name}__fechamento",
        pool=one_at_a_time(name),
        specs=[
            _spec(catalogue, table, deps[table], DESCRIPTIONS[table], {"polars", "parquet"}, RULES[table])
            for table in CLOSED_HERE
        ],
    )
    @told_to_people
    def fechamento(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> Iterator[dg.MaterializeResult]:
        runtime, day = portfolios.portfolio(name), day_of(context)
        personal = runtime.personal_columns(day)
        started = perf_counter()
        origin = origin_of_closing(runtime, day)
        for table, frame in close_day(runtime, day).items():
            written = runtime.lake.write(table, day, frame)
            shown = frame.drop("original", strict=False)  # a refused line as it came is personal data whole
            yield dg.MaterializeResult(
                asset_key=asset_key(name, table),
                metadata={
                    "dagster/row_count": frame.height,
                    **made_columns(catalogue, day, table, frame.schema),
                    "amostra": show.sample(shown, personal),
                    "tabela": show.link(written.path),
                    "sha256": written.sha256,
                    "segundos": round(perf_counter() - started, 3),
                    **_counted(table, frame),
                },
            )
        runtime.lake.write(CLOSING_ORIGIN, day, origin)

    return fechamento


def _counted(table: str, frame: pl.DataFrame) -> dict[str, int]:
    """The numbers that Dagster plots over the days."""
    column = {
        "contratos": "situacao",
        "fichas": "status",
        "movimentos": "movimento",
        "recusadas": "motivo",
        "ignoradas": "motivo",
        "sinalizadas": "motivo",
    }.get(table)
    return {f"{column} {value}": count for value, count in show.counts(frame, column).items()} if column else {}


def record_base(runtime: PortfolioRuntime, day: date) -> Base:
    """Make the day's tables its base: from here on the next day may start from them.

    The base says of itself what its tables were made from, not what the ledger knows by now: a file or a decision that
    came meanwhile makes the day stale. Raises AtomError when its tables do not belong together.
    """
    opening = runtime.lake.read("abertura", day)
    previous_day = opening["dia_anterior"].item() if opening.height else None
    previous_hash = opening["hash_anterior"].item() if opening.height else None
    decisions = decisions_applied(runtime, day)
    if not runtime.lake.read(CLOSING_ORIGIN, day).equals(origin_of_closing(runtime, day)):
        raise AtomError(f"the closing of {day:%Y-%m-%d} is of other steps than there are now: materialize it again")
    tables = {table: runtime.lake.sha256(table, day) for table in TABLES}
    digest = hashlib.sha256("\n".join(f"{table} {sha256}" for table, sha256 in sorted(tables.items())).encode())
    expected = runtime.expected(day)
    waiting: dict[str, Any] = {
        item.name: item.status.value for item in expected if item.required and not item.fulfilled
    }
    held = {verdict.guard: verdict.message for verdict in runtime.verdicts(day) if verdict.stands_in_the_way}
    _refuse_base_beside_import(runtime, day, previous_day)
    return runtime.ledger.record_base(
        Base(
            day=day,
            hash=digest.hexdigest(),
            tables=tables,
            inputs=fold_fingerprint(files_read(runtime, day), decisions, previous_hash),
            previous_day=previous_day,
            previous_hash=previous_hash,
            complete=not waiting and not held,
            waiting=waiting | held,
        )
    )


def _base(catalogue: Catalogue) -> dg.AssetsDefinition:
    name = catalogue.portfolio.portfolio

    @dg.multi_asset(
        name=f"{name}__base",
        pool=one_at_a_time(name),
        specs=[
            _spec(
                catalogue,
                "base",
                list(TABLES),
                "A base do dia, pronta: as impressões das tabelas vão ao livro de controle, e o dia seguinte pode "
                "partir dela.",
                {"postgres"},
            )
        ],
    )
    @told_to_people
    def base(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> Iterator[dg.MaterializeResult]:
        started = perf_counter()
        runtime, day = portfolios.portfolio(name), day_of(context)
        made = record_base(runtime, day)
        situacoes = show.counts(runtime.lake.read("contratos", day), "situacao")
        movimentos = show.counts(runtime.lake.read("movimentos", day), "movimento")
        yield dg.MaterializeResult(
            asset_key=asset_key(name, "base"),
            metadata={
                "hash": made.hash,
                "segundos": round(perf_counter() - started, 3),
                "dia_anterior": f"{made.previous_day:%Y-%m-%d}" if made.previous_day else "nenhum",
                "hash_anterior": made.previous_hash or "-",
                "completa": made.complete,
                "espera": dg.MetadataValue.json(dict(made.waiting)),
                "base aberta": sum(situacoes.get(situacao, 0) for situacao in OPEN),
                **{f"situacao {value}": count for value, count in situacoes.items()},
                **{f"movimento {value}": count for value, count in movimentos.items()},
            },
        )

    return base


# The guards, as checks: a held step stops the mailing, never the base nor the baixas.


def _guards(catalogue: Catalogue) -> dg.AssetsDefinition:
    name = catalogue.portfolio.portfolio
    key = asset_key(name, "guardas")

    @dg.multi_asset(
        name=f"{name}__guardas",
        pool=one_at_a_time(name),
        specs=[
            _spec(
                catalogue,
                "guardas",
                ["base"],
                "Os vereditos do dia: uma etapa que fecharia, retiraria ou bloquearia demais fica retida até que um "
                "operador a libere. Retida, ela não muda nada, e a carga espera; as baixas não.",
                {"postgres"},
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                f"guarda_{guard.value}",
                asset=key,
                blocking=True,
                description=f"A etapa {guard.value} não está retida; quem a libera decide {guard.released_by}.",
            )
            for guard in Guard
        ],
    )
    @told_to_people
    def guardas(
        context: dg.AssetExecutionContext, portfolios: OpenPortfolios
    ) -> Iterator[dg.MaterializeResult | dg.AssetCheckResult]:
        runtime, day = portfolios.portfolio(name), day_of(context)
        verdicts = {verdict.guard: verdict for verdict in runtime.verdicts(day)}
        late = runtime.sending(day).forced
        yield dg.MaterializeResult(
            asset_key=key,
            metadata={f"guarda {guard}": verdict.message for guard, verdict in verdicts.items()},
        )
        for guard in Guard:
            verdict = verdicts.get(guard.value)
            yield dg.AssetCheckResult(
                asset_key=key,
                check_name=f"guarda_{guard.value}",
                passed=verdict is None or not verdict.stands_in_the_way,
                # At its deadline the carga goes with what there is: the guard then warns and does not stop it.
                severity=dg.AssetCheckSeverity.WARN if late else dg.AssetCheckSeverity.ERROR,
                description=verdict.message if verdict else "A etapa não rodou neste dia.",
                metadata={str(number): value for number, value in verdict.numbers.items()} if verdict else {},
            )

    return guardas
