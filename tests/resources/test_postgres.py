from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from resources import postgres
from resources.postgres import Database, DatabaseUnavailable, create_database, data_folder, database, engine, normalise
from resources.settings import Settings

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "url",
    ["postgres://u:p@h:5433/d", "postgresql://u:p@h:5433/d", "postgresql+psycopg://u:p@h:5433/d"],
)
def test_every_postgresql_url_gets_the_driver(url: str) -> None:
    assert normalise(url) == "postgresql+psycopg2://u:p@h:5433/d"


def test_another_databases_url_is_refused_without_its_secret() -> None:
    with pytest.raises(DatabaseUnavailable, match="postgresql://") as raised:
        normalise("mysql://u:segredo@h/d")
    assert "segredo" not in str(raised.value)


def test_a_database_does_not_show_its_password() -> None:
    assert "segredo" not in repr(Database("postgresql+psycopg2://u:segredo@h/d", embedded=False))


def test_the_url_of_the_environment_is_used_as_it_is(tmp_path: Path, database_url: str) -> None:
    settings = Settings.from_env({"ATOM_HOME": str(tmp_path), "ATOM_POSTGRES_URL": database_url})
    with database(settings) as found:
        assert (found.url, found.embedded) == (database_url, False)
    assert list(tmp_path.iterdir()) == []


def test_a_database_is_made_once_however_many_ask(postgres_server: str) -> None:
    with ThreadPoolExecutor(6) as pool:
        urls = set(pool.map(lambda _: create_database(postgres_server, "muitos"), range(6)))
    assert len(urls) == 1
    connections = create_engine(urls.pop())
    with connections.connect() as connection:
        assert connection.execute(text("select current_database()")).scalar_one() == "muitos"
    connections.dispose()


def test_an_error_does_not_show_the_values(database_url: str) -> None:
    connections = engine(database_url)
    with pytest.raises(Exception, match="division by zero") as raised, connections.connect() as connection:
        connection.execute(text("select 1 / (:cpf - :cpf)"), {"cpf": 52998224725})
    connections.dispose()
    assert "52998224725" not in str(raised.value)


