"""What Dagster knows of all that an alarm may be about: runs that failed, checks that did not pass, sensors that fail.

Reading only. What it means is decided in ``atom_pipeline.alarms``; the ledger's part is in ``resources.alarm_facts``.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import takewhile

import dagster as dg
from dagster import DagsterEventType, DagsterRunStatus
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import InstigatorState, InstigatorTick, TickStatus
from dagster_shared.error import SerializableErrorInfo

from assets.build import job_name
from assets.collecting import LEFT, names_asked_for
from assets.common import CAUSE, PARTITION_TAG
from assets.decisions import OP
from atom_pipeline.alarm_facts import Facts, FailedCheck, FailedRun, FailingSensor
from atom_pipeline.plan.days import Ending
from resources.file_server import ConflictError
from sensors.runs import UNDER_WAY, ending_of

_CHECK_STOPPED_IT = "DagsterAssetCheckFailedError"
_MOST_RUNS, _TICKS = 200, 30


def with_dagster(facts: Facts, instance: dg.DagsterInstance, portfolio: str, watched: Sequence[date]) -> Facts:
    """The ledger's facts with what the instance knows of a portfolio; checks are told of the days ``watched``."""
    runs = _Runs(instance, portfolio, facts.horizon)
    stale = facts.stale
    if stale is not None:
        stale = replace(stale, since=max(stale.since, runs.last_end() or stale.since))
    return replace(
        facts,
        failed_runs=tuple(runs.failures()),
        failed_checks=tuple(check for day in watched for check in runs.failed_checks(day)),
        failing_sensors=tuple(failing_sensors(instance, portfolio)),
        under_way=bool(runs.under_way),
        stale=stale,
    )


@dataclass(frozen=True)
class _Stop:
    """What ended a step, or the run before its first step."""

    step: str | None
    words: str
    classes: frozenset[str]  # of the error and of its causes
    left: frozenset[str] = frozenset()  # files that a collection did not bring

    @property
    def of_check(self) -> bool:
        return _CHECK_STOPPED_IT in self.classes


class _Runs:
    """Runs of one portfolio: of its jobs, and of its assets where a person materialized some. Decisions are not among
    them: who takes one sees what became of it."""

    def __init__(self, instance: dg.DagsterInstance, portfolio: str, horizon: datetime) -> None:
        self.instance = instance
        self.portfolio = portfolio
        self.horizon = horizon
        self.under_way = [record.dagster_run for record in self._records(dg.RunsFilter(statuses=list(UNDER_WAY)))]

    def failures(self) -> list[FailedRun]:
        """Of each job and day the last run that failed, when no good one has followed; oldest day first."""
        failed: dict[tuple[str, date | None], list[dg.RunRecord]] = {}
        wanted = dg.RunsFilter(statuses=[DagsterRunStatus.FAILURE], updated_after=self.horizon.astimezone(UTC))
        for record in self._records(wanted):
            failed.setdefault((record.dagster_run.job_name, _day(record.dagster_run)), []).append(record)
        found = [run for records in failed.values() if (run := self._standing(records))]
        return sorted(found, key=lambda run: (run.day or date.min, run.job))

    def _standing(self, records: Sequence[dg.RunRecord]) -> FailedRun | None:
        """The failures of a job and day, newest first, as one; None when the last was made good."""
        last = records[0]
        run, day = last.dagster_run, _day(last.dagster_run)
        stops = list(_stops(self.instance, run.run_id))
        good = [one for one in self._good_runs(run) if self._makes_good(one.dagster_run, run, stops)]
        if any(_end(one) > _end(last) for one in good):
            return None
        before = max((_end(one) for one in good), default=0.0)
        since = min(end for record in records if (end := _end(record)) > before or record is last)
        checks = self._checks(run, day or date.min, blocking=True)
        others = [stop for stop in stops if not stop.of_check]
        return FailedRun(
            job=run.job_name,
            day=day,
            run_id=run.run_id,
            since=datetime.fromtimestamp(since, UTC),
            errors=tuple(stop.words for stop in others),
            checks=tuple(f"{check.asset}.{check.check}" for check in checks),
            again=any(_same(run, other) for other in self.under_way),
            passing=ending_of(self.instance, run.run_id)[0] is Ending.PASSING,
            conflict=any(ConflictError.__name__ in stop.classes for stop in stops),
        )

    def _good_runs(self, run: dg.DagsterRun) -> list[dg.RunRecord]:
        """Runs that ended well, of the day or, without one, of the job."""
        day = run.tags.get(PARTITION_TAG)
        wanted = dg.RunsFilter(
            statuses=[DagsterRunStatus.SUCCESS],
            job_name=None if day else run.job_name,
            tags={PARTITION_TAG: day} if day else {},
            updated_after=self.horizon.astimezone(UTC),
        )
        return self._records(wanted)

    def _makes_good(self, good: dg.DagsterRun, failed: dg.DagsterRun, stops: Sequence[_Stop]) -> bool:
        """Whether a good run is of the whole day, of the same job without a day, or of the steps that failed.

        A collection is made good by one that brought the files it left: others come and go while one does not.
        """
        if left := frozenset[str]().union(*(stop.left for stop in stops)):
            asked = names_asked_for(good.run_config)
            return asked is None or left <= asked
        steps = [stop.step for stop in stops if stop.step is not None]
        whole = good.job_name == job_name(self.portfolio) and (good.asset_selection is None or not steps)
        if _day(failed) is None or whole:
            return True
        stats = self.instance.get_run_step_stats(good.run_id, step_keys=steps) if steps else []
        done = {one.step_key for one in stats if one.status is not None and one.status.value == "SUCCESS"}
        return bool(steps) and done.issuperset(steps)

    def failed_checks(self, day: date) -> list[FailedCheck]:
        """The checks of severity ERROR that the last whole run of a day did not pass, and that did not stop it."""
        finished = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE]
        wanted = dg.RunsFilter(
            job_name=job_name(self.portfolio), statuses=finished, tags={PARTITION_TAG: day.isoformat()}
        )
        records = self.instance.get_run_records(wanted, limit=1)
        return [check for record in records for check in self._checks(record.dagster_run, day, blocking=False)]

    def last_end(self) -> datetime | None:
        """When the last run of any day ended."""
        wanted = dg.RunsFilter(
            job_name=job_name(self.portfolio),
            statuses=[DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED],
        )
        ends = [record.end_time for record in self.instance.get_run_records(wanted, limit=1)]
        return datetime.fromtimestamp(ends[0], UTC) if ends and ends[0] else None

    def _checks(self, run: dg.DagsterRun, day: date, *, blocking: bool) -> list[FailedCheck]:
        events = self.instance.get_records_for_run(run.run_id, of_type=DagsterEventType.ASSET_CHECK_EVALUATION).records
        found = [event.event_log_entry.asset_check_evaluation for event in events]
        return [
            FailedCheck(day, "/".join(one.asset_key.path[1:]), one.check_name, one.description or "")
            for one in found
            if one and not one.passed and one.severity is dg.AssetCheckSeverity.ERROR and one.blocking is blocking
        ]

    def _records(self, wanted: dg.RunsFilter) -> list[dg.RunRecord]:
        """The portfolio's among the runs, newest first."""
        records = self.instance.get_run_records(wanted, limit=_MOST_RUNS)
        return [record for record in records if self._is_mine(record.dagster_run)]

    def _is_mine(self, run: dg.DagsterRun) -> bool:
        if run.job_name.startswith(f"{self.portfolio}__"):
            return not run.job_name.startswith(f"{self.portfolio}__{OP}_")
        return any(key.path[0] == self.portfolio for key in run.asset_selection or ())


