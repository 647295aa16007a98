"""Dagster's runs of a portfolio as plans take them: which days they make, where they stand, and why they failed.

Reading only. A run that makes days is one of the portfolio's job, or of its assets where a person materialized them,
from the UI or the command line alike.
"""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, date, datetime

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus
from dagster._core.storage.tags import (
    ASSET_PARTITION_RANGE_START_TAG,
    PARTITION_NAME_TAG,
    RESUME_RETRY_TAG,
)
from dagster_shared.error import SerializableErrorInfo

from assets.common import RETRY
from atom_pipeline.masking import scrub
from atom_pipeline.plan.days import Ending, Run, State
from resources.retries import recorded_retry_may_help

PORTFOLIO_TAG, CONTENT_TAG, ATTEMPT_TAG, WHY_TAG = "atom/portfolio", "atom/conteudo", "atom/tentativa", "atom/motivo"
UNDER_WAY = {
    DagsterRunStatus.QUEUED: State.QUEUED,
    DagsterRunStatus.NOT_STARTED: State.QUEUED,
    DagsterRunStatus.STARTING: State.RUNNING,
    DagsterRunStatus.STARTED: State.RUNNING,
    DagsterRunStatus.CANCELING: State.RUNNING,
}
ENDED = {
    DagsterRunStatus.SUCCESS: State.DONE,
    DagsterRunStatus.FAILURE: State.FAILED,
    DagsterRunStatus.CANCELED: State.CANCELED,
}
_CHECK_STOPPED_IT = "DagsterAssetCheckFailedError"
# A run whose process was stopped or could not be started: nothing is wrong with the day.
_PROCESS_GONE = frozenset(
    {"DagsterExecutionInterruptedError", "DagsterLaunchFailedError", "DagsterUserCodeUnreachableError"}
)
_MOST = 100
_LONGEST = 300  # characters of what stopped a run


class DayRuns:
    """The runs of one portfolio; ``assets`` are all those of its day, by which a run of the whole day is known."""

    def __init__(self, portfolio: str, job: str, assets: Sequence[dg.AssetsDefinition]) -> None:
        self.portfolio = portfolio
        self.job = job
        self.keys = frozenset(key for one in assets for key in one.keys)
        self.steps = frozenset(one.node_def.name for one in assets)
        self._endings: dict[str, tuple[Ending, str]] = {}  # by run: what ended is not read twice

    def under_way(self, instance: dg.DagsterInstance) -> list[Run]:
        """Runs that make a day or some of it, queued ones included."""
        records = instance.get_run_records(dg.RunsFilter(statuses=list(UNDER_WAY)))
        return [run for record in records if self._is_mine(record.dagster_run) and (run := self._run(record))]

    def ended(self, instance: dg.DagsterInstance, days: Collection[date]) -> list[Run]:
        """The newest whole runs of these days that ended, newest first, with the reasons of those that failed."""
        if not days:
            return []
        wanted = dg.RunsFilter(tags={PARTITION_NAME_TAG: [day.isoformat() for day in days]}, statuses=list(ENDED))
        records = instance.get_run_records(wanted, limit=_MOST)
        whole = [record for record in records if self._is_whole(record.dagster_run)]
        found = [run for record in whole if (run := self._run(record, instance))]
        self._endings = {run.run_id: self._endings[run.run_id] for run in found if run.run_id in self._endings}
        return found

    def _is_mine(self, run: dg.DagsterRun) -> bool:
        if run.job_name == self.job:
            return True
        return any(key.path[0] == self.portfolio for key in run.asset_selection or ())

    def _is_whole(self, run: dg.DagsterRun) -> bool:
        """Whether a run is of the whole day; what a person repeated from its failure counts as the run it completes."""
        if not self._is_mine(run):
            return False
        if run.asset_selection and not self.keys <= run.asset_selection:
            return False
        steps = run.step_keys_to_execute
        return steps is None or self.steps <= set(steps) or run.tags.get(RESUME_RETRY_TAG) == "true"

    def _run(self, record: dg.RunRecord, instance: dg.DagsterInstance | None = None) -> Run | None:
        run = record.dagster_run
        day = run.tags.get(PARTITION_NAME_TAG) or run.tags.get(ASSET_PARTITION_RANGE_START_TAG)
        if day is None:
            return None
        state = UNDER_WAY.get(run.status) or ENDED[run.status]
        ending, words = None, ""
        if state is State.FAILED and instance is not None:
            if run.run_id not in self._endings:
                self._endings[run.run_id] = ending_of(instance, run.run_id)
            ending, words = self._endings[run.run_id]
        return Run(
            run_id=run.run_id,
            day=date.fromisoformat(day),
            state=state,
            asked=record.create_timestamp.replace(tzinfo=record.create_timestamp.tzinfo or UTC),
            started=_instant(record.start_time),
            ended=_instant(record.end_time) or (_updated(record) if state in ENDED.values() else None),
            content=run.tags.get(CONTENT_TAG),
            attempt=int(run.tags.get(ATTEMPT_TAG, "0")),
            ending=ending,
            words=words,
        )


def ending_of(instance: dg.DagsterInstance, run_id: str) -> tuple[Ending, str]:
    """Why a run failed, and in which words. One failure that may pass makes it worth trying again."""
    kinds = {DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}
    events = [record.event_log_entry for record in instance.get_records_for_run(run_id, of_type=kinds).records]
    found: list[tuple[Ending, str]] = []
    for entry in events:
        event = entry.get_dagster_event()
        if not event.is_step_failure:
            continue
        said = event.step_failure_data.user_failure_data
        chain = list(_chain(event.step_failure_data.error))
        words = (said and said.description) or (chain[-1].message if chain else "")
        marked = said.metadata.get(RETRY) if said else None
        step = (event.step_key or "").rpartition("__")[2]
        found.append((_ending(chain, marked.value if marked else None), f"{step}: {words.strip()}"))
    if not found:  # the process died, could not be started, or another made the day
        failures = [entry.get_dagster_event().job_failure_data for entry in events]
        errors = [failure.error for failure in failures if failure]  # of a run that was found dead there is none
        chain = [one for error in errors for one in _chain(error)]
        words = chain[-1].message if chain else "o processo terminou sem dizer por quê"
        return (_ending(chain, None) if chain else Ending.PASSING), _short([words])
    endings = {ending for ending, _ in found}
    worst = next(ending for ending in (Ending.PASSING, Ending.LASTING, Ending.HELD) if ending in endings)
    return worst, _short([words for _, words in found])


def _ending(chain: Sequence[SerializableErrorInfo], marked: object) -> Ending:
    names = {one.cls_name for one in chain}
    if _CHECK_STOPPED_IT in names:
        return Ending.HELD
    if isinstance(marked, bool):
        passing = marked
    else:
        errors = [(one.cls_name or "", one.message) for one in chain]
        passing = bool(names & _PROCESS_GONE) or recorded_retry_may_help(errors)
    return Ending.PASSING if passing else Ending.LASTING


def _chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while error is not None:
        yield error
        error = error.cause


def _short(words: Sequence[str]) -> str:
    text = scrub("; ".join(words)).strip()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _instant(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)


def _updated(record: dg.RunRecord) -> datetime:
    """When a run that was ended from outside, before it had started, was last written."""
    return record.update_timestamp.replace(tzinfo=record.update_timestamp.tzinfo or UTC)
