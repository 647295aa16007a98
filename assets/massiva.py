"""Massive actions as Dagster assets: what was sent to OMNE, and the marks on the contracts (UC013 to UC015).

How messages are sent is in ``resources.massiva_sending``, what a mark is in ``atom_pipeline.massiva``. Sending is no
part of a day's job, so that no replay and no range of days starts it: it has a job of its own, one slice of time a run,
so that the day can be made in between. The marks are part of the day's job, and have one of their own for the answers
that come after it.
"""

from collections.abc import Iterator, Sequence
from time import perf_counter
from typing import Any

import dagster as dg
from pydantic import Field

from assets import metadata as show
from assets.common import BASE, PUBLISH, OpenPortfolios, asset_key, asset_spec, rule_tags, told_to_people, with_rules
from assets.lineage import base_columns, made_columns
from assets.partitions import day_of, working_days
from atom_pipeline.errors import AtomError
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import Stage
from resources.massiva import config_of, forecast
from resources.massiva_marks import TABLE as MARKS
from resources.massiva_marks import write_marks
from resources.massiva_sending import Progress, send_massivas
from resources.runtime import PortfolioRuntime

SENDING = "publicado/massiva_whatsapp"
SENDING_RULES = ("R030", "R031", "R032", "R033", "UC013", "UC014")


def massiva_job_name(portfolio: str) -> str:
    """The job that sends a day's messages, one slice of time a run."""
    return f"{portfolio}__massivas"


def marks_job_name(portfolio: str) -> str:
    """The job that makes a day's marks again, and what is made of them."""
    return f"{portfolio}__marcacoes"


class Slice(dg.Config):
    """What may be typed in the launchpad."""

    minutes: float | None = Field(
        default=None,
        description="Por quanto tempo enviar; vazio: `massivas.slice_minutes` do portfólio. 0: até não restar nada.",
    )


def build_marks_asset(catalogue: Catalogue) -> dg.AssetsDefinition:
    """The asset ``marcacoes``."""
    portfolio = catalogue.portfolio
    layouts = [layout for layout in catalogue.layouts.values() if layout.direction == "in"]
    histories = [f"recebido/{layout.layout}" for layout in layouts if layout.stage is Stage.HISTORICO]

    @dg.multi_asset(
        name=f"{portfolio.portfolio}__tabela_{MARKS}",
        specs=[
            asset_spec(
                catalogue,
                BASE,
                MARKS,
                deps=["base", "contratos", "telefones_contato", *sorted(histories)],
                kinds={"polars", "parquet"},
                description="As ações massivas marcadas em cada contrato, com arquivo e linha, as dos dias anteriores "
                "inclusive: WhatsApp pela resposta do OMNE, e-mail pelo CPF/CNPJ, SMS pelo telefone.",
                rules=("R033", "R035", "R036", "UC014", "UC015"),
                metadata=base_columns(catalogue, MARKS),
            )
        ],
    )
    @told_to_people
    def marcacoes(context: dg.AssetExecutionContext, portfolios: OpenPortfolios) -> Iterator[dg.MaterializeResult]:
        started = perf_counter()
        runtime, day = portfolios.portfolio(portfolio.portfolio), day_of(context)
        base = runtime.ledger.base(day)
        if base is None:
            raise AtomError(f"{day:%Y-%m-%d} has no base: materialize base before {MARKS}")
        frame, written = write_marks(runtime, day, base.hash)
        yield dg.MaterializeResult(
            asset_key=asset_key(portfolio.portfolio, MARKS),
            metadata={
                "dagster/row_count": frame.height,
                **made_columns(catalogue, day, MARKS, frame.schema),
                "amostra": show.sample(frame, runtime.personal_columns(day)),
                "tabela": show.link(written.path),
                "sha256": written.sha256,
                "segundos": round(perf_counter() - started, 3),
                **{f"marcacao {value}": count for value, count in show.counts(frame, "marcacao").items()},
            },
        )

    return marcacoes


