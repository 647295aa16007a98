"""Dagster's instance as `resources/dagster.yaml` has it."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import dagster as dg
import pytest
from dagster import DagsterInstance, DagsterRunStatus
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.monitoring import run_monitoring

from resources.instance import dagster_home
from resources.settings import Settings, file_url

TWO_HOURS = 2 * 3600


def test_a_run_that_nobody_ends_is_ended_after_two_hours(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The launcher that runs processes of this machine does not look after them, and a run holds its day's place."""
    monkeypatch.setenv("ATOM_DAGSTER_POSTGRES_URL", database_url)
    settings = Settings(tmp_path, file_url(tmp_path / "drop"), file_url(tmp_path / "manager"), tmp_path)

    @dg.job(name="dia")
    def job() -> None: ...

    with DagsterInstance.from_config(str(dagster_home(settings))) as instance:
        assert instance.run_monitoring_enabled
        assert not instance.run_launcher.supports_check_run_worker_health
        run = instance.create_run_for_job(job, status=DagsterRunStatus.STARTING)
        instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_START.value, run.job_name, message="began"), run.run_id
        )
        for later, status in ((TWO_HOURS - 60, DagsterRunStatus.STARTED), (TWO_HOURS + 60, DagsterRunStatus.FAILURE)):
            now = time.time() + later
            monkeypatch.setattr(run_monitoring, "get_current_timestamp", lambda now=now: now)
            with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as workspace:
                errors = list(run_monitoring.execute_run_monitoring_iteration(workspace, logging.getLogger("test")))
            assert [error for error in errors if error] == []
            assert instance.get_run_by_id(run.run_id).status is status  # type: ignore[union-attr]