def _stops(instance: dg.DagsterInstance, run_id: str) -> Iterator[_Stop]:
    kinds = {DagsterEventType.STEP_FAILURE, DagsterEventType.RUN_FAILURE}
    records = instance.get_records_for_run(run_id, of_type=kinds).records
    found = [record.event_log_entry.get_dagster_event() for record in records]
    steps = [event for event in found if event.is_step_failure]
    for event in steps or found:
        failure = event.step_failure_data if steps else event.job_failure_data
        chain = list(_chain(failure.error if failure is not None else None))  # a run that was found dead has none
        said = event.step_failure_data.user_failure_data if steps else None
        cause, left = (said.metadata.get(key) if said else None for key in (CAUSE, LEFT))
        words = ((said and said.description) or (_words(chain[-1]) if chain else event.message) or "").strip()
        step = event.step_key.rpartition("__")[2] if steps and event.step_key else ""
        yield _Stop(
            step=event.step_key if steps else None,
            words=f"{step}: {words}" if step else words,
            classes=frozenset([*(one.cls_name or "" for one in chain), str(cause.value) if cause else ""]),
            left=_names(left),
        )


def _names(left: dg.MetadataValue | None) -> frozenset[str]:
    found = left.value if isinstance(left, dg.JsonMetadataValue) else None
    return frozenset(str(name) for name in found) if isinstance(found, list) else frozenset()


def _words(error: SerializableErrorInfo) -> str:
    """What an error says, without its class, which stands before it in a record."""
    return error.message.strip().rpartition(f"{error.cls_name}: ")[2]


def _chain(error: SerializableErrorInfo | None) -> Iterator[SerializableErrorInfo]:
    while error is not None:
        yield error
        error = error.cause


def _day(run: dg.DagsterRun) -> date | None:
    said = run.tags.get(PARTITION_TAG)
    return date.fromisoformat(said) if said else None


def _end(record: dg.RunRecord) -> float:
    return record.end_time or 0.0


def _same(run: dg.DagsterRun, other: dg.DagsterRun) -> bool:
    """Whether the other run may make good what this one did not."""
    return _day(run) == _day(other) and (_day(run) is not None or run.job_name == other.job_name)


# Sensors.


def failing_sensors(instance: dg.DagsterInstance, portfolio: str) -> Iterator[FailingSensor]:
    """The portfolio's sensors whose last tick failed, by name."""
    states: dict[str, tuple[InstigatorState, list[InstigatorTick]]] = {}
    for state in instance.all_instigator_state(instigator_type=InstigatorType.SENSOR):
        if not state.instigator_name.startswith(f"{portfolio}__"):
            continue
        ended = [TickStatus.SUCCESS, TickStatus.SKIPPED, TickStatus.FAILURE]
        ticks = list(instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=_TICKS, statuses=ended))
        known = states.get(state.instigator_name)
        # A code location that moved leaves the state of its old place behind.
        if ticks and (known is None or known[1][0].timestamp < ticks[0].timestamp):
            states[state.instigator_name] = (state, ticks)
    for name, (_, ticks) in sorted(states.items()):
        failed = list(takewhile(lambda tick: tick.status is TickStatus.FAILURE, ticks))  # newest first
        if failed:
            chain = list(_chain(failed[0].error))
            yield FailingSensor(
                name,
                timedelta(seconds=failed[0].timestamp - failed[-1].timestamp),
                _words(chain[-1]) if chain else "",
                refused=any("AccessRefused" in (one.cls_name or "") for one in chain),
            )
