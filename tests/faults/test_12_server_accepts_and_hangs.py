"""FAULTS 12: the server accepts and then hangs: a deadline well under the sensor's 60 s fires; the next poll works."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from receiving import ACORDOS, CONTENT, PROTOCOLS, SHORT, outcomes, receiving, table
from servers.common import Step

from resources.file_server import DeadlinePassed, Patience
from sensors.drop import LISTING_SECONDS

TICK = 60  # seconds that Dagster gives a sensor


def test_a_poll_is_over_well_before_dagster_ends_its_tick() -> None:
    """What the tests below see with little patience holds with the patience that the product has."""
    assert Patience().call <= 20
    assert Patience().call < LISTING_SECONDS < TICK - 10


@pytest.mark.parametrize("step", ["login", "list"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_poll_that_gets_no_answer_fails_in_time_and_the_next_one_works(
    tmp_path: Path, ledger_url: str, protocol: str, step: Step
) -> None:
    with receiving(protocol, tmp_path, ledger_url, patience=SHORT) as drop:
        drop.put()
        drop.tick()
        drop.served.faults.on(step, "hang", times=1)
        began = time.monotonic()
        with pytest.raises(DeadlinePassed, match=r"127\.0\.0\.1") as raised:
            drop.tick()
        assert time.monotonic() - began < TICK / 2
        assert raised.value.retry_helps
        assert drop.cursor is not None and ACORDOS in drop.cursor
        assert outcomes(drop.obey(drop.tick())) == {ACORDOS: "coletado"}
        assert (drop.files(), drop.quiet()) == ([(ACORDOS, 1, "current")], True)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_download_that_stops_halfway_is_left_in_time_and_the_next_one_works(
    tmp_path: Path, ledger_url: str, protocol: str
) -> None:
    with receiving(protocol, tmp_path, ledger_url, patience=SHORT) as drop:
        drop.put()
        asked = drop.asked()
        drop.served.faults.on("read", "hang", after=100_000, times=1)
        began = time.monotonic()
        outcome, detail = table(drop.obey(asked))[ACORDOS]
        assert time.monotonic() - began < TICK / 2
        assert (outcome, detail.partition(":")[0]) == ("erro", "DeadlinePassed")
        assert (drop.files(), drop.archived()) == ([], {})
        assert outcomes(drop.obey(drop.asked())) == {ACORDOS: "coletado"}
        assert list(drop.archived().values()) == [CONTENT]
