"""What sends messages, and what keeps marks up to date: two sensors per portfolio that look every half minute.

Thin shells without side effects: whether something is due is decided in ``atom_pipeline.massiva.fates`` and
``resources.massiva_marks``. What they wait for is the tick's reason in the UI.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime

import dagster as dg

from assets.common import day_activity
from assets.massiva import marks_job_name, massiva_job_name
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.massiva.fates import Attempts, massivas_due
from resources.ledger_look import LedgerLook
from resources.massiva import massiva_state
from resources.massiva_marks import marks_behind
from resources.runtime import PortfolioRuntime
from sensors.opened import OpenedOnce

INTERVAL_SECONDS = 30
PARTITION = "dagster/partition"
_MOST = 20
_UNDER_WAY = (
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
)


def massivas_sensor_name(portfolio: str) -> str:
    return f"{portfolio}__massivas_do_dia"


def marks_sensor_name(portfolio: str) -> str:
    return f"{portfolio}__marcacoes_do_dia"


def build_massiva_sensors(catalogue: Catalogue, opened: OpenedOnce) -> list[dg.SensorDefinition]:
    """The sensors of one portfolio: for its marks, and for its messages where it sends any."""
    portfolio = catalogue.portfolio
    name = portfolio.portfolio

    @dg.sensor(
        name=marks_sensor_name(name),
        job_name=marks_job_name(name),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Refaz as marcações de {portfolio.title} com as respostas que vieram depois de feito o dia.",
    )
    def marcacoes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        requests = marks_due(opened.portfolio(name), context.instance)
        return dg.SensorResult(run_requests=requests) if requests else dg.SensorResult(skip_reason="marcações em dia")

    if portfolio.massivas is None:
        return [marcacoes]

    @dg.sensor(
        name=massivas_sensor_name(name),
        job_name=massiva_job_name(name),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Envia as mensagens de WhatsApp do dia de {portfolio.title} quando podem ir. O motivo de cada "
        "consulta diz o que espera.",
    )
    def massivas(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        request, said = messages_due(opened.portfolio(name), context.instance)
        return dg.SensorResult(run_requests=[request]) if request else dg.SensorResult(skip_reason=said)

    return [marcacoes, massivas]


def marks_due(runtime: PortfolioRuntime, instance: dg.DagsterInstance) -> list[dg.RunRequest]:
    """A run for each day whose marks are behind and that none makes."""
    requests: list[dg.RunRequest] = []
    days = marks_behind(runtime)
    activities = {day: day_activity(day.isoformat()) for day in days}
    made_now = LedgerLook(runtime.engine, runtime.name).held(activities.values())  # by a run of the whole day, say
    for behind in days:
        runs = _runs(instance, marks_job_name(runtime.name), behind)
        if activities[behind] not in made_now and not _at_work(runs) and _attempts(runs).may_start(datetime.now(UTC)):
            requests.append(dg.RunRequest(partition_key=behind.isoformat()))
    return requests


def messages_due(runtime: PortfolioRuntime, instance: dg.DagsterInstance) -> tuple[dg.RunRequest | None, str]:
    """The run that sends today's messages, when one is due; else why none is."""
    now = runtime.now()
    today = now.date()
    if not runtime.calendar.is_working(today):
        return None, "hoje não é dia de trabalho"
    due = massivas_due(massiva_state(runtime, today), now)
    if not due.due:
        return None, due.reason
    runs = _runs(instance, massiva_job_name(runtime.name), today)
    if _at_work(runs):
        return None, f"{due.reason}: uma rodada está na fila ou enviando"
    attempts = _attempts(runs)
    if not attempts.may_start(datetime.now(UTC)):
        when = attempts.next_at(runtime.zone)
        return None, f"{due.reason}: a última rodada falhou, a próxima não antes de {when}"
    return dg.RunRequest(partition_key=today.isoformat()), due.reason


def _runs(instance: dg.DagsterInstance, job: str, day: date) -> Sequence[dg.RunRecord]:
    """The newest runs of a job for a day, newest first."""
    wanted = dg.RunsFilter(job_name=job, tags={PARTITION: day.isoformat()})
    return instance.get_run_records(wanted, limit=_MOST)


def _at_work(runs: Sequence[dg.RunRecord]) -> bool:
    return any(record.dagster_run.status in _UNDER_WAY for record in runs)


def _attempts(runs: Sequence[dg.RunRecord]) -> Attempts:
    """How many of the newest runs failed in a row, and when the last one ended."""
    failed = 0
    for record in runs:
        if record.dagster_run.status is not dg.DagsterRunStatus.FAILURE:
            break
        failed += 1
    last = runs[0].end_time if failed else None
    return Attempts(failed, datetime.fromtimestamp(last, UTC) if last is not None else None)
