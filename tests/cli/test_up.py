"""`atom up` from the outside: the UI's own API, a range of days run again from it, one instance at a time, Ctrl-C."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 180  # seconds for a process to come up, or a range to be done, on a busy machine
LAUNCH = """
mutation($p: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $p) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
RUNS = """
query($f: RunsFilter) {
  runsOrError(filter: $f) { ... on Runs { results { status startTime assetSelection { path } tags { key value } } } }
}"""


def command(*words: str) -> list[str]:
    return [sys.executable, "-c", "from atom_pipeline.cli import main; main()", *words]


@dataclass(frozen=True)
class Served:
    """A running `atom up` over two demo days."""

    home: Path
    url: str
    environment: dict[str, str]
    process: subprocess.Popen[str]

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            said = json.load(answer)
        assert "errors" not in said, said
        return said["data"]

    def tables(self) -> dict[str, bytes]:
        lake = self.home / "lake"
        return {str(path.relative_to(lake)): path.read_bytes() for path in sorted(lake.rglob("*.parquet"))}

    def days(self) -> list[str]:
        return sorted(path.stem for path in (self.home / "lake" / "contratos").iterdir())


def wait_for(answers: Any, what: str) -> Any:
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        found = answers()
        if found:
            return found
        time.sleep(1)
    raise AssertionError(f"{what}: not within {PATIENCE} s")


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    folder = Path(tempfile.mkdtemp(prefix="atom-up-"))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ATOM_", "DAGSTER_"))}
    environment = {**kept, "ATOM_HOME": str(folder / "home")}
    subprocess.run(
        command("demo", "--contracts", "60", "--days", "2"), cwd=ROOT, env=environment, check=True, capture_output=True
    )
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = (folder / "up.log").open("w", encoding="utf-8")
    process = subprocess.Popen(
        command("up", "--port", str(port)), cwd=ROOT, env=environment, stdout=log, stderr=log, text=True
    )
    one = Served(folder / "home", f"http://127.0.0.1:{port}", environment, process)

    def answers() -> bool:
        assert process.poll() is None, (folder / "up.log").read_text(encoding="utf-8")[-3000:]
        try:
            return bool(one.ask("{ version }"))
        except (urllib.error.URLError, ConnectionError):
            return False

    try:
        wait_for(answers, "the UI")
        yield one
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=60)
        log.close()
        shutil.rmtree(folder, ignore_errors=True)


def test_the_ui_has_every_asset_with_its_partitions_columns_and_checks(served: Served) -> None:
    nodes = served.ask("{ assetNodes { assetKey { path } groupName isPartitioned description hasAssetChecks } }")
    by_path = {"/".join(node["assetKey"]["path"][1:]): node for node in nodes["assetNodes"]}
    assert {node["groupName"] for node in by_path.values()} == {"receive", "base", "models", "publish"}
    assert all(node["isPartitioned"] and node["description"] for node in by_path.values())
    assert by_path["guardas"]["hasAssetChecks"]
    assert by_path["recebido/remessa_assessoria"]["hasAssetChecks"]


def test_a_range_run_again_from_the_ui_is_one_run_a_day_in_order_with_the_same_bytes(served: Served) -> None:
    before, days = served.tables(), served.days()
    sent = sorted(path.name for path in (served.home / "manager").iterdir())
    keys = [node["assetKey"] for node in served.ask("{ assetNodes { assetKey { path } } }")["assetNodes"]]
    launched = served.ask(LAUNCH, p={"assetSelection": keys, "partitionNames": days})["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    mine = {"tags": [{"key": "dagster/backfill", "value": launched["backfillId"]}]}

    def finished() -> list[dict[str, Any]]:
        runs = served.ask(RUNS, f=mine)["runsOrError"]["results"]
        assert not [run for run in runs if run["status"] in ("FAILURE", "CANCELED")], runs
        done = [run for run in runs if run["status"] == "SUCCESS"]
        return done if len(done) >= len(days) else []

    runs = sorted(wait_for(finished, "the range"), key=lambda run: run["startTime"])
    ran = [tag["value"] for run in runs for tag in run["tags"] if tag["key"] == "dagster/partition"]
    assert ran == days
    assert [len(run["assetSelection"]) for run in runs] == [len(keys)] * len(days)
    assert served.tables() == before
    assert sorted(path.name for path in (served.home / "manager").iterdir()) == sent


def test_a_second_one_on_the_same_database_is_refused(served: Served) -> None:
    second = subprocess.run(
        command("up", "--port", "0"), cwd=ROOT, env=served.environment, capture_output=True, text=True, timeout=120
    )
    assert second.returncode == 1
    assert "another `atom up` uses this database" in second.stderr


def test_ctrl_c_stops_everything_it_started(served: Served) -> None:
    import psutil

    children = psutil.Process(served.process.pid).children(recursive=True)
    assert children
    served.process.send_signal(signal.SIGINT)
    assert served.process.wait(timeout=90) == 0
    gone, alive = psutil.wait_procs(children, timeout=30)
    assert [process.name() for process in alive if "postgres" not in process.name()] == []
    assert gone
