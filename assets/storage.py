"""Dagster's storage in PostgreSQL, as ``resources/dagster.yaml`` names it: its connections are kept and shared.

Only what makes Dagster's own tables cheap to reach belongs here; what they hold is Dagster's.
"""

import os
from functools import cache
from typing import Any

from dagster import StringSource
from dagster_postgres import DagsterPostgresStorage
from dagster_postgres.utils import create_pg_engine
from sqlalchemy import Engine, event

from resources.postgres import CONNECT_ARGS, look_before_use, watch_from_the_server

_made: set[str] = set()  # databases in which this process has found or made Dagster's tables


class KeptConnections(DagsterPostgresStorage):
    """Dagster's storage on one pool of connections per process.

    Dagster opens a connection for each statement, a thousand of them for a day, and three new storages at every tick of
    a sensor. A connection is looked at before it is used, so that a restarted server costs nothing. No statement waits
    for the disk: a power cut may take the last half second of what Dagster says of its runs, and `atom up` ends the
    runs that this leaves as started; the ledger and the lake lose nothing.
    """

    def __init__(self, postgres_url: str, inst_data: Any = None) -> None:
        super().__init__(postgres_url, should_autocreate_tables=postgres_url not in _made, inst_data=inst_data)
        _made.add(postgres_url)
        for storage in (self._run_storage, self._event_log_storage, self._schedule_storage):
            storage._engine = _connections(postgres_url, os.getpid())

    @classmethod
    def config_type(cls) -> Any:
        return {"postgres_url": StringSource}

    @classmethod
    def from_config_value(cls, inst_data: Any, config_value: Any) -> "KeptConnections":
        return cls(config_value["postgres_url"], inst_data)


@cache
def _connections(postgres_url: str, _process: int) -> Engine:
    """The pool of a process; one that was forked does not speak over its parent's."""
    engine = create_pg_engine(
        postgres_url,
        isolation_level="AUTOCOMMIT",
        pool_size=2,
        max_overflow=20,
        pool_recycle=3600,
        connect_args=dict(CONNECT_ARGS),
    )
    event.listen(engine, "connect", watch_from_the_server)
    event.listen(engine, "connect", _wait_for_no_disk)
    look_before_use(engine)
    return engine


def _wait_for_no_disk(connection: Any, _record: Any) -> None:
    with connection, connection.cursor() as cursor:
        cursor.execute("set synchronous_commit = off")