@pytest.mark.parametrize("idle", [0.0, 5.0])
def test_a_connection_lost_while_idle_is_replaced(
    database_url: str, idle: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = engine(database_url)
    with connections.connect() as connection, connections.connect() as another:
        before = {one.execute(text("select pg_backend_pid()")).scalar_one() for one in (connection, another)}
    other = create_engine(database_url)
    with other.begin() as connection:
        for process in before:
            connection.execute(text("select pg_terminate_backend(:pid, 5000)"), {"pid": process})
    now = time.monotonic()
    monkeypatch.setattr("resources.postgres.time.monotonic", lambda: now + idle)
    with connections.connect() as connection, connections.connect() as another:
        after = {one.execute(text("select pg_backend_pid()")).scalar_one() for one in (connection, another)}
    assert not before & after
    connections.dispose()
    other.dispose()


def test_a_connection_is_asked_whether_it_lives_only_when_it_was_idle(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connections = engine(database_url)
    asked: list[object] = []
    ping = connections.dialect.do_ping
    monkeypatch.setattr(connections.dialect, "do_ping", lambda one: asked.append(one) or ping(one))
    now = [1000.0]
    monkeypatch.setattr("resources.postgres.time.monotonic", lambda: now[0])
    for later, times in ((0.0, 0), (0.9, 0), (0.9, 0), (1.1, 1), (0.1, 1)):
        now[0] += later
        with connections.connect() as connection:
            connection.execute(text("select 1"))
        assert len(asked) == times
    connections.dispose()


def test_both_sides_notice_within_a_minute_that_the_other_vanished(database_url: str) -> None:
    connections = engine(database_url)
    with connections.connect() as connection:
        here = connection.connection.driver_connection.info.dsn_parameters
        there = connection.execute(text("select source from pg_settings where name like 'tcp_keepalives%'")).scalars()
        assert list(there) == ["session"] * 3
    connections.dispose()
    assert (here["keepalives_idle"], here["keepalives_interval"], here["keepalives_count"]) == ("30", "10", "3")


# The embedded server, in processes of its own: it belongs to the process that starts it.

USE = """
import os, sys
from resources.ledger import Ledger, migrate
from resources.postgres import database, engine
from resources.settings import Settings
with database(Settings.from_env()) as found:
    connections = engine(found.url)
    migrate(connections)
    ledger = Ledger(connections, "veiculos")
    from datetime import date
    from resources.ledger_records import NewFile
    ledger.record_file(NewFile(sys.argv[1], "remessa", date(2026, 11, 20), sys.argv[1], 1, "a"))
    print(found.embedded, len(ledger.files(date(2026, 11, 20))), flush=True)
    if sys.argv[2:] == ["die"]:
        os.kill(os.getpid(), 9)
    connections.dispose()
"""


def use(home: Path, name: str, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {k: v for k, v in os.environ.items() if k != "ATOM_POSTGRES_URL"} | {"ATOM_HOME": str(home)}
    return subprocess.run(
        [sys.executable, "-c", USE, name, *more], env=environment, cwd=ROOT, capture_output=True, text=True
    )


@pytest.fixture
def home() -> Iterator[Path]:
    """A home with open folders above it, as a container has it, and a path short enough for a socket."""
    folder = Path(tempfile.mkdtemp(prefix="atom-home-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def test_the_embedded_server_keeps_its_data_between_processes_and_stops_after_the_last(home: Path) -> None:
    assert use(home, "a").stdout == "True 1\n"
    assert not (home / "postgres/postmaster.pid").exists()
    with ThreadPoolExecutor(2) as pool:
        shown = [result.stdout for result in pool.map(lambda name: use(home, name), ["b", "c"])]
    assert all(line.startswith("True ") for line in shown)
    assert "True 3\n" in shown
    assert not (home / "postgres/postmaster.pid").exists()


def test_a_killed_process_does_not_keep_the_server_up_for_ever(home: Path) -> None:
    killed = use(home, "a", "die")
    assert (killed.returncode, killed.stdout) == (-9, "True 1\n")
    assert (home / "postgres/postmaster.pid").exists()
    assert use(home, "b").stdout == "True 2\n"
    assert not (home / "postgres/postmaster.pid").exists()


def test_a_pid_file_of_a_server_that_is_gone_does_not_stop_the_next(home: Path) -> None:
    assert use(home, "a").stdout == "True 1\n"
    (home / "postgres/postmaster.pid").write_text(
        f"{os.getpid()}\n{home}/postgres\n1700000000\n5432\n{home}/postgres\n\n 1 2\nready\n"
    )
    assert use(home, "b").stdout == "True 2\n"


def test_a_folder_that_is_no_database_is_a_clear_error(home: Path) -> None:
    (home / "postgres").mkdir()
    (home / "postgres/PG_VERSION").write_text("18\n")
    failed = use(home, "a")
    assert failed.returncode == 1
    assert "DatabaseUnavailable: PostgreSQL does not start" in failed.stderr


def test_as_root_closed_folders_above_the_home_stay_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(postgres, "_ROOT_DATA", tmp_path / "var")
    (tmp_path / "casa").mkdir()
    (tmp_path / "casa").chmod(0o700)
    chosen = data_folder(tmp_path / "casa")
    assert chosen.parent == tmp_path / "var"
    assert data_folder(tmp_path / "casa") == chosen
    (tmp_path / "casa/postgres.folder").unlink()
    assert data_folder(tmp_path / "casa") != chosen


def test_who_is_not_root_has_the_data_in_the_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert data_folder(tmp_path) == tmp_path / "postgres"


def test_a_server_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        url = f"postgresql://atom:segredo@127.0.0.1:{taken.getsockname()[1]}/atom"
        settings = replace(Settings.from_env({"ATOM_HOME": str(tmp_path)}), postgres_url=url)
        with (
            pytest.raises(DatabaseUnavailable, match=r"does not let us in .*Connection refused") as refused,
            database(settings),
        ):
            raise AssertionError("nobody is there")
    assert "segredo" not in str(refused.value)
