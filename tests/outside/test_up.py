"""`atom up` from the outside: the UI's own API, a range made again from it, kills, a proxy with a login, Ctrl-C.

What a kill leaves is looked at more closely in ``test_recovery``; days made by the sensors are beside this.
"""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from made_demo import MadeDemo, copy_home, installed
from nginx import LOGIN, proxied
from station import PATIENCE, ROOT, Station, command, station, wait_for
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from atom_pipeline.cli.services import MARK, run_processes

LAUNCH_RANGE = """
mutation($p: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $p) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}"""
RUNS = """
query($f: RunsFilter) {
  runsOrError(filter: $f) { ... on Runs { results { status startTime assetSelection { path } tags { key value } } } }
}"""
SENSOR = "query($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor { id } } }"
STOP = (
    "mutation($id: String!) { stopSensor(id: $id) { ... on StopSensorMutationResult { instigationState { status } } } }"
)
ASSETS = "{ assetNodes { assetKey { path } groupName isPartitioned description hasAssetChecks } }"


@pytest.fixture
def served(demo: MadeDemo) -> Iterator[Station]:
    """A running `atom up` over two days that are made."""
    with installed(demo) as folder, station(folder / "home") as one:
        yield one


def tables(served: Station) -> dict[str, bytes]:
    lake = served.home / "lake"
    return {str(path.relative_to(lake)): path.read_bytes() for path in sorted(lake.rglob("*.parquet"))}


def days(served: Station) -> list[str]:
    return sorted(path.stem for path in (served.home / "lake" / "contratos").glob("*.parquet"))


def launch_range(served: Station, days: list[str]) -> Any:
    """Ask for a range of all assets, as the UI does. Returns what asks for its runs."""
    keys = [node["assetKey"] for node in served.ask(ASSETS)["assetNodes"]]
    launched = served.ask(LAUNCH_RANGE, p={"assetSelection": keys, "partitionNames": days})["launchPartitionBackfill"]
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    mine = {"tags": [{"key": "dagster/backfill", "value": launched["backfillId"]}]}

    def runs() -> list[dict[str, Any]]:
        return sorted(served.ask(RUNS, f=mine)["runsOrError"]["results"], key=lambda run: run["startTime"] or 9e9)

    return runs


def stop_sensor(served: Station, name: str) -> None:
    """As a person does in the UI."""
    selector = {
        "repositoryName": "__repository__",
        "repositoryLocationName": "atom",
        "sensorName": f"{served.portfolio}__{name}",
    }
    found = served.ask(SENSOR, s=selector)["sensorOrError"]["id"]
    assert served.ask(STOP, id=found)["stopSensor"]["instigationState"]["status"] == "STOPPED"


def processes_of(served: Station) -> list[psutil.Process]:
    """Every process that came of this `atom up`, whoever is its parent."""
    found = []
    for process in psutil.process_iter():
        try:
            variables = process.environ()
        except psutil.Error:
            continue
        if MARK in variables and variables.get("ATOM_HOME") == str(served.home):
            found.append(process)
    return found


def code_server(served: Station) -> psutil.Process:
    return next(process for process in processes_of(served) if "grpc" in process.cmdline())


def it_says_where_the_ui_is_and_the_ui_has_every_asset_with_its_partitions_and_checks(served: Station) -> None:
    assert f"UI       http://127.0.0.1:{served.port}  (Ctrl-C stops it)" in served.log.read_text()
    by_path = {"/".join(node["assetKey"]["path"][1:]): node for node in served.ask(ASSETS)["assetNodes"]}
    assert {"receive", "base", "models", "publish"} <= {node["groupName"] for node in by_path.values()}
    assert all(node["isPartitioned"] and node["description"] for node in by_path.values())
    assert by_path["guardas"]["hasAssetChecks"]
    assert by_path["recebido/remessa_assessoria"]["hasAssetChecks"]


def a_second_daemon_on_the_same_database_is_refused(served: Station) -> None:
    for words in (("up", "--port", "0"), ("up", "--only", "daemon")):
        second = subprocess.run(
            command(*words), cwd=ROOT, env=served.environment, capture_output=True, text=True, timeout=120
        )
        assert (second.returncode, "another `atom up` uses this database" in second.stderr) == (1, True)


