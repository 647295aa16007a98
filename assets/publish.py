"""Stage *publish*: what leaves. Manager's waves, and the error files that go back to the drop.

What Manager should have is the model ``manager_mailing``; what it has is the fold of the waves sent to it. Here the
difference becomes a wave, planned on the record and sent once (``resources.publish``). Each asset shows what it sent,
or why it sent nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

import dagster as dg
import polars as pl

from assets import metadata as show
from assets.common import (
    PUBLISH,
    OpenPortfolios,
    asset_key,
    asset_spec,
    one_at_a_time,
    rule_tags,
    told_to_people,
    with_rules,
)
from assets.models import run_model
from assets.partitions import day_of, working_days
from atom_pipeline.day import Sending
from atom_pipeline.errors import AtomError
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import Layout, Stage
from atom_pipeline.layout.names import build_name
from atom_pipeline.layout.writing import write_file
from atom_pipeline.scratch import scratch_folder
from atom_pipeline.sql import SqlModel
from atom_pipeline.waves import HELD, Operation
from resources.ledger_records import Wave, WaveKind, WaveStatus
from resources.manager import MAILING, Doubt, Due, baixas_due, mailing_due, manager_before, refusal
from resources.publish import Draft, plan_wave, publish_wave, resume
from resources.runtime import PortfolioRuntime

BAIXA = "manager_baixa"
BEFORE_RULES = ("R012", "UC003", "UC007")
HELD_MEANINGS = {
    "contrato": "Número do contrato que o Manager tem.",
    "id_crm": "Ficha do cliente no CRM.",
    "conteudo": "Impressão da linha como foi enviada: outra impressão é uma linha a enviar de novo.",
    "onda": "Número da onda que a enviou.",
    "dia": "Dia útil da onda.",
}


@dataclass(frozen=True)
class Outcome:
    """What publishing did, or would do. ``what`` says in a word: baixa, carga or incremental."""

    what: str
    sending: Sending
    waves: tuple[Wave, ...]  # sent just now, those that an earlier run had planned included
    rows: pl.DataFrame  # of the new wave's files (atom_pipeline.waves.ROWS); empty when there was nothing to send
    cancelled: tuple[Wave, ...] = ()  # planned by an earlier run, and given up just now
    doubt: Doubt | None = None  # about the new wave's baixas; none when nothing may be sent

    @property
    def nothing(self) -> bool:
        return not self.waves

    @property
    def by_operation(self) -> dict[str, int]:
        return show.counts(self.rows, "operacao")


def preview(runtime: PortfolioRuntime, day: date) -> list[Outcome]:
    """What the day would send now, without sending: its baixas, then its mailing as it would go after them.

    Raises AtomError when the day is not made.
    """
    if runtime.ledger.base(day) is None or not runtime.lake.exists(MAILING, day):
        raise AtomError(f"{day:%Y-%m-%d} is not made: run the day first (`atom run {day:%Y-%m-%d}`)")
    baixas = baixas_due(runtime, day)
    return [_outcome(one) for one in (baixas, mailing_due(runtime, day, after=baixas.rows))]


def send_baixas(runtime: PortfolioRuntime, model: SqlModel, day: date) -> Outcome:
    """Send at once the baixas of what Manager has and should no longer have (UC007). They never wait."""
    earlier = resume_planned(runtime)
    return _go(runtime, model, day, baixas_due(runtime, day), earlier)


def send_mailing(runtime: PortfolioRuntime, model: SqlModel, day: date) -> Outcome:
    """Send the day's carga when it may go, and after it what is new or changed (R012, UC003).

    A row that left the mailing in between goes as a baixa in the same wave.
    """
    earlier = resume_planned(runtime)
    return _go(runtime, model, day, mailing_due(runtime, day), earlier)


def resume_planned(runtime: PortfolioRuntime, before: date | None = None) -> list[Wave]:
    """Finish what an earlier run planned, or give it up when its own day may no longer send it."""

    def why_not(wave: Wave) -> str | None:
        return refusal(runtime, wave)

    return resume(runtime.manager, runtime.ledger, runtime.lake, refusal=why_not, before=before)


def _outcome(due: Due, waves: Sequence[Wave] = ()) -> Outcome:
    return Outcome(
        due.kind.value,
        due.sending,
        tuple(wave for wave in waves if wave.status is WaveStatus.SENT),
        due.spoken,
        tuple(wave for wave in waves if wave.status is WaveStatus.CANCELLED),
        due.doubt,
    )


def _go(runtime: PortfolioRuntime, model: SqlModel, day: date, due: Due, earlier: list[Wave]) -> Outcome:
    if due.spoken.is_empty():
        return _outcome(due, earlier)
    forced = due.sending.forced and due.kind is not WaveKind.BAIXA
    note = "enviada sem: " + "; ".join(due.sending.reasons) if forced else ""
    return _outcome(due, [*earlier, _send(runtime, model, day, due, note=note)])


def _send(runtime: PortfolioRuntime, model: SqlModel, day: date, due: Due, *, note: str) -> Wave:
    """Plan a wave with its files and send it. ``model`` is manager_baixa, run over what Manager has right now."""
    kind = due.kind
    removed = due.spoken.filter(pl.col("operacao") == Operation.BAIXA.value)
    loaded = due.spoken.filter(pl.col("operacao") != Operation.BAIXA.value)
    with scratch_folder() as folder:

        def write(number: int) -> Sequence[Draft]:
            drafts: list[Draft] = []
            if loaded.height:
                mailing = _of(runtime.lake.read(MAILING, day), loaded)
                layout = runtime.output_layout(Stage.MAILING)
                drafts.append(_draft(folder, layout, mailing, day, number, kind))
            if removed.height:
                frame = _of(run_model(runtime, model, day, {"manager_atual": due.held}), removed)
                drafts.append(_draft(folder, runtime.output_layout(Stage.BAIXA), frame, day, number, kind))
            return drafts

        wave = plan_wave(runtime.ledger, runtime.lake, day, kind, due.rows, write, note=note, against=due.held)
    return publish_wave(runtime.manager, runtime.ledger, runtime.lake, wave)


def _of(rows: pl.DataFrame, chosen: pl.DataFrame) -> pl.DataFrame:
    """The rows of these contracts, sorted by contrato. A carga takes the whole mailing, which is in that order."""
    if rows["contrato"].equals(chosen["contrato"]) and rows["contrato"].is_sorted():
        return rows
    return rows.join(chosen.select("contrato"), on="contrato", how="semi").sort("contrato")


def _draft(folder: Path, layout: Layout, frame: pl.DataFrame, day: date, number: int, kind: WaveKind) -> Draft:
    name = build_name(layout, DIA=f"{day:%Y%m%d}", ONDA=f"{number:02d}", TIPO=kind.value)
    version = layout.version_on(day)
    parts = [(record, field) for record in version.records for field in record.fields]
    by_itself = {
        field.name for record, field in parts if field.name in record.self_written or field.default is not None
    }
    columns = [name for name in version.details[0].by_name if name in frame.columns or name not in by_itself]
    written = write_file(layout, frame.select(columns), folder / name, day=day)
    return Draft(folder / name, name, layout.layout, written.rows)


def build_manager_before(catalogue: Catalogue) -> dg.AssetsDefinition:
    """The asset ``manager_atual``: what Manager had when the day began."""
    portfolio = catalogue.portfolio

    @dg.asset(
        key=asset_key(portfolio.portfolio, "manager_atual"),
        pool=one_at_a_time(portfolio.portfolio),
        deps=[asset_key(portfolio.portfolio, "base")],
        partitions_def=working_days(portfolio.operation),
        group_name=PUBLISH,
        kinds={"polars", "parquet"},
        owners=list(portfolio.owners),
        description=with_rules(
            "O que o Manager tinha quando o dia começou, um contrato por linha: a soma das ondas dos dias anteriores, "
            "que não mudam.",
            BEFORE_RULES,
        ),
        tags=rule_tags(BEFORE_RULES),
        metadata={"dagster/column_schema": show.frame_columns(HELD, HELD_MEANINGS)},
    )
    @told_to_people
    def manager_atual(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> dg.MaterializeResult:
        started = perf_counter()
        runtime, day = portfolios.portfolio(portfolio.portfolio), day_of(context)
        # A wave of an earlier day that is still on its way belongs to what Manager had, on this run and on a replay.
        resumed = resume_planned(runtime, before=day)
        frame = manager_before(runtime, day)
        written = runtime.lake.write("manager_atual", day, frame)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": frame.height,
                "dagster/column_schema": show.frame_columns(frame.schema, HELD_MEANINGS),
                "tabela": show.link(written.path),
                "sha256": written.sha256,
                "ondas retomadas": ", ".join(f"{wave.label} {wave.status.value}" for wave in resumed) or "nenhuma",
                "segundos": round(perf_counter() - started, 3),
            }
        )

    return manager_atual


def build_sending_assets(catalogue: Catalogue, baixa_model: SqlModel) -> list[dg.AssetsDefinition]:
    """The assets that send: baixas first, which never wait, then the mailing, which a held guard stops."""
    portfolio = catalogue.portfolio
    name = portfolio.portfolio

    kinds = {"csv", "sftp"}

    @dg.multi_asset(
        name=f"{name}__publicado_baixa",
        pool=one_at_a_time(name),
        specs=[
            asset_spec(
                catalogue,
                PUBLISH,
                f"publicado/{BAIXA}",
                deps=[BAIXA, MAILING, "base"],
                kinds=kinds,
                rules=("UC007",),
                description="O arquivo de baixa do Manager: o que ele tem e não deve mais ter, na primeira "
                "onda depois de conhecido. Não espera a carga nem um batimento retido.",
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "baixas_dentro_do_limite",
                asset=asset_key(name, "publicado", BAIXA),
                description="As baixas SEM TELEFONE e FORA DA BASE não passam de max_baixa_sem_telefone do que o "
                "Manager tem; acima disso ficam retidas até que um operador decida send-now.",
            )
        ],
    )
    @told_to_people
    def publicado_baixa(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> dg.MaterializeResult:
        started = perf_counter()
        runtime, day = portfolios.portfolio(name), day_of(context)
        outcome = send_baixas(runtime, baixa_model, day)
        doubt = outcome.doubt
        return dg.MaterializeResult(
            metadata=_sent_metadata(runtime, outcome, outcome.sending.baixa, started),
            check_results=[
                dg.AssetCheckResult(
                    check_name="baixas_dentro_do_limite",
                    passed=doubt is None or not doubt.held,
                    severity=dg.AssetCheckSeverity.ERROR,
                    description=doubt.message if doubt else "Nada é enviado agora.",
                    metadata=dict(doubt.numbers) if doubt else {},
                )
            ],
        )

    @dg.multi_asset(
        name=f"{name}__publicado_mailing",
        pool=one_at_a_time(name),
        specs=[
            asset_spec(
                catalogue,
                PUBLISH,
                f"publicado/{MAILING}",
                deps=[MAILING, "guardas", f"publicado/{BAIXA}"],
                kinds=kinds,
                rules=("R012", "UC003"),
                description="O arquivo de discagem do Manager: a carga quando o dia está completo, ou no "
                "prazo com o que há; depois, incrementais.",
            )
        ],
        check_specs=[
            dg.AssetCheckSpec(
                "carga_completa",
                asset=asset_key(name, "publicado", MAILING),
                description="A carga foi com tudo o que o dia espera.",
            )
        ],
    )
    @told_to_people
    def publicado_mailing(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> dg.MaterializeResult:
        started = perf_counter()
        runtime, day = portfolios.portfolio(name), day_of(context)
        outcome = send_mailing(runtime, baixa_model, day)
        forced = outcome.sending.forced and not outcome.nothing
        return dg.MaterializeResult(
            metadata=_sent_metadata(runtime, outcome, outcome.sending.carga, started),
            check_results=[
                dg.AssetCheckResult(
                    check_name="carga_completa",
                    passed=not forced,
                    severity=dg.AssetCheckSeverity.WARN,
                    description="; ".join(outcome.sending.reasons) or "Nada falta.",
                )
            ],
        )

    return [publicado_baixa, publicado_mailing]


def _sent_metadata(runtime: PortfolioRuntime, outcome: Outcome, may_send: bool, started: float) -> dict[str, Any]:
    files = [
        {
            "onda": wave.label,
            "tipo": wave.kind.value,
            "arquivo": file.name,
            "linhas": file.rows,
            "bytes": file.size,
            "sha256": file.sha256,
        }
        for wave in outcome.waves
        for file in wave.files
    ]
    said: dict[str, Any] = {
        "enviado": len(files),
        "arquivos": show.table(files, ("onda", "tipo", "arquivo", "linhas", "bytes", "sha256")),
        "destino": runtime.manager.label,
        **{f"linhas {operation}": count for operation, count in outcome.by_operation.items()},
    }
    for file in files:
        said[f"abrir {file['arquivo']}"] = show.link(runtime.manager.url(str(file["arquivo"])))
    if not may_send or outcome.sending.reasons:
        said["motivos"] = dg.MetadataValue.md("\n".join(f"- {reason}" for reason in outcome.sending.reasons))
    if outcome.doubt is not None and outcome.doubt.held:
        said["retidas"] = outcome.doubt.message
    for wave in outcome.cancelled:
        said[f"cancelada {wave.label}"] = wave.note
    if not files:
        said["resultado"] = "nada a enviar" if may_send else "não enviado"
    said["segundos"] = round(perf_counter() - started, 3)
    return said
