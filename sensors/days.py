"""What makes days: a sensor per portfolio that looks every ten seconds and asks for the run of a day that needs one.

A thin shell without side effects: the facts are the ledger's and Dagster's own records, the decision is in
``atom_pipeline.plan.days``. It speaks to no file server. What it waits for, and why, is the tick's reason in the UI.
"""

from collections.abc import Sequence

import dagster as dg

from assets.build import job_name
from assets.common import day_activity
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.plan.days import DaysPlan, Request, plan_days
from resources.day_facts import day_facts, looking
from resources.ledger_look import Memory
from resources.runtime import PortfolioRuntime
from sensors.opened import OpenedOnce
from sensors.reason import WHERE_TO_READ, reason
from sensors.runs import ATTEMPT_TAG, CONTENT_TAG, PORTFOLIO_TAG, WHY_TAG, DayRuns

INTERVAL_SECONDS = 10


def days_sensor_name(portfolio: str) -> str:
    return f"{portfolio}__dias"


def build_days_sensor(
    catalogue: Catalogue, assets: Sequence[dg.AssetsDefinition], opened: OpenedOnce
) -> dg.SensorDefinition:
    """The sensor of one portfolio; ``assets`` are all those of its day."""
    portfolio = catalogue.portfolio
    name = portfolio.portfolio
    runs, memory = DayRuns(name, job_name(name), assets), Memory()

    @dg.sensor(
        name=days_sensor_name(name),
        job_name=job_name(name),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Faz os dias de {portfolio.title}, um por vez e em ordem: o que tem arquivo ou decisão nova, o "
        "que pode enviar o que não podia, o que falhou e pode dar certo. O motivo de cada consulta diz o que espera. "
        + WHERE_TO_READ,
    )
    def dias(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        plan = look(opened.portfolio(name), runs, context.instance, memory)
        if plan.request is None:
            return dg.SensorResult(skip_reason=reason(plan.said))
        context.log.info(reason(plan.said))
        return dg.SensorResult(run_requests=[run_request(name, plan.request)])

    return dias


def look(
    runtime: PortfolioRuntime, runs: DayRuns, instance: dg.DagsterInstance, memory: Memory | None = None
) -> DaysPlan:
    """Gather the facts and decide. Dagster is asked first: a run that ends meanwhile is then still seen as under way,
    and never as one that left its day behind."""
    under_way = runs.under_way(instance)
    one = looking(runtime, memory)
    facts = day_facts(one)
    days = {day.day for day in facts.days}
    wanted = {day_activity(day.isoformat()): day for day in (*days, *(run.day for run in under_way))}
    held = [wanted[activity] for activity in one.ledger.held(wanted)]
    ended = [] if under_way else runs.ended(instance, days)
    return plan_days(facts.days, [*under_way, *ended], one.now(), held=sorted(held), later=facts.later, said=facts.said)


def run_request(portfolio: str, request: Request) -> dg.RunRequest:
    """The run of a day, asked for once under the request's key."""
    return dg.RunRequest(
        run_key=request.key,
        partition_key=request.day.isoformat(),
        tags={
            PORTFOLIO_TAG: portfolio,
            CONTENT_TAG: request.content,
            ATTEMPT_TAG: str(request.attempt),
            WHY_TAG: request.why,
        },
    )
