"""Stage *publish*: what leaves. Manager's waves, and the error files that go back to the drop.

What Manager should have is the model ``manager_mailing``; what it has is the fold of the waves sent to it. Here the
difference becomes a wave, planned on the record and sent once (``resources.publish``). Each asset shows what it sent,
or why it sent nothing.
"""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import dagster as dg
import polars as pl

from assets import metadata as show
from assets.common import PUBLISH, OpenPortfolios, asset_key, asset_spec, told_to_people
from assets.models import SQL_FOLDER, run_model
from assets.partitions import day_of, working_days
from atom_pipeline.day import Sending
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import Layout, Stage
from atom_pipeline.layout.names import build_name
from atom_pipeline.layout.writing import write_file
from atom_pipeline.sql import SqlModel, load_model
from atom_pipeline.waves import DESIRED, HELD, Operation, full_rows, incremental_rows, removal_rows
from resources.ledger_records import RESETS, Wave, WaveKind, WaveStatus
from resources.publish import Draft, manager_state, plan_wave, publish_wave, resume
from resources.runtime import PortfolioRuntime

MAILING, BAIXA = "manager_mailing", "manager_baixa"
BAIXA_KIND = WaveKind.BAIXA.value


@dataclass(frozen=True)
class Outcome:
    """What publishing did, or would do. ``what`` says in a word: baixa, carga or incremental."""

    what: str
    sending: Sending
    waves: tuple[Wave, ...]  # sent just now, those that an earlier run had planned included
    rows: pl.DataFrame  # of the new wave (atom_pipeline.waves.ROWS); empty when there was nothing to send

    @property
    def nothing(self) -> bool:
        return not self.waves

    @property
    def by_operation(self) -> dict[str, int]:
        return show.counts(self.rows, "operacao")


def preview(runtime: PortfolioRuntime, day: date, model: SqlModel | None = None) -> list[Outcome]:
    """What the day would send now, without sending: its baixas, then its mailing as it would go after them."""
    baixa_model = model or load_model(SQL_FOLDER / f"{BAIXA}.sql")
    return [
        send_baixas(runtime, baixa_model, day, dry_run=True),
        send_mailing(runtime, baixa_model, day, dry_run=True),
    ]


def manager_before(runtime: PortfolioRuntime, day: date) -> pl.DataFrame:
    """What Manager had when the day began: the fold of the waves of earlier days. The same on every replay."""
    earlier = [wave for wave in runtime.ledger.waves(status=WaveStatus.SENT) if wave.day < day]
    return manager_state(runtime.ledger, runtime.lake, up_to=earlier[-1]) if earlier else HELD.to_frame()


def desired(runtime: PortfolioRuntime, day: date) -> pl.DataFrame:
    """What Manager should have (atom_pipeline.waves.DESIRED): the day's mailing, each row with its hash."""
    mailing = runtime.lake.read(MAILING, day)
    return mailing.select("contrato", "id_crm", conteudo=content_hash(mailing)).cast(DESIRED)


def content_hash(frame: pl.DataFrame) -> pl.Series:
    """SHA-256 of each row's values, the same on every machine and version: it is compared with what was sent."""
    separated = frame.select(
        pl.concat_str(pl.all().cast(pl.String).fill_null("\x00"), separator="\x1f").alias("conteudo")
    ).to_series()
    return pl.Series([hashlib.sha256(row.encode()).hexdigest()[:32] for row in separated], dtype=pl.String)


def send_baixas(runtime: PortfolioRuntime, model: SqlModel, day: date, *, dry_run: bool = False) -> Outcome:
    """Send at once the baixas of what Manager has and should no longer have (UC007). They never wait."""
    sending = runtime.sending(day)
    if not sending.baixa:
        return Outcome(BAIXA_KIND, sending, (), _nothing())
    resumed = () if dry_run else tuple(resume(runtime.manager, runtime.ledger, runtime.lake))
    held = manager_state(runtime.ledger, runtime.lake)
    rows = removal_rows(desired(runtime, day), held)
    if dry_run or rows.is_empty():
        return Outcome(BAIXA_KIND, sending, resumed, rows)
    wave = _send(runtime, model, day, WaveKind.BAIXA, rows, held, note="")
    return Outcome(BAIXA_KIND, sending, (*resumed, wave), rows)


def send_mailing(runtime: PortfolioRuntime, model: SqlModel, day: date, *, dry_run: bool = False) -> Outcome:
    """Send the day's carga when it may go, and after it what is new or changed (R012, UC003).

    A row that left the mailing in between goes as a baixa in the same wave.
    """
    sending = runtime.sending(day)
    if not sending.carga:
        return Outcome(WaveKind.CARGA.value, sending, (), _nothing())
    resumed = () if dry_run else tuple(resume(runtime.manager, runtime.ledger, runtime.lake))
    held = manager_state(runtime.ledger, runtime.lake)
    wanted = desired(runtime, day)
    sent = [wave for wave in runtime.ledger.waves(day) if wave.kind in RESETS and wave.status is WaveStatus.SENT]
    kind = WaveKind.INCREMENTAL if sent else WaveKind.CARGA
    rows = incremental_rows(wanted, held) if sent else full_rows(wanted, held)
    if dry_run or rows.is_empty():
        return Outcome(kind.value, sending, resumed, rows)
    note = "enviada sem: " + "; ".join(sending.reasons) if sending.forced else ""
    wave = _send(runtime, model, day, kind, rows, held, note=note)
    return Outcome(kind.value, sending, (*resumed, wave), rows)


