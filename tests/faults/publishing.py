"""Manager on a real file server, and waves of two files for it; a process of its own that sends them and is killed.

Run as a program it sends what is planned, over the servers of its environment, and dies (SIGKILL) right after the
``n``-th call of a method.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from atom_pipeline.waves import DESIRED, full_rows
from resources.access import Access
from resources.file_server import FileServer, Patience
from resources.lake import Lake
from resources.ledger import Ledger
from resources.ledger_records import Wave, WaveKind, WaveStatus
from resources.postgres import engine
from resources.publish import Draft, manager_state, plan_wave, publish_wave, resume
from resources.settings import MANAGER, Settings

DAY = date(2026, 11, 13)
MAILING, BAIXA = "mailing_20261113_01_carga.csv", "baixa_20261113_01.csv"
CONTENTS = {MAILING: b"contrato;nome\n" * 20_000, BAIXA: b"contrato\n" * 20_000}
HELD = {"00000011": "1", "00000012": "1"}
ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Publishing:
    """A ledger, a lake with a wave that is planned, and Manager's folder on the disk of a server."""

    home: Path
    server: FileServer
    folder: Path
    ledger: Ledger
    lake: Lake

    def plan(self) -> Wave:
        wanted = pl.DataFrame(
            {"contrato": list(HELD), "id_crm": list(HELD), "conteudo": list(HELD.values())}, schema=DESIRED
        )
        rows = full_rows(wanted, manager_state(self.ledger, self.lake))
        return plan_wave(self.ledger, self.lake, DAY, WaveKind.CARGA, rows, self._write)

    def _write(self, _: int) -> Sequence[Draft]:
        for name, content in CONTENTS.items():
            (self.home / name).write_bytes(content)
        return [Draft(self.home / name, name, name.partition("_")[0], 1) for name in CONTENTS]

    def send(self, wave: Wave) -> Wave:
        return publish_wave(self.server, self.ledger, self.lake, wave)

    def resume(self) -> list[Wave]:
        return resume(self.server, self.ledger, self.lake)

    def statuses(self) -> list[WaveStatus]:
        return [wave.status for wave in self.ledger.waves()]

    def at_manager(self) -> dict[str, bytes]:
        """All that lies in Manager's folder, temporaries included."""
        return {path.name: path.read_bytes() for path in self.folder.iterdir()}

    def held(self) -> dict[str, str]:
        """What Manager has by the record."""
        return dict(manager_state(self.ledger, self.lake).select("contrato", "conteudo").iter_rows())

    def is_sent_once(self) -> bool:
        """Whether the wave is sent, whole, on the record, and a restart finds nothing to do."""
        there = (self.statuses(), self.at_manager(), self.held())
        return there == ([WaveStatus.SENT], CONTENTS, HELD) and self.resume() == []


@contextmanager
def publishing(home: Path, ledger_url: str, url: str, access: Access, folder: Path) -> Iterator[Publishing]:
    """What publishes to a server that runs, whose ``folder`` is Manager's."""
    home.mkdir(parents=True, exist_ok=True)
    connections = engine(ledger_url)
    server = FileServer(url, access, Patience(pause=0.01))
    try:
        yield Publishing(home, server, folder, Ledger(connections, "veiculos"), Lake(home))
    finally:
        connections.dispose()


def send_and_die(place: Publishing, ledger_url: str, url: str, access: Access, method: str, time: int) -> int:
    """Send what is planned in a process of its own, killed after the ``time``-th call; returns how it ended."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ATOM_", "DAGSTER_"))}
    environment = kept | {
        "ATOM_HOME": str(place.home),
        "ATOM_POSTGRES_URL": ledger_url,
        "ATOM_MANAGER_URL": url,
        **access.environment(MANAGER),
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run([sys.executable, __file__, method, str(time)], env=environment, timeout=120).returncode


def _killed_after(owner: type, method: str, time: int) -> None:
    plain: Callable[..., Any] = getattr(owner, method)
    calls = 0

    def call(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        result = plain(*arguments, **named)
        if calls == time:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, method, call)


def _main() -> None:
    settings = Settings.from_env()
    assert settings.postgres_url is not None
    _killed_after(FileServer, sys.argv[1], int(sys.argv[2]))
    with publishing(
        settings.home, settings.postgres_url, settings.manager_url, settings.manager_access, Path()
    ) as place:
        place.resume()


if __name__ == "__main__":
    _main()
