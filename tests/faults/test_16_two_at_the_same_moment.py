"""FAULTS 16: two pollers, or a person and the sensor, at the same moment: one collects, the other skips."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import dagster as dg
import pytest
from receiving import ACORDOS, CONTENT, QUICK, Receiving, outcomes, receiving, receiving_from, said

from assets.collecting import OP
from resources.collect import collect
from resources.file_server import Downloaded, FileServer, RemoteFile
from resources.ledger import Ledger
from resources.postgres import engine


class Slow(FileServer):
    """A server from which a download begins, and goes on when it is let."""

    begun: threading.Event
    let: threading.Event

    def download(self, listed: RemoteFile, target: Path) -> Downloaded:
        self.begun.set()
        assert self.let.wait(30)
        return super().download(listed, target)


def slow(drop: Receiving) -> Slow:
    server = Slow(drop.served.url, drop.served.access, QUICK)
    server.begun, server.let = threading.Event(), threading.Event()
    drop.runtime.drop = server
    return server


@pytest.mark.parametrize("protocol", ["sftp", "ftps"])
def test_while_one_collects_the_other_says_so_and_skips(tmp_path: Path, ledger_url: str, protocol: str) -> None:
    with (
        receiving(protocol, tmp_path, ledger_url) as sensor,
        receiving_from(sensor.served, tmp_path / "home", ledger_url) as person,
        ThreadPoolExecutor(1) as elsewhere,
    ):
        sensor.put()
        asked = sensor.asked()
        server = slow(sensor)
        running = elsewhere.submit(sensor.obey, asked)
        assert server.begun.wait(30)
        skipped = person.collect(nomes=[ACORDOS])
        assert skipped.success
        assert "outra coleta está em andamento: ela faz o trabalho" in words(skipped)
        # Another daemon's sensor, at the same moment, sees the file and waits for who collects.
        waiting = person.tick()
        waiting = person.tick()
        assert not waiting.run_requests
        assert "para coletar depois da coleta em andamento" in said(waiting)
        assert sensor.files() == []
        server.let.set()
        assert outcomes(running.result(60)) == {ACORDOS: "coletado"}
        assert (sensor.files(), list(sensor.archived().values())) == ([(ACORDOS, 1, "current")], [CONTENT])
        assert person.quiet()
        assert sensor.quiet()


def test_many_at_once_collect_a_file_once(tmp_path: Path, ledger_url: str) -> None:
    with receiving("sftp", tmp_path, ledger_url) as drop, ThreadPoolExecutor(4) as others:
        drop.put()
        places = [others.submit(collect_beside, drop, ledger_url) for _ in range(4)]
        assert sum(place.result(60) for place in places) == 1
        assert (drop.files(), list(drop.archived().values())) == ([(ACORDOS, 1, "current")], [CONTENT])
        assert drop.quiet()


def collect_beside(drop: Receiving, ledger_url: str) -> int:
    """How many files another process's collection brought."""
    connections = engine(ledger_url)
    one = drop.runtime
    try:
        report = collect(
            FileServer(drop.served.url, drop.served.access, QUICK),
            one.catalogue,
            Ledger(connections, one.name),
            one.archive,
            one.calendar,
            pause=0.05,
        )
        assert report.ok
        return len(report.collected)
    finally:
        connections.dispose()


def words(result: dg.ExecuteInProcessResult) -> str:
    [event] = result.filter_events(lambda one: one.is_successful_output and one.step_key == OP)
    return str(event.step_output_data.metadata["resultado"].value)