def _nothing() -> pl.DataFrame:
    return removal_rows(DESIRED.to_frame(), HELD.to_frame())


def _send(
    runtime: PortfolioRuntime,
    model: SqlModel,
    day: date,
    kind: WaveKind,
    rows: pl.DataFrame,
    held: pl.DataFrame,
    *,
    note: str,
) -> Wave:
    """Plan a wave with its files and send it. ``model`` is manager_baixa, run over what Manager has right now."""
    removed = rows.filter(pl.col("operacao") == Operation.BAIXA.value)
    loaded = rows.filter(pl.col("operacao") != Operation.BAIXA.value)
    with tempfile.TemporaryDirectory(prefix="atom-onda-") as folder:

        def write(number: int) -> Sequence[Draft]:
            drafts: list[Draft] = []
            if loaded.height:
                mailing = runtime.lake.read(MAILING, day).join(loaded.select("contrato"), on="contrato", how="semi")
                layout = runtime.output_layout(Stage.MAILING)
                drafts.append(_draft(Path(folder), layout, mailing.sort("contrato"), day, number, kind))
            if removed.height:
                frame = run_model(runtime, model, day, {"manager_atual": held})
                frame = frame.join(removed.select("contrato"), on="contrato", how="semi").sort("contrato")
                drafts.append(_draft(Path(folder), runtime.output_layout(Stage.BAIXA), frame, day, number, kind))
            return drafts

        wave = plan_wave(runtime.ledger, runtime.lake, day, kind, rows, write, note=note, against=held)
    return publish_wave(runtime.manager, runtime.ledger, runtime.lake, wave)


def _draft(folder: Path, layout: Layout, frame: pl.DataFrame, day: date, number: int, kind: WaveKind) -> Draft:
    name = build_name(layout, DIA=f"{day:%Y%m%d}", ONDA=f"{number:02d}", TIPO=kind.value)
    columns = [field.name for field in layout.version_on(day).details[0].fields]
    written = write_file(layout, frame.select(columns), folder / name, day=day)
    return Draft(folder / name, name, layout.layout, written.rows)


def build_manager_before(catalogue: Catalogue) -> dg.AssetsDefinition:
    """The asset ``manager_atual``: what Manager had when the day began."""
    portfolio = catalogue.portfolio

    @dg.asset(
        key=asset_key(portfolio.portfolio, "manager_atual"),
        deps=[asset_key(portfolio.portfolio, "base")],
        partitions_def=working_days(portfolio.operation),
        group_name=PUBLISH,
        kinds={"polars", "parquet"},
        owners=list(portfolio.owners),
        description="O que o Manager tinha quando o dia começou: a soma das ondas dos dias anteriores, que não mudam.",
    )
    @told_to_people
    def manager_atual(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> dg.MaterializeResult:
        runtime, day = portfolios.portfolio(portfolio.portfolio), day_of(context)
        frame = manager_before(runtime, day)
        written = runtime.lake.write("manager_atual", day, frame)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": frame.height,
                "dagster/column_schema": show.frame_columns(frame.schema),
                "tabela": show.link(written.path),
                "sha256": written.sha256,
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
        specs=[
            asset_spec(
                catalogue,
                PUBLISH,
                f"publicado/{BAIXA}",
                deps=[BAIXA, MAILING, "base"],
                kinds=kinds,
                description="O arquivo de baixa do Manager (UC007): o que ele tem e não deve mais ter, na primeira "
                "onda depois de conhecido. Não espera a carga nem um batimento retido.",
            )
        ],
    )
    @told_to_people
    def publicado_baixa(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> dg.MaterializeResult:
        runtime, day = portfolios.portfolio(name), day_of(context)
        outcome = send_baixas(runtime, baixa_model, day)
        return dg.MaterializeResult(metadata=_sent_metadata(runtime, outcome, outcome.sending.baixa))

    @dg.multi_asset(
        name=f"{name}__publicado_mailing",
        specs=[
            asset_spec(
                catalogue,
                PUBLISH,
                f"publicado/{MAILING}",
                deps=[MAILING, "guardas", f"publicado/{BAIXA}"],
                kinds=kinds,
                description="O arquivo de discagem do Manager (R012, UC003): a carga quando o dia está completo, ou no "
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
        runtime, day = portfolios.portfolio(name), day_of(context)
        outcome = send_mailing(runtime, baixa_model, day)
        forced = outcome.sending.forced and not outcome.nothing
        return dg.MaterializeResult(
            metadata=_sent_metadata(runtime, outcome, outcome.sending.carga),
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


def _sent_metadata(runtime: PortfolioRuntime, outcome: Outcome, may_send: bool) -> dict[str, Any]:
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
    if not files:
        said["resultado"] = "nada a enviar" if may_send else "não enviado"
    return said
