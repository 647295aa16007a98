"""FAULTS 30: the daemon killed at each step of a sensor's tick: exactly one run per change after restart."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from aurora import LAYOUTS, NAME, Place, opened
from databases import Ledgers
from receiving import DAY, LONG_AGO
from ticking import STEPS, Daemon, Ran, daemons

from assets.build import job_name
from assets.collecting import collect_job_name
from resources.instance import environment
from resources.settings import Settings, file_url
from sensors.days import days_sensor_name
from sensors.drop import drop_sensor_name

COLLECTING, MAKING = collect_job_name(NAME), job_name(NAME)
QUEUED, DONE = "QUEUED", "SUCCESS"
LAST = STEPS[-1]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, ledgers: Ledgers) -> Iterator[Place]:
    url = ledgers.lend()
    yield Place(tmp_path_factory.mktemp("daemon") / "home", url)
    ledgers.give_back(url)


@pytest.fixture(scope="module")
def daemon(place: Place) -> Iterator[Daemon]:
    drop, manager = (file_url(place.home / name) for name in ("drop", "manager"))
    settings = Settings(place.home, drop, manager, LAYOUTS, place.postgres_url)
    settings.prepare()
    with daemons(environment(settings, place.postgres_url)) as one:
        one.live(1)
        yield one


def test_each_change_is_collected_and_made_by_one_run_wherever_the_daemon_was_killed(
    place: Place, daemon: Daemon
) -> None:
    names = [f"aurora.71.contratos.{DAY:%Y%m%d}-06000{number}.txt" for number in range(len(STEPS))]
    for number, (step, name) in enumerate(zip(STEPS, names, strict=True)):
        file = place.home / "drop" / name
        file.write_text(f"contrato\n{number}\n")
        os.utime(file, (LONG_AGO.timestamp(), LONG_AGO.timestamp()))
        # The first tick sees the file, the second asks for it, and is killed.
        daemon.live(1, die=(drop_sensor_name(NAME), step))
        # Started again it asks for it once. Collected, the day has a file that its base has not: the next tick asks
        # for the day, and is killed.
        runs = daemon.live(2, then="work", die=(days_sensor_name(NAME), step))
        waiting = only(runs, COLLECTING, QUEUED)
        assert [name in run.config for run in waiting] == [True], (step, waiting)
        # A person takes the day out of the queue, but for the last time: the next file is the next change.
        runs = daemon.live(2, then="cancel" if step != LAST else "work")
        assert [run.status for run in only(runs, COLLECTING)] == [DONE] * (number + 1), step
        days = only(runs, MAKING)
        assert [run.status for run in days] == ["CANCELED"] * number + [QUEUED], (step, days)
        assert {run.day for run in days} == {f"{DAY}"}
    runs = daemon.live(2)
    assert only(runs, MAKING)[-1].status == DONE
    assert (only(runs, QUEUED), len(runs)) == ([], 2 * len(STEPS))
    with opened(place) as runtime:
        collected = [(file.name, file.version) for file in runtime.ledger.files(DAY, every=True)]
        assert collected == [(name, 1) for name in names]
        assert runtime.stale() == []


def only(runs: list[Ran], *wanted: str) -> list[Ran]:
    """The runs of a job, in a state, or both."""
    return [run for run in runs if {run.job, run.status}.issuperset(wanted)]
