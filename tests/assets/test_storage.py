"""Dagster's storage as its own file names it: connections that are kept, shared, and good after a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from databases import OTHERS
from sqlalchemy import create_engine, event, text

from resources.instance import environment
from resources.postgres import engine
from resources.settings import PROJECT_ROOT, Settings, file_url


@pytest.fixture
def instance(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """The instance of a home, as every process finds it."""
    home = Settings(tmp_path, file_url(tmp_path / "drop"), file_url(tmp_path / "manager"), PROJECT_ROOT / "layouts")
    for name, value in environment(home, database_url).items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.get() as one:
        yield one


@dg.asset
def table() -> None: ...


def run(instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return dg.materialize([table], instance=instance)


def test_a_run_makes_no_connection_for_each_statement_and_another_instance_none(instance: dg.DagsterInstance) -> None:
    storage = instance.event_log_storage
    made: list[object] = []
    event.listen(storage._engine, "connect", lambda *connection: made.append(connection))
    assert run(instance).success
    assert len(made) <= 2
    before = len(made)
    with dg.DagsterInstance.get() as other:
        assert [one.status for one in other.get_runs()] == [dg.DagsterRunStatus.SUCCESS]
        assert other.get_latest_materialization_event(table.key) is not None
    assert len(made) == before


def test_a_server_that_was_restarted_costs_no_statement(instance: dg.DagsterInstance, database_url: str) -> None:
    assert run(instance).success
    admin = create_engine(database_url)
    with admin.begin() as connection:
        connection.execute(text(OTHERS))
    admin.dispose()
    assert run(instance).success
    assert instance.get_runs_count() == 2


def test_only_what_dagster_says_of_runs_does_not_wait_for_the_disk(
    instance: dg.DagsterInstance, database_url: str
) -> None:
    set_by = text("select setting, source from pg_settings where name = 'synchronous_commit'")
    with instance.run_storage.connect() as connection:
        assert connection.execute(set_by).one() == ("off", "session")
        kept = text("select source from pg_settings where name = 'tcp_keepalives_idle'")
        assert connection.execute(kept).scalar_one() == "session"
    ledger = engine(database_url)
    with ledger.connect() as connection:
        assert connection.execute(set_by).one().source != "session"
    ledger.dispose()
