"""A whole installation seen from the outside: `atom up` in processes of its own, asked only through the UI's API.

What it reads and writes is what a bank and a dialer would see: files on servers. Nothing of it is imported here.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
from ports import free_port

ROOT = Path(__file__).resolve().parents[1]
PATIENCE = 240  # seconds, for a process to come up or a day to be made on a busy machine
UNDER_WAY = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")
RUNS = "{ runsOrError { ... on Runs { results { runId jobName status startTime tags { key value } } } } }"
SENSOR = """
query($s: SensorSelector!) {
  sensorOrError(sensorSelector: $s) {
    ... on Sensor { sensorState { status ticks(limit: 100) { timestamp status skipReason runIds } } }
  }
}"""

LAUNCH = """
mutation($p: ExecutionParams!) {
  launchPipelineExecution(executionParams: $p) {
    __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  }
}"""

T = TypeVar("T")


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from atom_pipeline.cli import main; main()", *words]


def wait_for(answers: Callable[[], T | None], what: str, *, every: float = 0.25) -> T:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = answers()
        if found:
            return found
        time.sleep(every)
    raise AssertionError(f"{what}: not within {PATIENCE} s")


@dataclass(frozen=True)
class Run:
    id: str
    job: str
    status: str
    started: float | None
    tags: Mapping[str, str]

    @property
    def day(self) -> str | None:
        return self.tags.get("dagster/partition")


@dataclass(frozen=True)
class Tick:
    at: float
    status: str
    said: str
    runs: tuple[str, ...]


@dataclass
class Station:
    """An installation over a home and two servers. ``process`` is its `atom up`."""

    home: Path
    environment: dict[str, str]
    portfolio: str = "banco_pan_veiculos"
    process: subprocess.Popen[bytes] | None = None
    port: int = field(default=0)

    @classmethod
    def of(cls, home: Path, **variables: object) -> Station:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("ATOM_", "DAGSTER_"))}
        home.mkdir(parents=True, exist_ok=True)
        return cls(home, {**kept, "ATOM_HOME": str(home), **{name: str(value) for name, value in variables.items()}})

    @property
    def log(self) -> Path:
        return self.home.parent / f"{self.home.name}.log"

    def start(self) -> None:
        """Start `atom up`, and wait until the UI answers with the sensors on."""
        self.port = free_port()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command("up", "--port", str(self.port)),
                cwd=ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        wait_for(self._answers, "the UI")
        wait_for(lambda: self.sensor("drop") is not None, "the sensors")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.log.read_text()[-3000:]
        try:
            return bool(self.ask("{ version }"))
        except (urllib.error.URLError, ConnectionError):
            return False

    def stop(self) -> None:
        """Ctrl-C."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            self.process.wait(timeout=90)

    def kill(self) -> None:
        """SIGKILL all that was started, but for PostgreSQL: as when the machine's memory ends, in no order."""
        assert self.process is not None
        mine = psutil.Process(self.process.pid)
        for process in [mine, *mine.children(recursive=True)]:
            try:
                if "postgres" not in process.name():
                    process.kill()
            except psutil.NoSuchProcess:
                continue
        self.process.wait(timeout=30)

    def ask(self, query: str, **variables: Any) -> Any:
        """What the UI's API answers."""
        body = json.dumps({"query": query, "variables": variables}).encode()
        url = f"http://127.0.0.1:{self.port}/graphql"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)
        assert "errors" not in said, said
        return said["data"]

    def launch(self, day: object, *assets: str) -> str:
        """Materialize a day, or some assets of it (`recebido/telefones`), as the UI does; returns the run's id."""
        selector: dict[str, object] = {"repositoryLocationName": "atom", "repositoryName": "__repository__"}
        if assets:
            selection = [{"path": [self.portfolio, *asset.split("/")]} for asset in assets]
            selector |= {"pipelineName": "__ASSET_JOB", "assetSelection": selection}
        else:
            selector |= {"pipelineName": f"{self.portfolio}__dia"}
        tags = [{"key": "dagster/partition", "value": f"{day}"}]
        asked = {"selector": selector, "runConfigData": {}, "mode": "default", "executionMetadata": {"tags": tags}}
        launched = self.ask(LAUNCH, p=asked)["launchPipelineExecution"]
        assert launched["__typename"] == "LaunchRunSuccess", launched
        return str(launched["run"]["runId"])

    def runs(self) -> list[Run]:
        """Every run, the oldest first."""
        found = [
            Run(
                one["runId"],
                one["jobName"],
                one["status"],
                one["startTime"],
                {tag["key"]: tag["value"] for tag in one["tags"]},
            )
            for one in self.ask(RUNS)["runsOrError"]["results"]
        ]
        return found[::-1]

    def sensor(self, name: str) -> list[Tick] | None:
        """The ticks of a sensor, the oldest first; None while it is not loaded, or is off."""
        selector = {
            "repositoryName": "__repository__",
            "repositoryLocationName": "atom",
            "sensorName": f"{self.portfolio}__{name}",
        }
        state = self.ask(SENSOR, s=selector)["sensorOrError"].get("sensorState")
        if state is None or state["status"] != "RUNNING":
            return None
        return [
            Tick(one["timestamp"], one["status"], one["skipReason"] or "", tuple(one["runIds"]))
            for one in state["ticks"]
        ][::-1]


@contextmanager
def station(home: Path, **variables: object) -> Iterator[Station]:
    """A running installation, stopped at the end."""
    one = Station.of(home, **variables)
    try:
        one.start()
        yield one
    finally:
        one.stop()
