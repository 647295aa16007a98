"""What collects: a sensor per portfolio that lists the drop every minute and asks for what is due (FAULTS 3 to 16, 30).

A thin shell without side effects: nothing is downloaded and nothing is written, what a poll must remember is the tick's
cursor, and the decision is in ``atom_pipeline.plan.poll``. A listing that fails fails the tick and leaves the cursor as
it was: that is never "no files". While a server refuses us the ticks go on failing, and it is asked more and more
rarely, so that no account is locked.
"""

import time
from collections.abc import Sequence
from concurrent.futures import Future
from concurrent.futures import TimeoutError as WaitedTooLong
from datetime import UTC, datetime, timedelta
from threading import Lock, Thread
from zoneinfo import ZoneInfo

import dagster as dg
from dagster import DagsterRunStatus
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickStatus

from assets.collecting import collect_config, collect_job_name
from atom_pipeline.errors import AtomError
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.masking import scrub
from atom_pipeline.plan.poll import PollPlan, Seen, plan_poll, read_cursor, wait_after_refusals, write_cursor
from resources.day_facts import looking
from resources.drop_names import DropNames
from resources.file_server import AccessRefused, FileServer, FileServerError, RemoteFile, printable
from resources.runtime import PortfolioRuntime
from sensors.opened import OpenedOnce
from sensors.reason import WHERE_TO_READ, reason
from sensors.runs import ATTEMPT_TAG, PORTFOLIO_TAG, UNDER_WAY, WHY_TAG

LISTING_SECONDS = 40.0  # Dagster gives a tick 60
REFUSALS_COUNT_FOR = timedelta(hours=6)
COLLECTING = "coleta"  # the activity that ``resources.collect`` holds
# A collection that says it is under way and holds no lock is starting, or has no process any more.
STARTING = timedelta(minutes=5)
_NAMES_IN_A_TAG = 3


class ListingTooLong(FileServerError):
    """The drop did not answer in the time of a tick."""


class AccessRefusedBefore(AccessRefused):
    """The drop refused us a short while ago, and was not asked again."""


def drop_sensor_name(portfolio: str) -> str:
    return f"{portfolio}__drop"


