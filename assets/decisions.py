"""Operators' decisions as jobs: each word of ``atom_pipeline.day.Decision``, for each portfolio (DESIGN section 4).

A job records the decision in the ledger, as ``atom decide`` does, and shows how the day stands; it makes nothing. The
day is the job's partition, the reason and the author are typed in the launchpad. Neither waits for a run of the day
that is under way: what that run did not see makes the day run again.
"""

from collections.abc import Mapping
from datetime import date

import dagster as dg
from pydantic import Field

from assets import metadata as show
from assets.common import OpenPortfolios, told_to_people
from assets.partitions import working_days
from atom_pipeline.day import Decision
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.masking import scrub
from resources.panel import DayPanel, day_panel

OP = "decidir"
MEANINGS: Mapping[Decision, str] = {
    Decision.NO_ACORDOS: "O dia segue sem arquivo de acordos: o batimento não espera mais por ele.",
    Decision.NO_REMESSA: "O dia segue sem remessa: o batimento não espera mais por ela.",
    Decision.RELEASE_REMESSA: "A remessa retida é aplicada, para estes mesmos arquivos sobre esta mesma base.",
    Decision.RELEASE_ACORDOS: "Os acordos retidos são aplicados, para estes mesmos arquivos sobre esta mesma base.",
    Decision.RELEASE_EXCLUSAO: "A exclusão retida é aplicada, para estes mesmos arquivos sobre esta mesma base.",
    Decision.RELEASE_BATIMENTO: "O batimento retido é aplicado, para estes mesmos arquivos sobre esta mesma base.",
    Decision.SEND_NOW: "A carga do dia vai ao Manager com o que há, sem esperar o que falta.",
    Decision.DO_NOT_SEND: "Nada deste dia vai ao Manager. Vale a última palavra entre esta e `send-now`.",
}
NEXT = "Vale quando o dia for rodado: o sensor de dias faz isso em seguida; sem ele, rode-o outra vez."


class Reason(dg.Config):
    """What an operator types in the launchpad. Empty words are for the ledger to refuse."""

    why: str = Field(
        default="", description="O motivo da decisão, que fica registrado. Obrigatório. Sem dados de clientes."
    )
    author: str = Field(default="", description="Quem decide: seu nome ou usuário. Obrigatório.")


def decision_job_name(portfolio: str, decision: Decision) -> str:
    """The job that records a decision, e.g. ``banco_pan_veiculos__decidir_no_acordos``."""
    return f"{portfolio}__{OP}_{decision.value.replace('-', '_')}"


def build_decision_jobs(catalogue: Catalogue) -> list[dg.JobDefinition]:
    """One job per decision."""
    return [_decision_job(catalogue, decision) for decision in Decision]


def _decision_job(catalogue: Catalogue, decision: Decision) -> dg.JobDefinition:
    portfolio = catalogue.portfolio
    name, meaning = decision_job_name(portfolio.portfolio, decision), MEANINGS[decision]

    @dg.op(name=f"{name}__registro", description=meaning)
    @told_to_people
    def decide(context: dg.OpExecutionContext, config: Reason, portfolios_beside_runs: OpenPortfolios) -> None:
        runtime, day = portfolios_beside_runs.portfolio(portfolio.portfolio), date.fromisoformat(context.partition_key)
        decided = runtime.ledger.decide(day, decision.value, why=config.why, author=config.author)
        context.log.info(f"{decided.what} de {day:%Y-%m-%d}, por {scrub(decided.author)}: {meaning} {NEXT}")
        panel = day_panel(runtime, day)
        for line in _hindrances(panel):
            context.log.info(line)
        context.add_output_metadata(
            {
                "decisão": decided.what,
                "efeito": f"{meaning} {NEXT}",
                "esperados": show.table(
                    (
                        {"arquivo": item.name, "situação": item.status.value, "nomes": ", ".join(item.files)}
                        for item in panel.expected
                    ),
                    ("arquivo", "situação", "nomes"),
                ),
                "pendências": dg.MetadataValue.md("\n".join(f"* {line}" for line in _hindrances(panel)) or "nenhuma"),
                "decisões do dia": dg.MetadataValue.md("\n".join(f"* {scrub(line)}" for line in panel.decisions)),
            }
        )

    @dg.job(
        name=name,
        description=f"{portfolio.title}, decisão `{decision.value}`. {meaning} Escolha o dia como partição e preencha "
        f"`why` (motivo) e `author` (quem decide). {NEXT} É o mesmo que "
        "`atom decide`.",
        partitions_def=working_days(portfolio.operation),
        config=dg.RunConfig(ops={OP: Reason()}),  # what the launchpad shows, to be filled in
    )
    def job() -> None:
        decide.alias(OP)()  # names of ops and jobs are unique among all; in every launchpad it is this one

    return job


def _hindrances(panel: DayPanel) -> list[str]:
    """What stands between the day and its carga, in the panel's words."""
    return [
        *(f"espera {line}" for line in panel.waits),
        *(f"retido: {line}" for line in panel.held),
        *(f"não enviado: {line}" for line in panel.not_sent),
    ]
