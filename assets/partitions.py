"""Working days as Dagster partitions. Only the translation of a calendar into Dagster's terms belongs here."""

from __future__ import annotations

from datetime import date, datetime, time
from functools import cache
from zoneinfo import ZoneInfo

import dagster as dg

from atom_pipeline.calendar import LAST_YEAR, WorkingCalendar
from atom_pipeline.portfolio import Operation


@cache
def working_days(operation: Operation) -> dg.TimeWindowPartitionsDefinition:
    """One partition per day that operates, the next one included, so that the evening's files find their day.

    Dagster's offset counts from the last day that is over: 1 reaches the day at hand, 2 the one after it. On a closed
    day, when none is at hand, there is one more; ``PortfolioRuntime.refuse_if_no_partition`` does not make it.
    """
    zone = ZoneInfo(operation.timezone)
    closed = WorkingCalendar(operation).exclusions(operation.start, date(LAST_YEAR, 12, 31))
    weekdays = ",".join(str(day % 7) for day in operation.weekdays)  # cron: Sunday is 0
    return dg.TimeWindowPartitionsDefinition(
        start=datetime.combine(operation.start, time.min),
        cron_schedule=f"0 0 * * {weekdays}",
        fmt="%Y-%m-%d",
        timezone=operation.timezone,
        exclusions=[datetime.combine(day, time.min, tzinfo=zone) for day in closed] or None,
        end_offset=2,
    )


def day_of(context: dg.AssetExecutionContext) -> date:
    """The working day of a run."""
    return date.fromisoformat(context.partition_key)