def the_ui_works_behind_the_proxy_and_asks_for_a_login(served: Station, tmp_path: Path) -> None:
    with proxied(tmp_path, served.port) as proxy:
        page = httpx.get(proxy.url, verify=proxy.trust, auth=LOGIN, timeout=60)
        assert (page.status_code, "dagster" in page.text.lower()) == (200, True)
        query = {"query": "{ version }"}
        asked = httpx.post(f"{proxy.url}/graphql", verify=proxy.trust, auth=LOGIN, json=query, timeout=60)
        assert asked.json()["data"]["version"]
        assert httpx.post(f"{proxy.url}/graphql", verify=proxy.trust, json=query).status_code == 401
        options: dict[str, Any] = {
            "additional_headers": {"Authorization": httpx.BasicAuth(*LOGIN)._auth_header},
            "subprotocols": [Subprotocol("graphql-ws")],
            "open_timeout": 60,
        }
        with connect(proxy.websocket, ssl=proxy.trust, **options) as socket:
            socket.send(json.dumps({"type": "connection_init"}))
            assert json.loads(socket.recv(timeout=20))["type"] == "connection_ack"


def a_range_killed_in_its_first_day_goes_on_with_the_next_and_changes_no_byte(served: Station) -> None:
    before, sent = tables(served), sorted(path.name for path in (served.home / "manager").iterdir())
    stop_sensor(served, "alarmes")
    runs = launch_range(served, days(served))
    wait_for(lambda: [run for run in runs() if run["status"] == "STARTED"], "the first day")
    served.kill()
    served.start()

    def ended() -> list[dict[str, Any]]:
        found = runs()
        done = [run for run in found if run["status"] in ("SUCCESS", "FAILURE")]
        return done if len(done) == len(days(served)) else []

    found = wait_for(ended, "the range")
    assert [run["status"] for run in found] == ["FAILURE", "SUCCESS"]
    assert [tag["value"] for run in found for tag in run["tags"] if tag["key"] == "dagster/partition"] == days(served)
    everything = len(served.ask(ASSETS)["assetNodes"])
    assert [len(run["assetSelection"]) for run in found] == [everything] * 2  # one whole day a run
    assert "1 run(s) that an earlier stop left unfinished are marked as failed" in served.log.read_text()
    assert tables(served) == before
    assert sorted(path.name for path in (served.home / "manager").iterdir()) == sent
    assert list(served.home.rglob(".*.parcial")) == []
    assert served.sensor("dias") is not None
    assert served.sensor("alarmes") is None  # a person stopped it


def ctrl_c_lets_a_run_end_and_stops_everything_it_started(served: Station) -> None:
    assert served.process is not None
    table = served.home / "lake" / "recebido" / "telefones" / f"{days(served)[-1]}.parquet"
    before = table.read_bytes()
    nodes = served.ask(ASSETS)["assetNodes"]
    receiving = ["/".join(node["assetKey"]["path"][1:]) for node in nodes if node["groupName"] == "receive"]
    asked = served.launch(days(served)[-1], *receiving)
    wait_for(lambda: [run for run in served.runs() if (run.id, run.status) == (asked, "STARTED")], "the run")
    (run,) = run_processes(code_server(served).pid)
    run.suspend()  # in the middle of its work, for as long as it takes
    table.unlink()
    served.process.send_signal(signal.SIGINT)
    wait_for(lambda: "1 run(s) under way are finished first" in served.log.read_text(), "what is waited for")
    assert served.process.poll() is None
    run.resume()
    assert served.process.wait(timeout=PATIENCE) == 0
    assert served.log.read_text().rstrip().endswith("stopped")
    assert table.read_bytes() == before
    assert processes_of(served) == []
    assert not (served.home / "postgres" / "postmaster.pid").exists()


def a_home_that_is_copied_while_nothing_runs_is_a_backup_too(served: Station) -> None:
    """The embedded PostgreSQL lies in it. Last: after the stop."""
    copy = served.home.with_name("copia")
    copy_home(served.home, copy)
    environment = {**served.environment, "ATOM_HOME": str(copy)}
    for words, said in (
        (("verify",), " 0 not as the ledger recorded"),
        (("backup", str(copy / "b")), "backup "),
        (("prune", "--dry-run"), "would be removed"),
    ):
        done = subprocess.run(command(*words), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
        assert (done.returncode, said in done.stdout) == (0, True), done.stdout + done.stderr


def test_an_installation_from_its_start_to_its_stop(served: Station, tmp_path: Path) -> None:
    """In this order, each from where the one before left off: one test, so that no two processes share the work."""
    it_says_where_the_ui_is_and_the_ui_has_every_asset_with_its_partitions_and_checks(served)
    a_second_daemon_on_the_same_database_is_refused(served)
    the_ui_works_behind_the_proxy_and_asks_for_a_login(served, tmp_path)
    a_range_killed_in_its_first_day_goes_on_with_the_next_and_changes_no_byte(served)
    ctrl_c_lets_a_run_end_and_stops_everything_it_started(served)
    a_home_that_is_copied_while_nothing_runs_is_a_backup_too(served)