def build_drop_sensor(catalogue: Catalogue, opened: OpenedOnce) -> dg.SensorDefinition:
    """The sensor of one portfolio."""
    portfolio = catalogue.portfolio
    name = portfolio.portfolio
    listing = BoundedListing(LISTING_SECONDS)
    names: list[DropNames] = []  # made once: it remembers what names mean

    @dg.sensor(
        name=drop_sensor_name(name),
        job_name=collect_job_name(name),
        minimum_interval_seconds=opened.settings.poll_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=f"Olha a entrada de {portfolio.title} a cada minuto e pede a coleta do que está completo: igual em "
        "duas consultas, ou com um arquivo `.done` ao lado. O motivo de cada consulta diz o que espera. "
        + WHERE_TO_READ,
    )
    def drop(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        runtime = opened.portfolio(name)
        if not names:
            names.append(DropNames(runtime.catalogue, runtime.calendar, runtime.others))
        refuse_while_refused(context.instance, drop_sensor_name(name), collect_job_name(name), runtime.zone)
        found = listing.of(runtime.drop)
        running = collection_under_way(context.instance, runtime)
        plan = poll(runtime, names[0], found, context.cursor, running)
        cursor = write_cursor(plan.cursor)
        if not plan.collect:
            return dg.SensorResult(skip_reason=reason(plan.said), cursor=cursor)
        context.log.info(reason([f"pedida a coleta de {len(plan.collect)} arquivo(s)", *plan.said]))
        return dg.SensorResult(run_requests=[run_request(name, plan)], cursor=cursor)

    return drop


def poll(
    runtime: PortfolioRuntime, names: DropNames, found: Sequence[RemoteFile], cursor: str | None, running: str | None
) -> PollPlan:
    """Plan from a listing and one look at the ledger."""
    seen = [Seen(printable(file.name), file.size, file.mtime) for file in found]
    raw = {shown.name: file.name for shown, file in zip(seen, found, strict=True)}
    return plan_poll(
        seen,
        looking(runtime).ledger.drop_names(),
        read_cursor(cursor),
        lambda name: names.meaning(raw[name]),
        datetime.now(runtime.zone),
        running=running,
    )


def run_request(portfolio: str, plan: PollPlan) -> dg.RunRequest:
    """The collection of what the plan says, asked for once under its key."""
    shown = ", ".join(file.name for file in plan.collect[:_NAMES_IN_A_TAG])
    more = len(plan.collect) - _NAMES_IN_A_TAG
    return dg.RunRequest(
        run_key=plan.key,
        run_config=collect_config(plan.collect, plan.attempt),
        tags={
            PORTFOLIO_TAG: portfolio,
            ATTEMPT_TAG: str(plan.attempt),
            WHY_TAG: f"{shown} e mais {more}" if more > 0 else shown,
        },
    )


class BoundedListing:
    """Lists a server in a thread that is waited for so long and no longer, one at a time.

    The server's own deadlines are shorter; this one also ends what no deadline reaches. A listing that never ends holds
    one thread, and no tick.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._under_way: Future[list[RemoteFile]] | None = None
        self._since = 0.0
        self._lock = Lock()

    def of(self, server: FileServer) -> list[RemoteFile]:
        """The listing. Raises ListingTooLong, and what ``FileServer.list`` raises."""
        with self._lock:
            if self._under_way is not None and not self._under_way.done():
                raise ListingTooLong(
                    f"{server.label}: uma listagem começada há {time.monotonic() - self._since:.0f} s não terminou; "
                    "veja se o servidor responde"
                )
            answer: Future[list[RemoteFile]] = Future()
            self._under_way, self._since = answer, time.monotonic()
        Thread(target=_list, args=(server, answer), name="atom-drop", daemon=True).start()
        try:
            return answer.result(self.seconds)
        except WaitedTooLong:
            if answer.done():  # it was the server that waited too long
                raise
            raise ListingTooLong(
                f"{server.label}: a listagem não terminou em {self.seconds:.0f} s; será tentada de novo em um minuto"
            ) from None
        except AtomError as error:
            error.args = (scrub(str(error)),)
            raise


def _list(server: FileServer, answer: Future[list[RemoteFile]]) -> None:
    try:
        answer.set_result(server.list())
    except BaseException as error:  # the thread that waits raises it
        answer.set_exception(error)


def collection_under_way(instance: dg.DagsterInstance, runtime: PortfolioRuntime) -> str | None:
    """Which collection of the portfolio is queued or at work, in words; one whose process is gone does not count."""
    job = collect_job_name(runtime.name)
    records = instance.get_run_records(dg.RunsFilter(job_name=job, statuses=list(UNDER_WAY)))
    at_work = bool(looking(runtime).ledger.held([COLLECTING]))
    for record in records:
        since = datetime.fromtimestamp(record.start_time, UTC) if record.start_time else None
        started = record.dagster_run.status is DagsterRunStatus.STARTED
        if at_work or not started or since is None or datetime.now(UTC) - since < STARTING:
            return f"execução {record.dagster_run.run_id[:8]} {UNDER_WAY[record.dagster_run.status].value}"
    return "em outro processo" if at_work else None


def refuse_while_refused(instance: dg.DagsterInstance, sensor: str, job: str, zone: ZoneInfo) -> None:
    """Raise AccessRefusedBefore while a server that refused us is to be left alone.

    Known from this sensor's own ticks, so nothing has to be kept; a collection that went well since then, which a
    person may start, or a tick that did, makes good all refusals before it.
    """
    now = datetime.now(UTC)
    refusals, words = _refusals(instance, sensor, now - REFUSALS_COUNT_FOR)
    until = wait_after_refusals(refusals, now)
    if until is None:
        return
    good = dg.RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS], updated_after=max(refusals))
    if instance.get_run_records(good, limit=1):
        return
    raise AccessRefusedBefore(
        f"{words} Não foi tentado agora, para não bloquear a conta: nova tentativa às {until.astimezone(zone):%H:%M}. "
        f"Corrigido o acesso, execute {job} para tentar já."
    )


def _refusals(instance: dg.DagsterInstance, sensor: str, after: datetime) -> tuple[list[datetime], str]:
    """When the drop refused us since the last good tick, and the words of the last refusal."""
    found: list[tuple[datetime, str]] = []
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if state.instigator_name != sensor:
            continue
        ended = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]
        ticks = instance.get_ticks(
            state.instigator_origin_id, state.selector_id, after=after.timestamp(), statuses=ended
        )
        for tick in ticks:  # newest first
            if tick.status is not TickStatus.FAILURE:
                break
            error = tick.error
            while error is not None:
                if error.cls_name == AccessRefused.__name__:
                    found.append((datetime.fromtimestamp(tick.timestamp, UTC), _words(error.message)))
                error = error.cause
    return [moment for moment, _ in found], max(found)[1] if found else ""


def _words(message: str) -> str:
    """An error's words as its record has them, without its class."""
    text = message.strip().partition(": ")[2] or message.strip()
    return text if text.endswith(".") else f"{text}."
