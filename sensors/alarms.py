"""What raises alarms: a sensor per portfolio that looks every minute, keeps the record and tells people (FA001, FA002).

A thin shell: what is known is gathered, what should be open is decided in ``atom_pipeline.alarms``, and what is to be
told is on the ledger's record before it is told. It reaches for no file server, so it works while the drop is down, and
a channel that hangs costs it a bounded time.
"""

import time
from collections.abc import Sequence
from dataclasses import replace

import dagster as dg

from assets.common import asset_key
from atom_pipeline.alarm_facts import days_watched
from atom_pipeline.alarms import changes
from atom_pipeline.layout.catalogue import Catalogue
from resources.alarm_facts import ledger_facts
from resources.ledger_deliveries import AlarmEvent, AlarmRecord
from resources.notice import notice
from resources.notify import TOTAL_SECONDS, Channel, NotDelivered, configured
from resources.report import attached_reports
from resources.runtime import PortfolioRuntime
from sensors.alarm_runs import with_dagster
from sensors.opened import OpenedOnce
from sensors.reason import WHERE_TO_READ, reason

INTERVAL_SECONDS = 60
DELIVERY_SECONDS = 30.0  # for all channels of a tick; Dagster gives a tick 60
_SHOWN = 20
NO_CHANNEL = (
    "nenhum canal está configurado: os alarmes ficam só aqui e em `atom alarms` (ATOM_ALARM_WEBHOOK, ATOM_SMTP_URL)"
)


def alarm_sensor_name(portfolio: str) -> str:
    return f"{portfolio}__alarmes"


def build_alarm_sensor(catalogue: Catalogue, opened: OpenedOnce) -> dg.SensorDefinition:
    """The sensor of one portfolio. It starts no run."""
    portfolio = catalogue.portfolio
    name = portfolio.portfolio

    @dg.sensor(
        name=alarm_sensor_name(name),
        minimum_interval_seconds=INTERVAL_SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Alarmes de {portfolio.title}: execuções que falharam, arquivos recusados, desconhecidos ou "
        "atrasados, etapas retidas, drop inacessível, carga incompleta ou não enviada, conflitos no Manager. Cada um é "
        "contado uma vez por canal, e mais uma quando termina. O motivo de cada consulta diz o que está aberto. "
        + WHERE_TO_READ,
    )
    def alarmes(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        runtime = opened.portfolio(name)
        with runtime.ledger.exclusive("alarmes") as alone:
            if not alone:
                return dg.SensorResult(skip_reason="outro processo está vendo os alarmes agora")
            return _look(context, runtime)

    return alarmes


def _look(context: dg.SensorEvaluationContext, runtime: PortfolioRuntime) -> dg.SensorResult:
    channels, problems = configured(runtime.settings.alarms)
    watched = days_watched(runtime.calendar, runtime.now().date())
    facts = with_dagster(ledger_facts(runtime), context.instance, runtime.name, watched)
    ledger = runtime.ledger
    done = ledger.record_alarms(changes(ledger.open_alarms(), facts), [channel.name for channel in channels])
    for alarm in done.opened:
        context.log.warning(f"aberto: {alarm.title}. {alarm.message}")
    for alarm in done.cleared:
        context.log.info(f"encerrado: {alarm.title}: {alarm.cleared_why}")
    problems += deliver(runtime, channels)
    for problem in problems:
        context.log.error(problem)
    return dg.SensorResult(
        skip_reason=summary(ledger.open_alarms(), problems, told=bool(channels)),
        asset_events=[_observation(runtime.name, alarm) for alarm in (*done.opened, *done.cleared)],
    )


def deliver(runtime: PortfolioRuntime, channels: Sequence[Channel], *, seconds: float = DELIVERY_SECONDS) -> list[str]:
    """Tell each channel what it is owed; returns what did not arrive, in words. The rest goes at a later tick."""
    until = time.monotonic() + seconds
    problems: list[str] = []
    for channel in channels:
        while time.monotonic() + TOTAL_SECONDS <= until:
            batch = runtime.ledger.next_batch(channel.name)
            if batch is None:
                break
            portfolio = runtime.portfolio
            message = notice(batch, portfolio=runtime.name, title=portfolio.title, zone=runtime.zone)
            if portfolio.report.attach_to_alarms:
                days = [told.alarm.day for told in batch.told if told.alarm.day is not None]
                message = replace(message, attachments=attached_reports(runtime, days))
            try:
                channel.send(message)
            except NotDelivered as error:
                again = runtime.ledger.mark_not_delivered(
                    batch, str(error), certain=error.certain, wait=error.wait
                ).astimezone(runtime.zone)
                problems.append(f"{error}: {len(batch.told)} aviso(s) ainda por contar, de novo às {again:%H:%M}")
                break
            runtime.ledger.mark_delivered(batch)
    return problems


def summary(opened: Sequence[AlarmRecord], problems: Sequence[str], *, told: bool) -> str:
    """What is open, in the words of the UI."""
    head = f"{len(opened)} alarme(s) aberto(s):\n" if opened else ""
    lines = [alarm.title for alarm in opened[:_SHOWN]] or ["nenhum alarme aberto"]
    lines += [f"e mais {len(opened) - _SHOWN}"] if len(opened) > _SHOWN else []
    lines += [] if told or problems else [NO_CHANNEL]
    return head + reason([*lines, *problems])


def _observation(portfolio: str, alarm: AlarmRecord) -> dg.AssetObservation:
    """The alarm as an event of the base, on its day, so that the asset's page shows it as well."""
    event = AlarmEvent.CLEARED if alarm.cleared_at else AlarmEvent.OPENED
    said = {"alarme": alarm.title, "situação": "encerrado" if event is AlarmEvent.CLEARED else "aberto"}
    return dg.AssetObservation(
        asset_key(portfolio, "base"),
        description=alarm.title if event is AlarmEvent.OPENED else f"{alarm.title}: {alarm.cleared_why}",
        partition=alarm.day.isoformat() if alarm.day else None,
        metadata={**said, "mensagem": alarm.cleared_why or alarm.message, "gravidade": alarm.severity},
    )