def build_massiva_asset(catalogue: Catalogue) -> dg.AssetsDefinition:
    """The asset ``publicado/massiva_whatsapp``: a run sends what may go of a day, and shows how it goes."""
    portfolio = catalogue.portfolio
    layouts = [layout for layout in catalogue.of_stage(Stage.MASSIVA) if layout.direction == "in"]
    key = asset_key(portfolio.portfolio, *SENDING.split("/"))

    @dg.asset(
        key=key,
        deps=[asset_key(portfolio.portfolio, "recebido", layout.layout) for layout in layouts]
        + [asset_key(portfolio.portfolio, "base")],
        partitions_def=working_days(portfolio.operation),
        group_name=PUBLISH,
        kinds={"whatsapp", "http"},
        owners=list(portfolio.owners),
        description=with_rules(
            "As mensagens de WhatsApp do dia, enviadas ao OMNE: só no dia do arquivo, no horário permitido, a "
            "contratos ATIVO na base mais nova. Rodar de novo é seguro: o que foi enviado, ou é incerto, não vai outra "
            "vez. O que é incerto espera uma pessoa: `atom massiva pendentes`.",
            SENDING_RULES,
        ),
        tags=rule_tags(SENDING_RULES),
    )
    @told_to_people
    def massiva_whatsapp(
        context: dg.AssetExecutionContext, config: Slice, portfolios_beside_runs: OpenPortfolios
    ) -> dg.MaterializeResult:
        runtime, day = portfolios_beside_runs.portfolio(portfolio.portfolio), day_of(context)

        def told(progress: Progress) -> None:
            context.log.info(words_of(progress))
            # Of a step, Dagster keeps observations until it ends; reported beside it, they are seen while it runs.
            context.instance.report_runless_asset_event(
                dg.AssetObservation(key, partition=context.partition_key, metadata=numbers_of(progress))
            )

        minutes = config_of(runtime).slice_minutes if config.minutes is None else config.minutes
        progress = send_massivas(runtime, day, minutes=minutes or None, told=told)
        for reason in progress.reasons:
            context.log.warning(f"nada foi enviado: {reason}")
        if progress.error is not None:
            raise dg.Failure(
                description=str(progress.error), metadata=_shown(runtime, context, progress), allow_retries=False
            )
        return dg.MaterializeResult(metadata=_shown(runtime, context, progress))

    return massiva_whatsapp


def build_massiva_jobs(catalogue: Catalogue, models: Sequence[dg.AssetKey]) -> list[Any]:
    """The jobs that send, where the portfolio does, and that make the marks again with what depends on them."""
    portfolio = catalogue.portfolio
    name = portfolio.portfolio
    marks = dg.define_asset_job(
        marks_job_name(name),
        selection=dg.AssetSelection.assets(asset_key(name, MARKS), *models),
        description=f"As marcações de {portfolio.title} com as respostas do OMNE que vieram depois de feito o dia.",
    )
    if portfolio.massivas is None:
        return [marks]
    send = dg.define_asset_job(
        massiva_job_name(name),
        selection=dg.AssetSelection.assets(asset_key(name, *SENDING.split("/"))),
        description=f"Envia as mensagens de WhatsApp do dia de {portfolio.title}, por no máximo "
        f"{portfolio.massivas.slice_minutes:g} minutos por rodada. Nunca faz parte de refazer um dia.",
    )
    return [marks, send]


def words_of(progress: Progress) -> str:
    """How sending goes, in one line."""
    rate = progress.sent / progress.seconds if progress.seconds else 0.0
    return (
        f"{progress.accepted} aceitas, {progress.refused} recusadas, {progress.uncertain} incertas, "
        f"{progress.put_back} a tentar de novo; restam {progress.left}; {rate:.0f} por segundo"
    )


def numbers_of(progress: Progress) -> dict[str, int | float]:
    """The numbers that Dagster plots."""
    return {
        "aceitas": progress.accepted,
        "recusadas": progress.refused,
        "incertas": progress.uncertain,
        "a tentar de novo": progress.put_back,
        "sem resposta de uma rodada anterior": progress.interrupted,
        "restam": progress.left,
        "segundos": round(progress.seconds, 3),
    }


def _shown(runtime: PortfolioRuntime, context: dg.AssetExecutionContext, progress: Progress) -> dict[str, Any]:
    day = day_of(context)
    state = forecast(runtime, day).state
    said: dict[str, Any] = {
        **numbers_of(progress),
        **{f"linhas {word}": count for word, count in state.fates.items()},
        **{f"mensagens {status.value}": count for status, count in runtime.ledger.message_counts(day).items()},
        "motivos": dg.MetadataValue.md("\n".join(f"- {reason}" for reason in progress.reasons) or "nenhum"),
    }
    if progress.resume_at is not None:
        said["continua às"] = f"{progress.resume_at.astimezone(runtime.zone):%Y-%m-%d %H:%M:%S}"
    return said
