"""Ledgers for tests, lent and emptied: making a database costs a test more than most of what it does with one."""

from __future__ import annotations

from dataclasses import dataclass, field
from uuid import uuid4

from sqlalchemy import Connection, create_engine, make_url, text
from sqlalchemy.pool import NullPool

from resources.ledger import migrate
from resources.postgres import create_database, engine

TABLES = "select schemaname, tablename from pg_tables where schemaname not in ('pg_catalog', 'information_schema')"
OTHERS = (  # and wait until each has ended
    "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
    " where datname = current_database() and pid <> pg_backend_pid()"
)


def run(url: str, *statements: str) -> None:
    """Each statement in a transaction of its own, on a connection of its own."""
    server = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
    finally:
        server.dispose()


def drop_database(maintenance_url: str, url: str) -> None:
    """Drop a database, whoever is connected to it."""
    run(maintenance_url, f'drop database "{make_url(url).database}" with (force)')


@dataclass
class Ledgers:
    """Databases with the ledger's tables, empty. One that is given back is lent again."""

    maintenance_url: str
    tables: frozenset[tuple[str, str]] = frozenset()
    free: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        connections = engine(create_database(self.maintenance_url, "migrated"))
        migrate(connections)
        with connections.connect() as connection:
            self.tables = frozenset((row[0], row[1]) for row in connection.execute(text(TABLES)))
        connections.dispose()

    def lend(self) -> str:
        """URL of a database (``postgresql+psycopg2://``) that nobody else uses until it is given back."""
        if self.free:
            return self.free.pop()
        return create_database(self.maintenance_url, f"ledger_{uuid4().hex}", template="migrated")

    def lend_copy(self, url: str) -> str:
        """URL of a database with all that another one holds, to which nobody is connected; ``give_back`` empties it."""
        return create_database(self.maintenance_url, f"ledger_{uuid4().hex}", template=str(make_url(url).database))

    def give_back(self, url: str) -> None:
        """End whoever is connected and empty the tables; a database that has other tables by now is dropped."""
        server = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        try:
            with server.connect() as connection:
                connection.execute(text(OTHERS))
                as_migrated = {(row[0], row[1]) for row in connection.execute(text(TABLES))} == self.tables
                if as_migrated:
                    self._empty(connection)
        finally:
            server.dispose()
        if as_migrated:
            self.free.append(url)
        else:
            drop_database(self.maintenance_url, url)

    def _empty(self, connection: Connection) -> None:
        """Rows deleted and counters set back; TRUNCATE makes new files for every table, and takes ten times as long."""
        connection.execute(text("set session_replication_role = replica"))  # no foreign key is looked at
        names = [f'"{schema}"."{table}"' for schema, table in sorted(self.tables) if table != "alembic_version"]
        connection.execute(text("; ".join(f"delete from {name}" for name in names)))
        connection.execute(text("select setval(oid::regclass, 1, false) from pg_class where relkind = 'S'"))
