"""Working days as Dagster's partitions: the day that the evening's files belong to is one of them already."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from dagster._core.definitions.partitions.context import partition_loading_context

from assets.partitions import working_days
from atom_pipeline.portfolio import Operation

OPERATION = Operation.model_validate({"start": "2026-11-02"})


@pytest.mark.parametrize(
    ("moment", "known", "unknown"),
    [
        ("2026-11-17 10:00", "2026-11-18", "2026-11-19"),
        ("2026-11-17 20:00", "2026-11-18", "2026-11-19"),  # the evening's files are of the 18th
        ("2026-11-18 00:10", "2026-11-19", "2026-11-23"),
        ("2026-11-19 20:00", "2026-11-23", "2026-11-24"),  # the 20th is a holiday, then comes a weekend
        ("2026-11-21 20:00", "2026-11-23", "2026-11-25"),
    ],
)
def test_the_next_working_day_can_be_made_the_evening_before_it(moment: str, known: str, unknown: str) -> None:
    now = datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(OPERATION.timezone))
    with partition_loading_context(effective_dt=now):
        days = working_days(OPERATION)
        assert days.has_partition_key(known)
        assert not days.has_partition_key(unknown)
        assert not days.has_partition_key("2026-11-20")
